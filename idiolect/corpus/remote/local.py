"""A file that a name leads to: one that is wanted, one that is still elsewhere, one that is here; and what suits it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idiolect.corpus.remote.kinds import ending_of
from idiolect.corpus.remote.urls import Url

if TYPE_CHECKING:
    from idiolect.corpus.config import CorpusConfig

# https://bford.info/cachedir/: backups leave such folders out, and so does `--text .`.
TAG = "CACHEDIR.TAG"


@dataclass(frozen=True)
class Remote:
    """A file that is fetched when it is about to be read. `kind` says by what: `web`, `hub`, or a store's scheme.

    `version` is what its store says of the content before anybody has it (`sha256:`, `git:`, an ETag, a date and a
    size); `validator` the ETag or date that every reply must repeat, empty where a store shows none.
    """

    kind: str
    address: Url | str
    n_bytes: int
    version: str
    ending: str
    validator: str = ""
    sha256: str = ""

    @property
    def key(self) -> str:
        """Names this version of this file."""
        return hashlib.sha256(f"{self.address} {self.version}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Want:
    """A file to fetch, what it is to be called, and what is known of it beforehand."""

    url: Url
    name: str
    origin: str
    licence: str = ""
    split: str = ""
    sha256: str = ""
    member: str = ""
    authorization: str = ""
    robots: bool = True
    n_bytes: int = 0
    version: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> Remote:
        """The same file, for later; the hub says beforehand what it is."""
        ending = ending_of("", self.url.path)
        return Remote("hub", self.url, self.n_bytes, self.version, ending, sha256=self.sha256)


@dataclass(frozen=True)
class Local:
    """A file that lies here, or will lie where it is fetched to (`remote`). With a `problem`, it never will.

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
    remote: Remote | None = None

    @property
    def n_bytes(self) -> int:
        return self.remote.n_bytes if self.remote else self.path.stat().st_size


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
