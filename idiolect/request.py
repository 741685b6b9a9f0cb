"""What a user typed, read but not yet understood."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What a user typed: the verb's target, its own options, and settings as `section.key=value` flags."""

    verb: str
    target: str | None
    flags: tuple[str, ...]
    options: dict
    name: str | None
    runs: Path
    out: Path | None
    json: bool
    quiet: bool
