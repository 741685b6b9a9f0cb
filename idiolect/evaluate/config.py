"""How a model is scored, as a frozen value; torch-free."""

from typing import Literal

from pydantic import model_validator

from idiolect.config import Config, Items, field
from idiolect.errors import RecipeError


class FloorsConfig(Config):
    """What the model must beat: n-gram models of the same training text, scored on the same held-out text."""

    orders: Items[int] = field((3, 4, 5), "n-gram orders counted, the best one marked; empty: uniform and unigram only")
    modified: bool = field(
        True, "three discounts an order (Chen and Goodman 1998), the stronger floor; false = one, plain Kneser-Ney"
    )
    train_tokens: int = field(
        20_000_000, "training tokens counted at most, evenly spread over the text; 140 bytes of memory each", gt=0
    )

    @model_validator(mode="after")
    def check_orders(self):
        if any(not 2 <= order <= 12 for order in self.orders) or len(set(self.orders)) != len(self.orders):
            raise RecipeError(
                f"evaluate.floors.orders = {list(self.orders)} must be different whole numbers from 2 to 12",
                why="order 1, the unigram, is always there; past 12 every n-gram is new and only memory grows",
                fix="--evaluate.floors.orders=[3,4,5]",
            )
        return self


class EvaluateConfig(Config):
    """Which text a trained model is scored on, and how much of it at a time."""

    splits: Items[Literal["train", "validation", "test"]] = field(("validation", "test"), "splits that are scored")
    stride: int = field(
        0,
        "new tokens a window scores, the rest being context; 0 = context_length: fastest, no overlap, figures a "
        "little too high. Half the context_length costs twice the time",
        ge=0,
    )
    batch_tokens: int = field(16_384, "tokens read at once; changes speed and memory, never a score", gt=0, le=2**24)
    limit_tokens: int = field(0, "tokens scored of each split, in evenly spaced windows; 0 = all", ge=0)
    validation_tokens: int = field(
        65_536, "the same for each validation during training (always the same windows); 0 = all", ge=0
    )
    pseudo_tokens: int = field(
        4096, "of a model that reads both sides: tokens scored of each split, each in a pass of its own; 0 = all", ge=0,
        le=2**48,
    )  # fmt: skip
    masks_per_pass: int = field(
        1, "of such a model: tokens hidden at once; 1 = exact (arXiv 1910.14659), more = as many times faster", ge=1,
        le=2**20,
    )  # fmt: skip
    floors: FloorsConfig = field(FloorsConfig(), "the figures to beat")

    def limit_of(self, reads: str) -> int:
        """Tokens scored of each split at most, by what the model reads; 0 = all."""
        limits = (self.limit_tokens, self.pseudo_tokens if reads == "both" else 0)
        return min((limit for limit in limits if limit), default=0)
