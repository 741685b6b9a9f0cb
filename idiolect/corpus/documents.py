"""The prepared corpus as others read it: documents of a split, in order, streamed from Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.split import SPLITS
from idiolect.errors import DataError

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "text", "source", "licence", "language", "label", "origin")]
    + [("original_bytes", pa.int64())]
)


@dataclass(frozen=True, slots=True)
class Document:
    """One text. `source` names where it is from; its first part, up to the slash, is the library or folder.

    `origin` is its address, where it has one; `original_bytes` its size before any transform made it easier.
    """

    id: str
    text: str
    source: str
    licence: str
    language: str
    label: str
    origin: str = ""
    original_bytes: int = 0

    @property
    def library(self) -> str:
        """`numpy` of `numpy/linalg.norm`: in the default corpus, the library that the text documents."""
        return self.source.partition("/")[0]


def read(folder: Path, split: str) -> Iterator[Document]:
    """Every document of a split, in the order of preparation. Raises DataError when the corpus is not there."""
    names = SCHEMA.names
    for batch in _batches(folder, split, names):
        for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
            yield Document(*row)


def read_texts(folder: Path, split: str) -> Iterator[str]:
    """The texts of a split alone."""
    for batch in _batches(folder, split, ["text"]):
        yield from batch.column("text").to_pylist()


def read_column(folder: Path, split: str, name: str) -> Iterator:
    """One column of a split, such as `id` or `original_bytes`."""
    for batch in _batches(folder, split, [name]):
        yield from batch.column(name).to_pylist()


def read_sources(folder: Path, split: str) -> Iterator[str]:
    """The source of each text of a split, up to the slash: its table in the recipe, or its library or folder."""
    return (source.partition("/")[0] for source in read_column(folder, split, "source"))


def _batches(folder: Path, split: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    assert split in SPLITS, f"{split} is not one of {SPLITS}"
    path = Path(folder) / f"{split}.parquet"
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=1024, columns=columns)
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing", why="the corpus was not prepared, or part of it was deleted", fix="idiolect prepare"
        ) from None
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path} is damaged", why=str(error), fix=f"delete {folder} and run idiolect prepare again"
        ) from error
