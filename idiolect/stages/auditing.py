"""What stands beside a prepared corpus for people: its audit page, its datasheet, the public summary of its content.

A stage of its own: another answer in the author's file, or a better page, makes these anew and not the corpus.
"""

from pathlib import Path

from idiolect import rundir
from idiolect.corpus.audit.answers import read_answers
from idiolect.corpus.audit.datasheet import datasheet
from idiolect.corpus.audit.origins import origins
from idiolect.corpus.audit.profile import in_tokens
from idiolect.corpus.audit.summary import summary
from idiolect.plan.repetition import effective_tokens
from idiolect.report.audit import page
from idiolect.stages.job import PACKAGE, Job
from idiolect.stages.prepared import Prepared

PAGE, DATASHEET, SUMMARY, PROFILE = "audit.html", "datasheet.md", "public-summary.md", "profile.json"
NAMED_SOURCES = 3


def whole_audit(documents: Path, bytes_per_token: float | None = None) -> dict:
    """The books of a prepared corpus, with the figures of its profile where they were made.

    `bytes_per_token` as the recipe's tokenizer was measured; without it the profile's assumption stands.
    """
    audit, profile = rundir.read_json(documents / "audit.json"), documents / PROFILE
    if not profile.exists():
        return audit
    figures = rundir.read_json(profile)
    return audit | {"profile": in_tokens(figures, bytes_per_token, effective_tokens) if bytes_per_token else figures}


def title_of(audit: dict) -> str:
    """A corpus is called by its largest sources."""
    rows = sorted(audit["sources"], key=lambda row: (-row["bytes"], row["source"]))
    names = list(dict.fromkeys(row["source"] for row in rows))
    if len(names) > NAMED_SOURCES:
        return f"{', '.join(names[:NAMED_SOURCES])} and {len(names) - NAMED_SOURCES} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names) or "corpus"


def audited(job: Job, ready: Prepared, mixture: list[dict] | None = None) -> Path:
    """The folder with the page and both documents; `mixture`: what a run draws from each source.

    Raises RecipeError when the author's answers can't be read.
    """
    documents, answers = ready.documents, read_answers(job.recipe.corpus.about)

    def make(out: Path) -> None:
        audit = for_page(ready, mixture) | origins(documents)
        name = title_of(audit)
        rundir.write_atomic(out / PAGE, page.render(audit, name))
        rundir.write_atomic(out / DATASHEET, datasheet(audit, answers, name))
        rundir.write_atomic(out / SUMMARY, summary(audit, answers, name))

    reads = {
        "audit": rundir.sha256_file(documents / "audit.json"),
        "profile": rundir.sha256_file(documents / PROFILE) if (documents / PROFILE).exists() else "",
        "bytes_per_token": ready.bytes_per_token,
        "mixture": mixture,
        "answers": answers,
        "code": [rundir.code_version(PACKAGE / room) for room in ("report", "corpus/audit", "corpus/clean")],
    }
    folder, made = rundir.stage(job.runs, "audit", reads, make)
    if not made:
        job.progress.say(f"audit: nothing to do, {folder.name} stands")
    return folder


def for_page(ready: Prepared, mixture: list[dict] | None) -> dict:
    """The audit with tokens as they were measured, and the mixture."""
    audit = whole_audit(ready.documents, ready.bytes_per_token)
    return audit | ({"mixture": mixture} if mixture else {})


def for_report(job: Job, ready: Prepared, mixture: list[dict] | None = None) -> dict:
    """The audit as a run's report shows it, and where its page lies, seen from the folder of the run."""
    folder = audited(job, ready, mixture)
    return for_page(ready, mixture) | {"page": f"../{rundir.PREPARED}/{folder.name}/{PAGE}"}
