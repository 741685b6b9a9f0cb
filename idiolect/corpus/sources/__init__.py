"""Files of each format become raw texts, in order: one module a format, one row in `READERS`.

A reader is `read(file, config, rule)`, a generator of `Raw` texts and of `BadRow`s it had to pass over; it raises
`Unreadable` when the file, or what is left of it, can't be used. To add a format: a module, a row here, and its
ending in `find.FORMATS`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile


@dataclass(frozen=True, slots=True)
class Raw:
    """A document's payload as the file has it. `split` is empty unless position or the recipe decides it.

    `kind` names what the workers make text of (`extract.EXTRACTORS`); `origin` is where it is from, a URL mostly.
    """

    text: str
    label: str = ""
    licence: str = ""
    split: str = ""
    kind: str = "text"
    language: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not a document: where it stands, what is wrong with it, and how it begins."""

    where: str
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Said once a file has been found readable: its encoding and its unpacked size."""

    encoding: str
    n_bytes: int


Reader = Callable[[InputFile, CorpusConfig, Rule], Iterator[Raw | BadRow | Opened]]

READERS = {"text": "text", "jsonl": "jsonl", "csv": "delimited", "tsv": "delimited", "parquet": "parquet"}


def reader_of(file: InputFile) -> Reader:
    """The reader for a file's format, imported only when it is needed."""
    return import_module(f"{__name__}.{READERS[file.format]}").read
