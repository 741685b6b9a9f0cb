"""What stands beside a prepared corpus for people: its audit page, its datasheet, the public summary of its content.

A stage of its own: another answer in the author's file, or a better page, makes these anew and not the corpus.
"""

from pathlib import Path

from idiolect import rundir
from idiolect.corpus.audit.answers import read_answers
from idiolect.corpus.audit.datasheet import datasheet
from idiolect.corpus.audit.origins import origins
from idiolect.corpus.audit.summary import summary
from idiolect.report.audit import page
from idiolect.stages.job import PACKAGE, Job

PAGE, DATASHEET, SUMMARY, PROFILE = "audit.html", "datasheet.md", "public-summary.md", "profile.json"
NAMED_SOURCES = 3


def whole_audit(documents: Path) -> dict:
    """The books of a prepared corpus, with the figures of its profile where they were made."""
    audit, profile = rundir.read_json(documents / "audit.json"), documents / PROFILE
    return audit | ({"profile": rundir.read_json(profile)} if profile.exists() else {})


def title_of(audit: dict) -> str:
    """A corpus is called by its largest sources."""
    rows = sorted(audit["sources"], key=lambda row: (-row["bytes"], row["source"]))
    names = list(dict.fromkeys(row["source"] for row in rows))
    if len(names) > NAMED_SOURCES:
        return f"{', '.join(names[:NAMED_SOURCES])} and {len(names) - NAMED_SOURCES} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names) or "corpus"


def audited(job: Job, documents: Path) -> Path:
    """The folder with the page and both documents. Raises RecipeError when the author's answers can't be read."""
    answers = read_answers(job.recipe.corpus.about)

    def make(out: Path) -> None:
        audit = whole_audit(documents) | origins(documents)
        name = title_of(audit)
        rundir.write_atomic(out / PAGE, page.render(audit, name))
        rundir.write_atomic(out / DATASHEET, datasheet(audit, answers, name))
        rundir.write_atomic(out / SUMMARY, summary(audit, answers, name))

    reads = {
        "audit": rundir.sha256_file(documents / "audit.json"),
        "profile": rundir.sha256_file(documents / PROFILE) if (documents / PROFILE).exists() else "",
        "answers": answers,
        "code": [rundir.code_version(PACKAGE / room) for room in ("report", "corpus/audit", "corpus/clean")],
    }
    folder, made = rundir.stage(job.runs, "audit", reads, make)
    if not made:
        job.progress.say(f"audit: nothing to do, {folder.name} stands")
    return folder


def for_report(job: Job, documents: Path) -> dict:
    """The audit as a run's report shows it, and where its page lies, seen from the folder of the run."""
    return whole_audit(documents) | {"page": f"../{rundir.PREPARED}/{audited(job, documents).name}/{PAGE}"}
