"""What an n-gram model is made of."""

from typing import ClassVar, Literal

from idiolect.config import Config, field


class NGramConfig(Config):
    """An interpolated Kneser-Ney n-gram model: it counts, and learns nothing by gradient."""

    reads: ClassVar[str] = "left"

    kind: Literal["ngram"] = "ngram"
    order: int = field(5, "tokens of the longest n-gram, the predicted one included", ge=1, le=16)
    modified: bool = field(True, "three discounts a level, for counts of 1, 2, and more (Chen and Goodman 1998)")
    train_tokens: int = field(
        0,
        "most training tokens that are counted, in spans spread over the text; 0 = all that fit in memory",
        ge=0,
        le=2**40,
    )
    context_length: int = field(1024, "tokens scored at once; it decides nothing but speed and memory", gt=0, le=2**20)

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> "NGramConfig":
        """The same for every width: what it holds depends on the text alone."""
        return cls()

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """None before it has counted: it holds n-grams, and how many depends on the text."""
        return {"learned": 0}

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """None: look-ups and a few additions for each order."""
        return {"look_ups": 0}
