"""Files of each format become raw texts, in order: one module a format, one row in `READERS`.

A reader is `read(file, config, rule)`, a generator of `Raw` texts and of `BadRow`s it had to pass over; it raises
`Unreadable` when the file, or what is left of it, can't be used. To add a format: a module, a row here, and its
ending in `endings.FORMATS`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile
from idiolect.errors import MissingExtra


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


@dataclass(frozen=True, slots=True)
class Ignored:
    """A member of an archive that is no text by its ending, as files of a folder are."""

    where: str
    why: str


Reader = Callable[[InputFile, CorpusConfig, Rule], Iterator[Raw | BadRow | Opened | Ignored]]

READERS = {
    "text": "text",
    "markdown": "markup",
    "rst": "markup",
    "code": "code",
    "jsonl": "jsonl",
    "csv": "delimited",
    "tsv": "delimited",
    "parquet": "parquet",
    "arrow": "arrow",
    "html": "html",
    "warc": "warc",
    "xml": "xml",
    "pdf": "pdf",
    "epub": "epub",
    "mail": "mail",
    "subtitles": "subtitles",
    "zip": "archive",
    "tar": "archive",
}
# What a format needs besides the core install: the module, and what it does.
NEEDS = {
    "html": ("resiliparse", "which reads web pages"),
    "warc": ("fastwarc", "which reads web archives"),
    "epub": ("resiliparse", "which reads the pages of books"),
    "mail": ("resiliparse", "which reads messages that are pages"),
    "pdf": ("pypdf", "which reads PDF"),
}


def reader_of(file: InputFile) -> Reader:
    """The reader for a file's format, imported only when it is needed."""
    return import_module(f"{__name__}.{READERS[file.format]}").read


def missing(kind: str) -> MissingExtra | None:
    """The error for a format whose library is not installed; None when it can be read."""
    module, does = NEEDS.get(kind, ("", ""))
    if not module or find_spec(module):
        return None
    return MissingExtra("corpus", needs=f"{module}, {does},")


def check_installed(files: Iterable[InputFile]) -> None:
    """Raise MissingExtra when a file's format needs a library that is not here, before anything is read."""
    for kind in dict.fromkeys(file.format for file in files):
        if error := missing(kind):
            raise error
