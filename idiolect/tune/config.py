"""What a search over settings is, its axes, points and end; and what a comparison of families or recipes is."""

import math
from typing import Literal

from pydantic import model_validator

from idiolect.config import Config, Items, field
from idiolect.errors import RecipeError

MOST_POINTS = 100_000


class Axis(Config):
    """One setting that varies: either `values` to choose from, or a range from `low` to `high`."""

    key: str = field("optim.optimiser.learning_rate", "the dotted key that varies")
    values: Items[bool | int | float | str] = field((), "choose among these")
    low: int | float | None = field(None, "or take from here")
    high: int | float | None = field(None, "up to here, inclusive; whole numbers when both ends are")
    scale: Literal["linear", "log"] = field("linear", "log: equal steps are equal factors (learning rates, widths)")
    points: int = field(4, "how many values a grid takes from a range", ge=2, le=1000)

    @property
    def whole(self) -> bool:
        """A range between whole numbers yields whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def check_range(self):
        ends = self.low is not None and self.high is not None
        if bool(self.values) == (ends or self.low is not None or self.high is not None) or (
            not self.values and not ends
        ):
            raise RecipeError(
                f'tune.space for "{self.key}" needs either values, or low and high',
                why="an axis is a choice or a range",
                fix=f'{{ key = "{self.key}", low = 0.001, high = 0.03, scale = "log" }}',
            )
        if len(set(map(repr, self.values))) != len(self.values):
            raise RecipeError(
                f'tune.space for "{self.key}" names a value twice',
                why="the same trial would run twice",
                fix="name each value once",
            )
        if ends and self.low >= self.high:
            raise RecipeError(
                f'tune.space for "{self.key}" runs from {self.low} to {self.high}',
                why="a range goes upwards",
                fix=f"low = {self.high}, high = {self.low}" if self.low != self.high else f"values = [{self.low}]",
            )
        if ends and self.scale == "log" and self.low <= 0:
            raise RecipeError(
                f'tune.space for "{self.key}" starts at {self.low} on a log scale',
                why="zero and below have no logarithm",
                fix='low = 0.001, or scale = "linear"',
            )
        return self


class TuneConfig(Config):
    """A search: grid or random, scored on held-out data (never on the test split)."""

    kind: Literal["grid", "random"] = field(
        "random", "random beats a grid beyond two axes at equal cost (Bergstra & Bengio, JMLR 13, 2012)"
    )
    space: Items[Axis] = field((), "what varies: a table [[tune.space]] for each setting")
    trials: int = field(16, "trials in all; a grid stops earlier when it is used up", ge=1, le=MOST_POINTS)
    budget_seconds: float = field(0.0, "start no further trial after this much time in trials; 0 = no limit", ge=0)
    metric: str = field("validation_bits_per_byte", "the score a trial returns")
    direction: Literal["minimise", "maximise"] = field("minimise", "whether less or more of it is better")
    seed: int = field(0, "decides the points and their order, and nothing else", ge=0, lt=2**32)

    @model_validator(mode="after")
    def check_keys(self):
        keys = [axis.key for axis in self.space]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise RecipeError(
                f'tune.space names "{twice}" twice', why="one setting has one axis", fix="join the two axes into one"
            )
        # Cleaning and dividing both change the held-out documents.
        split = next((key for key in keys if key.startswith(("evaluate.", "corpus."))), None)
        if split:
            raise RecipeError(
                f'tune.space varies "{split}"',
                why="trials scored on different held-out text can't be compared",
                fix="remove that axis",
            )
        return self

    @model_validator(mode="after")
    def check_grid(self):
        n_points = math.prod(len(axis.values) or axis.points for axis in self.space)
        if self.kind == "grid" and n_points > MOST_POINTS:
            raise RecipeError(
                f"tune.space is a grid of {n_points:,} points",
                why=f"a grid is written out before it is searched; {MOST_POINTS:,} are the most",
                fix="fewer points an axis, or --tune.kind=random",
            )
        return self


class CompareConfig(Config):
    """Families, recipes or variations of one, matched on a budget, each searched alike and run with several seeds."""

    families: Items[str] = field((), 'architectures that are compared, or "all" of them')
    parameters: int = field(
        0, "parameters that every model is sized to; 0 = as many as the recipe's own model has", ge=0, lt=2**40
    )
    embeddings_count: bool = field(True, "count embeddings and heads among the parameters that are matched")
    tolerance: float = field(0.1, "the most a model may miss that number by, as a share of it", gt=0, le=1)
    seconds: float = field(0.0, "budget: seconds of training a run; the schedule is fitted to it", ge=0)
    tokens: int = field(0, "budget: tokens a run learns from", ge=0, lt=2**50)
    flops: float = field(0.0, "budget: operations a run may spend on training; no budget: the recipe's steps", ge=0)
    seeds: int = field(3, "runs of each at its best learning rate; one alone can't be told from luck", ge=1, le=100)
    rates: Items[float] = field((0.333, 1.0, 3.0), "learning rates tried, as factors on the usual one")
    widenings: int = field(
        1, "how often the search may go one factor further when its best rate is its lowest or highest", ge=0, le=10
    )
    search_share: float = field(0.25, "share of the budget that each try of a learning rate gets", gt=0, le=1)
    points: int = field(10, "times that a run is scored on its way, for the curves", ge=1, le=1000)
    curve_tokens: int = field(16_384, "validation tokens scored each of these times; 0 = all", ge=0, lt=2**50)

    @model_validator(mode="after")
    def check_budget(self):
        given = [name for name in ("seconds", "tokens", "flops") if getattr(self, name)]
        if len(given) > 1:
            raise RecipeError(
                f"compare.{given[0]} and compare.{given[1]} are both given",
                why="runs equal in one are unequal in the other: that is what a comparison shows",
                fix=f"--compare.{given[1]}=0 (or --compare.{given[0]}=0), and compare twice",
            )
        return self

    @model_validator(mode="after")
    def check_rates(self):
        if not self.rates or min(self.rates) <= 0 or len(set(self.rates)) != len(self.rates):
            raise RecipeError(
                f"compare.rates = {list(self.rates)} must be different numbers above zero",
                why="each is a factor on a family's usual learning rate",
                fix="--compare.rates=[0.333,1.0,3.0], or [1.0] for no search",
            )
        return self
