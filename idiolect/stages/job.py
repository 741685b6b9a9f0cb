"""One recipe being carried out: what was asked, the run directory it happens in, and where it computes."""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from idiolect import __version__, rundir
from idiolect.config import flatten, to_toml
from idiolect.config_load import Loaded
from idiolect.errors import DataError, RecipeError, in_our_form
from idiolect.progress import Progress
from idiolect.recipe import BUILT_IN, Recipe, find_recipe, load_recipe
from idiolect.rundir import RunDir

PACKAGE = Path(__file__).parents[1]
RECORD = "training.json"  # in a run: the settings that decided its weights, and how training ended
LIBRARIES = ("torch", "numpy", "tokenizers", "safetensors", "daft", "pyarrow", "ftfy")


@dataclass(frozen=True)
class Job:
    """One recipe being carried out."""

    loaded: Loaded[Recipe]
    run: RunDir
    runs: Path
    progress: Progress

    @property
    def recipe(self) -> Recipe:
        return self.loaded.config

    @cached_property
    def device(self):
        """Where this job computes; the process is set up for it on first use."""
        from idiolect.device import prepare_process, resolve_device

        device = resolve_device(self.recipe.device)
        prepare_process(self.recipe.device, device)
        return device


def open_job(
    target: str | None, flags: Sequence[str], *, name: str | None, runs: Path, progress: Progress, trained: bool = False
) -> Job:
    """The job a target names: a recipe, a built-in recipe, or the folder of a run (`trained`: it must be one).

    Raises RecipeError when there is no such thing, DataError when the run has no weights yet.
    """
    if target is None:
        raise RecipeError(
            "no recipe is named", why="this verb works on a recipe or on a run",
            fix="idiolect new mine.toml --text ./my-folder --budget 10m, then name mine.toml",
        )  # fmt: skip
    folder = Path(target)
    named = not folder.is_dir() and not folder.suffix and (runs / target / "recipe.toml").is_file()
    # A run may bear the name of the built-in recipe it came from: who asks for a model means the run, who asks for
    # work means the recipe, which may have changed since.
    if named and (trained or not (BUILT_IN / f"{target}.toml").is_file()):
        folder = runs / target
    if folder.is_dir():
        if not folder.name or folder.name == "..":
            folder = folder.resolve()  # `.` from inside a run: its name is what the folder is called
        if not (folder / "recipe.toml").is_file():
            if (folder / "checkpoints").is_dir():
                raise DataError(
                    f"the run {target} has lost its recipe.toml", why="without it nobody knows what its weights are",
                    fix="put the file back from a copy, or train anew: idiolect train RECIPE --name OTHER",
                )  # fmt: skip
            raise RecipeError(
                f"{target} is not the folder of a run", why="it holds no recipe.toml",
                fix=f"idiolect new mine.toml --text {target} --budget 10m  (to train on its files)",
            )  # fmt: skip
        path, runs, name = folder / "recipe.toml", folder.parent, name or folder.name
    else:
        path = find_recipe(target)
        name = name or path.stem
    check_name(name)
    job = Job(name_teacher(load_recipe(path, flags), Path(runs)), RunDir(Path(runs) / name), Path(runs), progress)
    if trained:
        check_trained(job, target)
    return job


def name_teacher(loaded: Loaded[Recipe], runs: Path) -> Loaded[Recipe]:
    """The recipe with its teacher called by name where it lies beside the run, else by a path from here."""
    recipe = loaded.config
    typed = recipe.train.loss.teacher
    if not typed or not Path(typed).is_dir():
        return loaded
    folder = Path(typed).resolve()
    beside = folder.parent == runs.resolve()
    loss = recipe.train.loss.model_copy(update={"teacher": folder.name if beside else os.path.relpath(folder)})
    train = recipe.train.model_copy(update={"loss": loss})
    return dataclasses.replace(loaded, config=recipe.model_copy(update={"train": train}))


def check_trained(job: Job, target: str) -> None:
    """Raise unless the run holds a language model with the architecture that this recipe has."""
    name = job.run.name
    if not job.run.checkpoints.is_dir():
        raise DataError(
            f"the run {name} has no trained model yet", why=f"there is no {job.run.checkpoints}",
            fix=f"idiolect train {target}",
        )  # fmt: skip
    decided = record_of(job).get("decides", {})
    if "parent" in decided:
        parent = rundir.read_json(job.run.lineage).get("parent") if job.run.lineage.exists() else None
        raise RecipeError(
            f"the run {name} is a classifier", why="it was fitted to a task and gives labels, not text",
            fix=f"name the run it came from: {job.runs / parent if parent else 'runs/…'}",
        )  # fmt: skip
    for key, value in flatten(job.recipe).items():
        if key.startswith("model.") and decided.get(key, value) != value:
            raise RecipeError(
                f"{key} = {value!r} is not what the run {name} was trained with",
                why=f"its weights were made with {key} = {decided[key]!r}",
                fix=f"--{key}={decided[key]}, or train anew: idiolect train {target} --{key}={value} --name OTHER",
            )


def record_of(job: Job) -> dict:
    """What training.json says: the settings that decided the weights, the stages they came from; empty if untrained."""
    path = job.run.path / RECORD
    return rundir.read_json(path) if path.exists() else {}


def check_name(name: str) -> None:
    """Raise RecipeError unless a run's name is one plain folder name."""
    if not name or name != Path(name).name or name.startswith(".") or name == rundir.PREPARED or "\0" in name:
        raise RecipeError(
            f"{name!r} can't name a run", why="a run is one folder below --runs, and prepared/ is taken",
            fix="--name my-run",
        )  # fmt: skip


@contextlib.contextmanager
def recorded(job: Job) -> Iterator[None]:
    """Hold the run directory, and leave in exit.json how it ended."""
    with job.run.lock():
        try:
            yield
        except BaseException as error:
            ours = in_our_form(error)
            if ours is not None:
                _leave(job, ours.exit_code, ours.kind, ours.what)
            else:
                _leave(job, 1, type(error).__name__, str(error))
            raise
        _leave(job, 0, "done", "done")


def _leave(job: Job, code: int, kind: str, message: str) -> None:
    last = max(complete_steps(job.run), default=None)
    # Paths of this machine don't belong in an artefact.
    message = message.replace(str(Path.cwd()) + os.sep, "").replace(str(Path.home()), "~")
    job.run.write_exit(code, kind, message, last, f"step-{last:06d}" if last is not None else None)


def complete_steps(run: RunDir) -> list[int]:
    """Steps whose checkpoint was finished; the folder of one that a kill cut short has another name."""
    found = (p for p in run.checkpoints.glob("step-*") if p.name[5:].isdigit() and rundir.is_complete(p))
    return sorted(int(p.name[5:]) for p in found)


def save_recipe(job: Job) -> None:
    """The complete recipe, from which the run repeats."""
    header = f"The complete recipe of the run {job.run.name}, every default written out. It repeats from this file."
    rundir.write_atomic(job.run.recipe, to_toml(job.recipe, header=header))


def lineage(job: Job, **more) -> dict:
    """What a result can be traced back to: code, libraries, machine. No path, no name of a person or host."""
    from idiolect.device import physical_cores

    return {
        "idiolect": __version__,
        "code": rundir.code_version(PACKAGE),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "physical_cores": physical_cores()},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commands": [f"idiolect run runs/{job.run.name}/recipe.toml --name {job.run.name}-again"],
    } | more
