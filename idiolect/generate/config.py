"""What the user may say about generation. No torch in here: `idiolect --help` reads it."""

from pydantic import field_validator

from idiolect.config import Config, Items, field


class GenerateConfig(Config):
    """How a prompt is continued; the filters apply in the order in which they stand here (see sampling.py)."""

    max_tokens: int = field(256, "the most tokens to write after each prompt", gt=0, le=2**31)
    samples: int = field(1, "different continuations of each prompt", gt=0, le=100_000)
    seed: int = field(0, "same seed, prompt and sample number, same text, whatever else is in the batch", ge=0)
    greedy: bool = field(False, "always take the likeliest token; the same as temperature = 0")
    repetition_penalty: float = field(1.0, "above 1: tokens in the text become less likely (1 = off)", ge=0.01, le=100)
    temperature: float = field(0.8, "below 1 sharpens the choice, above 1 flattens it; 0 = greedy", ge=0, le=100)
    top_k: int = field(0, "choose among the k likeliest tokens only (0 = off)", ge=0)
    top_p: float = field(1.0, "choose among the fewest tokens with this share of the probability (1 = off)", gt=0, le=1)
    # The default filter: a threshold relative to the best token adapts to the model's certainty (arXiv 2407.01082) and,
    # unlike top_k and top_p, needs no sorting of the vocabulary.
    min_p: float = field(0.05, "drop tokens less than this times as likely as the likeliest (0 = off)", ge=0, le=1)
    stop: Items[str] = field((), "end the text before the first of these strings")
    stop_at_end: bool = field(True, "end at the end of a document; false: that token is never drawn")
    batch_rows: int = field(64, "texts written at the same time; more is faster and needs more memory", gt=0, le=2**16)

    @field_validator("stop")
    @classmethod
    def _stop_strings_hold_something(cls, stop: tuple[str, ...]) -> tuple[str, ...]:
        if "" in stop:
            raise ValueError("a stop string can't be empty: it would end every text before its first character")
        return stop

    @property
    def is_greedy(self) -> bool:
        """Whether every token is the likeliest one, so that no chance is involved."""
        # Below this the division could overflow float32, and the choice is the likeliest token anyway.
        return self.greedy or self.temperature < 1e-4
