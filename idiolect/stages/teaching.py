"""Another run's model as a teacher: found, checked against what learns from it, loaded without gradients.

A recipe's `train.loss.teacher` is the folder of a run, or the name of one beside this run. What is recorded is that
name and the hash of its weights, never where it lay.
"""

import dataclasses
from pathlib import Path

from torch import nn

from idiolect import rundir
from idiolect.data.objectives import Objective
from idiolect.errors import DataError, RecipeError
from idiolect.plan.operations import operations_per_token
from idiolect.stages.job import Job, open_job, record_of
from idiolect.stages.prepared import Prepared
from idiolect.stages.weights import load_model, pick_checkpoint, weights_hash

FACTS = ("teacher", "teacher_weights")


def teacher_facts(job: Job) -> dict[str, str]:
    """What a student's records say of its teacher: the run's name and its weights' hash; empty without one.

    A finished student needs its teacher no more: where it is gone, what was recorded stands.
    """
    if not job.recipe.train.loss.teacher:
        return {}
    recorded = record_of(job)
    if _folder(job) is None and recorded.get("finished"):
        return {key: value for key, value in recorded["decides"].items() if key in FACTS}
    teacher = _open(job)
    return dict(zip(FACTS, (teacher.run.name, weights_hash(pick_checkpoint(teacher, "best"))), strict=True))


@dataclasses.dataclass(frozen=True)
class Teacher:
    """The best weights of another run, in evaluation mode and without gradients.

    `reads_on`: it goes on from window to window, as it learned to; this takes windows that follow one another.
    """

    model: nn.Module
    reads_on: bool

    @property
    def n_bytes(self) -> int:
        """Memory of its weights."""
        return sum(weight.nbytes for weight in self.model.parameters())


def meet_teacher(job: Job) -> None:
    """Refuse, before any text is read, a teacher that can be told to be unfit by then: gone, unfinished, of other ways.

    Raises what `load_teacher` raises. A finished student meets nobody: what was recorded of its teacher stands.
    """
    if job.recipe.train.loss.teacher and not (_folder(job) is None and record_of(job).get("finished")):
        _check_ways(job, _open(job))


def load_teacher(job: Job, ready: Prepared) -> Teacher | None:
    """The teacher that the recipe names; None without one.

    Raises RecipeError when the two don't read the same ids the same way, DataError when it has not finished.
    """
    if not job.recipe.train.loss.teacher:
        return None
    teacher = _open(job)
    _check_ways(job, teacher)
    _check_ids(job, ready, teacher)
    checkpoint = pick_checkpoint(teacher, "best")
    # On the student's device, whatever the teacher's own recipe was trained on.
    model = load_model(dataclasses.replace(job, loaded=teacher.loaded), ready.vocabulary_of(job.recipe), checkpoint)
    job.progress.say(f"learning from {teacher.run.name} too, step {checkpoint.step:,}")
    reads_on = teacher.recipe.carries_state and job.recipe.carries_state
    if teacher.recipe.carries_state and not reads_on:
        job.progress.warn(
            f"{teacher.run.name} learned to read on from window to window; this run's windows don't follow one "
            "another, so that it reads each from nothing, and knows less than it could at the beginnings"
        )
    return Teacher(model.requires_grad_(False), reads_on)


def taught_operations(job: Job, ready: Prepared, objective: Objective) -> dict[str, int]:
    """Operations a token of the run's training, by part; its teacher's forward pass is one of them."""
    vocabulary_size = ready.vocabulary_of(job.recipe)
    parts = operations_per_token(job.recipe.model, objective, vocabulary_size)
    if not job.recipe.train.loss.teacher:
        return parts
    heard = operations_per_token(_open(job).recipe.model, objective, vocabulary_size)["forward"]
    return parts | {"teacher": heard, "training": parts["training"] + heard}


def _folder(job: Job) -> Path | None:
    typed = Path(job.recipe.train.loss.teacher)
    return next((folder for folder in (job.runs / typed, typed) if (folder / "recipe.toml").is_file()), None)


def _open(job: Job) -> Job:
    name, folder = job.recipe.train.loss.teacher, _folder(job)
    if folder is None:
        raise RecipeError(
            f"train.loss.teacher = {name} is not a run",
            why=f"neither {name} nor {job.runs / name} holds a recipe.toml",
            fix="--train.loss.teacher=runs/NAME, the folder of a trained run; empty for none",
        )
    if folder.resolve() == job.run.path.resolve():
        raise RecipeError(
            f"train.loss.teacher = {name} is the run itself", why="it would wait for what it is to learn from",
            fix="--name OTHER to train a student beside it",
        )  # fmt: skip
    return open_job(str(folder), (), name=None, runs=job.runs, progress=job.progress, trained=True)


def _check_ways(job: Job, teacher: Job) -> None:
    """Raise unless it has finished, and its settings let it read this run's windows as this run's model does."""
    name, own, other = teacher.run.name, job.recipe.model, teacher.recipe.model
    if not teacher.run.lineage.exists():
        raise DataError(
            f"the run {name} has not finished training", why="a teacher's records are written at its end",
            fix=f"idiolect train {teacher.run.path}",
        )  # fmt: skip
    needed, learned = _extra_ids(job), _extra_ids(teacher)
    if needed != learned or own.reads != other.reads:
        kind = teacher.recipe.objective.kind
        raise RecipeError(
            f"{name} can't teach this run: it learned another objective",
            why=f'it learned "{kind}" ({learned:,} ids of its own, reading {other.reads}), this run is to learn '
            f'"{job.recipe.objective.kind}" ({needed:,} ids of its own, reading {own.reads})',
            fix=f"--data.objective.kind={kind} and a model that reads {other.reads}, or another teacher",
        )
    if other.context_length < own.context_length:
        raise RecipeError(
            f"{name} can't teach this run: it reads {other.context_length} positions, "
            f"model.context_length is {own.context_length}",
            why="a teacher must read the same windows",
            fix=f"--model.context_length={other.context_length}",
        )
    # A tokenizer read from a file may be the very one that another kind has built.
    kinds = {teacher.recipe.tokenizer.kind, job.recipe.tokenizer.kind}
    if len(kinds) > 1 and "file" not in kinds:
        raise _other_ids(teacher)


def _check_ids(job: Job, ready: Prepared, teacher: Job) -> None:
    """Raise unless both read the very same token ids."""
    if rundir.read_json(teacher.run.lineage)["tokenizer_hash"] != ready.tokenizer.hash:
        raise _other_ids(teacher)


def _other_ids(teacher: Job) -> RecipeError:
    name = teacher.run.name
    return RecipeError(
        f"{name} can't teach this run: their tokenizers differ",
        why="a teacher says how likely each token id is, and the same id must mean the same text to both",
        fix=f"the text and [tokenizer] of {teacher.run.recipe}, such as "
        f"--tokenizer.kind={teacher.recipe.tokenizer.kind}; or train the teacher on this run's",
    )


def _extra_ids(job: Job) -> int:
    return job.recipe.objective.n_extra_ids(job.recipe.model.context_length)
