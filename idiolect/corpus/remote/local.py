"""A file that a name led to, wherever it came from, and settings that suit it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idiolect.corpus.config import CorpusConfig

# https://bford.info/cachedir/: backups leave such folders out, and so does `--text .`.
TAG = "CACHEDIR.TAG"


@dataclass(frozen=True)
class Local:
    """A file that lies here. `problem` says why it does not, and `path` then leads nowhere.

    `split` is where its publisher put it (empty when nobody did), `format` the reader when the ending misleads,
    `settings` how it is best read; `origin` is empty for a file of the user's own.
    """

    path: Path
    name: str
    origin: str = ""
    licence: str = ""
    split: str = ""
    sha256: str = ""
    format: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def adapted(variants: list["CorpusConfig"], index: int, settings: dict[str, Any]) -> int:
    """The index of a variant's settings with these in place of its defaults, added if need be; a user's stay."""
    own = variants[index]
    fields = type(own).model_fields
    changed = {name: value for name, value in settings.items() if getattr(own, name) == fields[name].default}
    if not changed:
        return index
    wanted = type(own)(**{name: getattr(own, name) for name in fields} | changed)
    if wanted not in variants:
        variants.append(wanted)
    return variants.index(wanted)
