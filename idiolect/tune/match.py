"""Families matched on their number of parameters: the member of each that comes nearest to a target.

Every family offers `sized(d_model, context_length)`, a sensible member of about that width. Widths are multiples of
16, and at small sizes one such step is a fifth of all parameters, so where no width alone comes near, the width inside
a layer is tried up to a quarter smaller and larger, and then a layer more or less.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from idiolect.config import Config
from idiolect.errors import RecipeError
from idiolect.models.measure import parameters

STEP = 16
MOST_WIDTH = 2**15
# What misses by no more than this is taken as it is: a less usual shape would gain nothing that shows.
NEAR = 0.02
# Widths below and above the nearest one that are tried, and how many layers more or less.
AROUND, DEPTHS = 2, (-1, 1, -2, 2)
# What a family may call the width inside its layers, and how far it may move.
INNER, INNER_RANGE = ("d_ff", "d_hidden", "d_inner"), (0.75, 1.25)
# Parts of `count_parameters` that hold a row for each token or position, besides those whose name says so.
TABLES = ("positions", "head")


@dataclass(frozen=True)
class Match:
    """A config, the parameters that were matched, and the share by which they miss the target."""

    config: Config
    parameters: int
    mismatch: float


def counted(config: Config, vocabulary_size: int, embeddings_count: bool = True) -> int:
    """Parameters as they are matched: all, or those that are no table of tokens or positions and no head."""
    parts = parameters(config, vocabulary_size)
    total = parts.pop("total")
    if embeddings_count:
        return total
    return total - sum(n for name, n in parts.items() if name in TABLES or "embedding" in name or "table" in name)


def match(
    make: Callable[[int], Config], count: Callable[[Config], int], target: int, tolerance: float, name: str
) -> Match:
    """The config nearest to `target` parameters among `make(width)` for multiples of 16, and a layer more or less.

    `make` may raise RecipeError for widths that can't be. Raises RecipeError when all miss by more than `tolerance`.
    """
    widths = bracket(make, count, target)
    found = [sized(config, count, target) for width in widths if (config := tried(make, width)) is not None]
    if not found:
        raise RecipeError(
            f"{name} has no member of any width that could be built", why=f"widths from {STEP} on were tried",
            fix="leave it out of --families",
        )  # fmt: skip
    best, usual = nearest(found), [one.config for one in found]
    for reshaped in (other_inner_widths, other_depths):
        if abs(best.mismatch) > NEAR:
            found += [sized(config, count, target) for one in usual for config in reshaped(one)]
            best = nearest(found)
    if abs(best.mismatch) > tolerance:
        raise RecipeError(
            f"{name} can't be sized to {target:,} parameters",
            why=f"the nearest it comes is {best.parameters:,}, {best.mismatch:+.0%}, and {tolerance:.0%} is the most "
            "that still counts as matched (compare.tolerance)",
            fix=f"--parameters {best.parameters}, --compare.tolerance={abs(best.mismatch) + 0.01:.2f}, or leave it out",
        )
    return best


def nearest(found: list[Match]) -> Match:
    """The one that misses least."""
    return min(found, key=lambda one: abs(one.mismatch))


def sized(config: Config, count: Callable[[Config], int], target: int) -> Match:
    """The config with what it counts and by how much it misses."""
    n = count(config)
    return Match(config, n, n / target - 1)


def bracket(make: Callable[[int], Config], count: Callable[[Config], int], target: int) -> list[int]:
    """The few multiples of 16 around the width whose count reaches the target."""

    def reaches(step: int) -> bool:
        config = tried(make, step * STEP)
        return config is not None and count(config) >= target

    high = 1
    while not reaches(high) and high * STEP < MOST_WIDTH:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return [step * STEP for step in range(max(1, high - AROUND), high + AROUND)]


def tried(make: Callable[[int], Config], width: int) -> Config | None:
    """The config of this width, or None when it can't be."""
    try:
        return make(width)
    except RecipeError:
        return None


def other_inner_widths(config: Config) -> Iterator[Config]:
    """The same config with the inside of its layers up to a quarter narrower or wider, in steps of 16."""
    for name in INNER:
        if hasattr(config, name):
            # 0 stands for a derived width; where no property tells it, it is the model's own.
            usual = getattr(config, f"resolved_{name}", 0) or getattr(config, name) or config.d_model
            low, high = (int(factor * usual) // STEP * STEP for factor in INNER_RANGE)
            for width in range(max(STEP, low), high + 1, STEP):
                changed = tried(lambda value, name=name: with_changes(config, **{name: value}), width)
                if changed is not None:
                    yield changed
            return


def with_changes(config: Config, **changes) -> Config:
    """The config with other values, checked again."""
    return type(config)(**(dict(config) | changes))


def other_depths(config: Config) -> Iterator[Config]:
    """The same config with a layer or two more or less, where it has a number of layers."""
    layers = getattr(config, "n_layers", 0)
    for more in DEPTHS:
        if layers and layers + more > 0:
            changed = tried(lambda n: with_changes(config, n_layers=n), layers + more)
            if changed is not None:
                yield changed
