"""Where a comparison stands: each contender with what it has been given and reached, and the time that is left."""

from dataclasses import dataclass, field
from pathlib import Path

from idiolect.stages.contenders import Contender


@dataclass
class Entry:
    """A contender in the course of the comparison."""

    one: Contender
    folder: Path
    pace: dict | None = None
    steps: int = 0
    search: list[dict] = field(default_factory=list)
    rate: float | None = None
    at_edge: bool = False
    runs: list[dict] = field(default_factory=list)
    failed: str = ""

    @property
    def scores(self) -> list[float]:
        """Bits per byte of each seed, on the text that was changed least."""
        return [run["score"]["bits_per_byte"]["value"] * self.one.scale for run in self.runs if "score" in run]


@dataclass
class Clock:
    """What has been run and what is to come, in seconds forecast; reality corrects the forecast."""

    forecast: float = 0.0
    done: float = 0.0
    spent: float = 0.0

    def left(self) -> float:
        """Seconds to go."""
        pace = self.spent / self.done if self.done else 1.0
        return max(0.0, self.forecast - self.done) * pace
