"""The axes of a search -> its list of points, all drawn before the first trial runs.

A grid or a random search learns nothing from its trials, so its points are a pure function of the config: a search that
was killed goes on with exactly the points it would have had, and one that is given more trials keeps its first ones.
The drawing itself is Optuna's (`GridSampler`, `RandomSampler`), in a study that lives in memory.
"""

from __future__ import annotations

import math
from typing import Any

from idiolect.errors import MissingExtra, RecipeError
from idiolect.tune.config import Axis, TuneConfig


def require_optuna():
    """The optuna module, or MissingExtra saying what to install."""
    try:
        import optuna
    except ImportError as missing:
        raise MissingExtra("tune", needs="optuna") from missing
    return optuna


def grid_values(axis: Axis) -> list[Any]:
    """The values a grid takes from one axis, in order, none twice."""
    if axis.values:
        return list(axis.values)
    low, high, last = axis.low, axis.high, axis.points - 1
    if axis.scale == "log":
        inner = [math.exp(math.log(low) + index / last * (math.log(high) - math.log(low))) for index in range(1, last)]
    else:
        inner = [low + index / last * (high - low) for index in range(1, last)]
    # The ends are taken as they are written: exp(log(x)) isn't always x.
    spaced = [low, *inner, high]
    return sorted({round(value) for value in spaced}) if axis.whole else [float(value) for value in spaced]


def distribution(axis: Axis) -> Any:
    """The axis as Optuna knows it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.values:
        return CategoricalDistribution(axis.values)
    log = axis.scale == "log"
    return (
        IntDistribution(axis.low, axis.high, log=log)
        if axis.whole
        else FloatDistribution(float(axis.low), float(axis.high), log=log)
    )


def distributions(config: TuneConfig) -> dict[str, Any]:
    """Every axis as Optuna knows it, by key; a grid's axes are choices among its values."""
    from optuna.distributions import CategoricalDistribution

    if config.kind == "grid":
        return {axis.key: CategoricalDistribution(grid_values(axis)) for axis in config.space}
    return {axis.key: distribution(axis) for axis in config.space}


def points(config: TuneConfig) -> list[dict[str, Any]]:
    """The overrides of every trial in the order they will run."""
    optuna = require_optuna()
    if not config.space:
        raise RecipeError(
            "tune.space is empty",
            why="a search needs at least one setting to vary",
            fix='[[tune.space]]  key = "optim.optimiser.learning_rate"  low = 0.001  high = 0.03  scale = "log"',
        )
    n_points = config.trials
    if config.kind == "grid":
        values = {axis.key: grid_values(axis) for axis in config.space}
        n_points = min(n_points, math.prod(map(len, values.values())))
        sampler = optuna.samplers.GridSampler(values, seed=config.seed)
    else:
        sampler = optuna.samplers.RandomSampler(seed=config.seed)
    drawn = optuna.create_study(sampler=sampler)
    found = distributions(config)
    return [dict(drawn.ask(found).params) for _ in range(n_points)]
