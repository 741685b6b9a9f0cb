"""A search over a recipe's settings: every trial is a training run of its own, scored on the validation split."""

import json
import math
import re
from pathlib import Path

from idiolect.config import flatten, to_toml, walk_fields
from idiolect.config_errors import unknown_key
from idiolect.config_load import load
from idiolect.errors import DataError, RecipeError
from idiolect.progress import read_metrics
from idiolect.recipe import Recipe, load_recipe
from idiolect.rundir import fingerprint, write_atomic
from idiolect.stages.job import Job
from idiolect.stages.training import DECIDING
from idiolect.stages.trials import run_trial
from idiolect.tune.config import TuneConfig
from idiolect.tune.search import search

# Besides what decides the weights: what decides a trial's score.
SCORING = ("corpus.", "tokenizer.", "evaluate.")


def tuned(job: Job, spaces: list[str]) -> dict:
    """Search, and leave best.toml: the recipe with the best trial's settings."""
    config = job.recipe.tune
    if spaces:
        values = config.model_dump() | {"space": [read_axis(text) for text in spaces]}
        config = load(TuneConfig, values=values).config
    if not config.space:
        raise RecipeError(
            "there is nothing to search over", why="the recipe has no [[tune.space]] and no --space was given",
            fix="--space optim.optimiser.learning_rate=1e-4..1e-2",
        )  # fmt: skip
    for axis in config.space:
        if axis.key not in dict(walk_fields(Recipe)):
            raise unknown_key(Recipe, axis.key, "an axis of the search")
    folder = job.run.path.with_name(f"{job.run.name}-tune")
    refuse_another_recipe(job, folder)
    write_atomic(folder / "recipe.toml", to_toml(job.recipe, header=f"The recipe that {folder.name} varies."))
    trials = search(config, lambda overrides: score_of(job, folder, config, overrides), folder, job.progress,
                    base=folder / "recipe.toml")  # fmt: skip
    job.progress.show(f"best recipe: {folder / 'best.toml'}")
    return {"folder": str(folder), "trials": [vars(trial) for trial in trials]}


def refuse_another_recipe(job: Job, folder: Path) -> None:
    """Raise RecipeError when the folder's finished trials varied another recipe: their scores can't be compared."""
    if not (folder / "recipe.toml").exists():
        return
    before, now = (
        {key: value for key, value in flatten(recipe).items() if key.startswith((*DECIDING, *SCORING))}
        for recipe in (load_recipe(folder / "recipe.toml").config, job.recipe)
    )
    changed = next((key for key in now if before.get(key) != now[key]), None)
    if changed:
        raise RecipeError(
            f"{folder} holds a search with {changed} = {before.get(changed)!r}",
            why=f"now it is {now[changed]!r}, and scores of different recipes can't be compared",
            fix=f"--name OTHER for a new search, or --{changed}={before.get(changed)}",
        )


def score_of(job: Job, folder, config: TuneConfig, overrides: dict) -> float:
    """Train one trial, or finish it, and return the metric at its best."""
    flags = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in overrides.items()]
    loaded = load(Recipe, folder / "recipe.toml", flags)
    one = run_trial(job, loaded, folder / "trials" / fingerprint(overrides))
    found = [line[config.metric] for line in read_metrics(one.run.metrics) if config.metric in line]
    if not found:
        raise DataError(
            f"a trial recorded no {config.metric}", why="nothing is held out, or it was never evaluated",
            fix="--corpus.validation_fraction=0.1",
        )  # fmt: skip
    return min(found) if config.direction == "minimise" else max(found)


def read_axis(text: str) -> dict:
    """`key=1,2,3` or `key=low..high` as an axis; a range of a rate or a width is searched on a log scale."""
    key, equals, values = text.partition("=")
    example = "--space model.n_layers=2,4,6, or --space optim.optimiser.learning_rate=1e-4..1e-2"
    if not equals or not all(value.strip() for value in values.split(",")):
        raise RecipeError(f"--space {text} has no values", why="an axis is a setting and what it may be", fix=example)
    ends = re.fullmatch(r"(.+?)\.\.(.+)", values)
    if ends:
        low, high = number(ends[1]), number(ends[2])
        if not all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high)):
            raise RecipeError(f"--space {text} is no range", why="both ends must be numbers", fix=example)
        wide = low > 0 and high / low >= 10
        return {"key": key, "low": low, "high": high, "scale": "log" if wide else "linear"}
    return {"key": key, "values": [number(value) for value in values.split(",")]}


def number(text: str) -> int | float | bool | str:
    """A value as a flag would be read."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)
