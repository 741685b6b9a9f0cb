"""What a recipe may ask of the batches."""

from typing import Literal

from idiolect.config import Config, field


class DataConfig(Config):
    """How tokens become batches."""

    boundaries: Literal["open", "masked"] = field(
        "open", "may a token attend to the document before its own in the same window (open), or not (masked)"
    )
    shuffle: bool = field(True, "read windows in a new random order each epoch; false: as they stand")
    seed: int = field(0, "of the order of windows", ge=0)
    prefetch_batches: int = field(2, "batches prepared ahead in a thread; 0: made when asked for", ge=0, le=1024)
