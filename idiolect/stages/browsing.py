"""`idiolect show corpus`: a prepared corpus in the terminal, its books and its documents, and its papers as files.

Texts are hostile: whatever would move a cursor or reorder a line is spelt out before it is printed.
"""

import itertools
from collections import Counter
from pathlib import Path

from rich.table import Table
from rich.text import Text

from idiolect import rundir
from idiolect.corpus.audit.answers import read_answers
from idiolect.corpus.audit.datasheet import datasheet
from idiolect.corpus.audit.lookup import Wanted, check, documents, sample
from idiolect.corpus.audit.origins import origins
from idiolect.corpus.audit.summary import summary
from idiolect.corpus.explain import REASONS
from idiolect.corpus.near import said
from idiolect.errors import RecipeError
from idiolect.progress import Progress, show_bytes
from idiolect.recipe import Recipe, load_recipe
from idiolect.report.audit import funnel, story
from idiolect.report.audit.documents import differing
from idiolect.request import Request
from idiolect.stages import auditing
from idiolect.stages.job import open_job, record_of
from idiolect.stages.prepared import corpus, measured_bytes_per_token
from idiolect.visible import visible

FIRST = 10  # documents shown when nobody says how many
NAMED = 20  # files that were passed over
HEAD = 400  # characters of each
PAPERS = {"datasheet": datasheet, "summary": summary}


def shown_corpus(request: Request, progress: Progress) -> dict:
    """The books, or documents by what they are, or a paper. Raises RecipeError for what can't be asked."""
    folder, recipe, bytes_per_token = found(request, progress)
    audit, options = auditing.whole_audit(folder, bytes_per_token), request.options
    paper = next((name for name in PAPERS if options[name]), "")
    if paper:
        return written(paper, audit | origins(folder), recipe, request.out, progress)
    if request.out:
        raise RecipeError(
            "--out has nothing to write", why="of a corpus its datasheet and its public summary can be written",
            fix=f"--datasheet --out {request.out}, or --summary --out {request.out}",
        )  # fmt: skip
    wanted = Wanted(*(options[name] or "" for name in ("split", "reason", "source", "language", "search", "id")))
    n = sampled(options["sample"])
    with progress.paged():
        if wanted == Wanted() and n is None:
            show_books(progress, audit)
            return audit
        check(wanted, audit)
        rows = documents(folder, wanted)
        rows = sample(rows, n, recipe.seed) if n is not None else list(itertools.islice(rows, FIRST))
        show_pairs(progress, audit, wanted)
        show_documents(progress, rows, audit, whole=bool(wanted.id))
        show_nearest(progress, audit, wanted)
        if n is None and len(rows) == FIRST:
            progress.show(f"the first {FIRST}; for a sample of all: --sample {FIRST}")
    return {"documents": rows}


def found(request: Request, progress: Progress) -> tuple[Path, Recipe, float | None]:
    """The prepared folder that a target means (one itself, a run's, a recipe's), the settings that go with it, and
    what their tokenizer was measured to make of its text, where it was trained."""
    target = Path(request.target or "")
    if request.target and (target / "audit.json").is_file():
        return target, load_recipe(None, request.flags).config, None
    job = open_job(request.target, request.flags, name=request.name, runs=request.runs, progress=progress)
    # A run is asked for the text that it learned from, whatever has become of its files since.
    own = job.runs / rundir.PREPARED / str(record_of(job).get("stages", {}).get("corpus", ""))
    folder = own if target.is_dir() and (own / "audit.json").is_file() else corpus(job)
    return folder, job.recipe, measured_bytes_per_token(job, folder)


def sampled(typed: str | None) -> int | None:
    """How many documents a sample is to have."""
    if typed is None:
        return None
    if not typed.isdecimal() or not 0 < int(typed) <= 10_000:
        raise RecipeError(
            f"--sample {typed} is no number of documents", why="it is a whole number from 1 to 10,000", fix="--sample 5"
        )
    return int(typed)


def written(paper: str, audit: dict, recipe: Recipe, out: Path | None, progress: Progress) -> dict:
    """The datasheet or the public summary, into a file or on the screen."""
    text = PAPERS[paper](audit, read_answers(recipe.corpus.about), auditing.title_of(audit))
    if out is None:
        progress.show(text)
        return {paper: text}
    rundir.write_atomic(out, text)
    progress.show(str(out))
    return {paper: str(out)}


def show_books(progress: Progress, audit: dict) -> None:
    """The sentence, the funnel, sources, languages, and what was passed over."""
    progress.show(visible(story.sentence(audit)))
    left, rows = funnel.total(audit), []
    for stage, reasons in funnel.stages(audit):
        for reason, row in reasons.items():
            left -= row["documents"]
            rows.append([stage, visible(reason), f"−{row['documents']:,}", show_bytes(row["bytes"]), f"{left:,}",
                         REASONS[reason][0] if reason in REASONS else ""])  # fmt: skip
    progress.table(["stage", "reason", "fell", "text", "left", "meaning"], rows, title="The funnel", result=True)
    kept = [[split, f"{row['documents']:,}", show_bytes(row["bytes"])] for split, row in audit["kept"].items()]
    progress.table(["kept", "documents", "text"], kept, result=True)
    sources = [
        [visible(row["source"]), visible(row["licence"]), f"{row['documents']:,}", show_bytes(row["bytes"])]
        for row in sorted(audit["sources"], key=lambda row: -row["bytes"])[:20]
    ]
    progress.table(["source", "licence", "documents", "text"], sources, result=True)
    feeds = audit.get("profile", {}).get("feeds") or {}
    if feeds.get("sentence"):
        progress.show(visible(feeds["sentence"]))
    show_passed_over(progress, audit)
    progress.show("documents: --split, --reason, --source, --language, --search, --id, --sample")


def show_passed_over(progress: Progress, audit: dict) -> None:
    """Files and rows that gave no document, each reason of a file once."""
    rows = Counter((row["file"], row["reason"]) for row in audit.get("skipped_files", []))
    for (file, why), n in list(rows.items())[:NAMED]:
        progress.show(visible(f"passed over: {file}: {why}" + (f" ({n:,} times)" if n > 1 else "")))
    if len(rows) > NAMED:
        progress.show(f"and {len(rows) - NAMED:,} more, in audit.json")


def show_documents(progress: Progress, rows: list[dict], audit: dict, whole: bool) -> None:
    """Each document under a line that says what it is; all of its text where one was asked for by its id."""
    for row in rows:
        about = [row.get(key) for key in ("id", "split", "reason", "source", "licence", "language", "label")]
        progress.show("")
        progress.show(visible(" · ".join(str(part) for part in about if part)), style="bold")
        measure = audit["dropped"].get(row.get("reason"), {}).get("measure")
        for why in (row.get("note"), said(row, measure)):
            if why:
                progress.show(visible(why))
        text = row["text"]
        progress.show(visible(text if whole or len(text) <= HEAD else text[:HEAD] + " …"))
    if not rows:
        progress.show("no document is like that")


def show_nearest(progress: Progress, audit: dict, wanted: Wanted) -> None:
    """Of one reason the kept documents that came nearest to falling, or what there is in their place."""
    row = audit["dropped"].get(wanted.reason, {})
    for stayed in row.get("kept_samples") or []:
        progress.show("")
        about = ("stayed", stayed["id"], stayed["source"], said(stayed, row.get("measure")))
        progress.show(visible(" · ".join(part for part in about if part)), style="bold")
        progress.show(visible(stayed["text"]))
    if row.get("instead"):
        progress.show("")
        progress.show(row["instead"])


def show_pairs(progress: Progress, audit: dict, wanted: Wanted) -> None:
    """Of duplicates the pairs that the audit kept, side by side, what differs set off."""
    for pair in audit["dropped"].get(wanted.reason, {}).get("pairs") or []:
        left, right = differing(str(pair["kept"]["text"]), str(pair["dropped"]["text"]))
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0))
        for name, one in (("kept", pair["kept"]), ("dropped", pair["dropped"])):
            table.add_column(Text(visible(f"{name}: {one['source']}"), style="bold"), ratio=1, overflow="fold")
        table.add_row(styled(left), styled(right))
        progress.draw(table)


def styled(pieces: list[tuple[str, bool]]) -> Text:
    """Pieces of a text, those that differ underlined."""
    text = Text()
    for piece, differs in pieces:
        text.append(visible(piece), style="underline bold" if differs else "")
    return text
