"""The text that contenders are scored on: the same documents for all, and bits per the same bytes.

Whoever varies the text may lose, mask or move documents. A grid of settings is refused then; an ablation is scored on
the documents that all its recipes hold out.
"""

from dataclasses import replace
from pathlib import Path

from idiolect import rundir
from idiolect.config_load import Loaded
from idiolect.corpus.common import restrict
from idiolect.corpus.documents import read_column
from idiolect.corpus.split import SPLITS
from idiolect.errors import RecipeError
from idiolect.rundir import content_hash
from idiolect.stages.contenders import Contender
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared, prepared_from
from idiolect.stages.trials import Hushed


def comparable(found: list[Contender]) -> list[Contender]:
    """The contenders with their scales. Raises RecipeError when they are not scored on the same documents.

    Bytes are counted on the text that was changed least; a transform leaves the count of the original.
    """
    first, split = found[0], scored_split(found)
    names = {one.ready.documents for one in found}
    if len(names) == 1 or len({content_hash(folder, f"{split}.parquet") for folder in names}) == 1:
        return found
    for one in found[1:]:
        if held_ids(one.ready.documents, split) != held_ids(first.ready.documents, split):
            raise RecipeError(
                f"{first.name} and {one.name} hold out different {split} documents",
                why="scores on different text can't be compared: a cleaned text may fall on another side of the split",
                fix="--corpus.split_by=position, or a held-out text of your own: --corpus.validation_text=held.txt",
            )
    most = max(one.ready.split(split).n_bytes for one in found)
    return [replace(one, scale=one.ready.split(split).n_bytes / most) for one in found]


def on_common_text(job: Job, found: list[Contender]) -> list[Contender]:
    """The contenders, each prepared anew to hold out only what all of them hold out, unless they do already.

    Each trains on all its own training text: that is what is measured. Raises RecipeError when nothing is common.
    """
    held = {split: [held_ids(one.ready.documents, split) for one in found] for split in SPLITS[1:]}
    if all(ids == lists[0] for lists in held.values() for ids in lists):
        return found
    common = {split: set(lists[0]).intersection(*lists) for split, lists in held.items()}
    if not common["validation"]:
        raise RecipeError(
            "no validation document is held out by all that are compared",
            why="a cleaned text may fall on another side of the split, and dropped documents are on none",
            fix="--corpus.split_by=position, or a held-out text of your own: --corpus.validation_text=held.txt",
        )
    return [replace(one, ready=_restricted(job, one, common)) for one in found]


def _restricted(job: Job, one: Contender, common: dict[str, set[str]]) -> Prepared:
    documents = one.ready.documents
    asked = {split: sorted(ids) for split, ids in common.items()}
    inputs = {"documents": {split: content_hash(documents, f"{split}.parquet") for split in SPLITS}, "held_out": asked}
    folder, _ = rundir.stage(job.runs, "corpus", inputs, lambda out: restrict(documents, out, common))
    return prepared_from(replace(job, loaded=Loaded(one.recipe, {}), progress=Hushed(quiet=job.progress.quiet)), folder)


def scored_split(found: list[Contender]) -> str:
    """The split that verdicts are made on: test, which no search has seen; validation where there is no test."""
    for one in found:
        if "validation" not in one.ready.held_out:
            raise RecipeError(
                f"no validation text is held out of {one.name}'s text",
                why="learning rates are chosen on it, and a score on its own training text says nothing of a model",
                fix="--corpus.validation_fraction=0.1",
            )
    return "test" if all("test" in one.ready.held_out for one in found) else "validation"


def held_ids(documents: Path, split: str) -> list[str]:
    """The ids of a split's documents, in order."""
    return list(read_column(documents, split, "id"))
