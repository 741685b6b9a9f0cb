"""Another run's model as a teacher: found, checked against what learns from it, loaded without gradients.

A recipe's `train.loss.teacher` is the folder of a run, or the name of one beside this run. What is recorded is that
name and the hash of its weights, never where it lay.
"""

import dataclasses
from pathlib import Path

from torch import nn

from idiolect import rundir
from idiolect.errors import DataError, RecipeError
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


def load_teacher(job: Job, ready: Prepared) -> Teacher | None:
    """The teacher that the recipe names; None without one.

    Raises RecipeError when the two don't read the same ids the same way, DataError when it has not finished.
    """
    if not job.recipe.train.loss.teacher:
        return None
    teacher = _open(job)
    vocabulary_size = _check(job, ready, teacher)
    checkpoint = pick_checkpoint(teacher, "best")
    # On the student's device, whatever the teacher's own recipe was trained on.
    model = load_model(dataclasses.replace(job, loaded=teacher.loaded), vocabulary_size, checkpoint)
    job.progress.say(f"learning from {teacher.run.name} too, step {checkpoint.step:,}")
    reads_on = teacher.recipe.carries_state and job.recipe.carries_state
    if teacher.recipe.carries_state and not reads_on:
        job.progress.warn(
            f"{teacher.run.name} learned to read on from window to window; this run's windows don't follow one "
            "another, so that it reads each from nothing, and knows less than it could at the beginnings"
        )
    return Teacher(model.requires_grad_(False), reads_on)


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


def _check(job: Job, ready: Prepared, teacher: Job) -> int:
    """The teacher's vocabulary size, when the student can learn from it."""
    name, own, other = teacher.run.name, job.recipe.model, teacher.recipe.model
    if not teacher.run.lineage.exists():
        raise DataError(
            f"the run {name} has not finished training", why="a teacher's records are written at its end",
            fix=f"idiolect train {teacher.run.path}",
        )  # fmt: skip
    if rundir.read_json(teacher.run.lineage)["tokenizer_hash"] != ready.tokenizer.hash:
        raise RecipeError(
            f"{name} can't teach this run: their tokenizers differ",
            why="a teacher says how likely each token id is, and the same id must mean the same text to both",
            fix=f"the text and [tokenizer] of {teacher.run.recipe}, such as "
            f"--tokenizer.kind={teacher.recipe.tokenizer.kind}; or train the teacher on this run's",
        )
    vocabulary_size, needed = record_of(teacher)["vocabulary_size"], ready.vocabulary_of(job.recipe)
    if vocabulary_size != needed or own.reads != other.reads:
        kind = teacher.recipe.objective.kind
        raise RecipeError(
            f"{name} can't teach this run: it learned another objective",
            why=f'it learned "{kind}" ({vocabulary_size:,} ids, reading {other.reads}), this run is to learn '
            f'"{job.recipe.objective.kind}" ({needed:,} ids, reading {own.reads})',
            fix=f"--data.objective.kind={kind} and a model that reads {other.reads}, or another teacher",
        )
    if other.context_length < own.context_length:
        raise RecipeError(
            f"{name} can't teach this run: it reads {other.context_length} positions, "
            f"model.context_length is {own.context_length}",
            why="a teacher must read the same windows",
            fix=f"--model.context_length={other.context_length}",
        )
    return vocabulary_size
