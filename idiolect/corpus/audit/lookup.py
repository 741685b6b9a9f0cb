"""Documents of a prepared corpus by what they are: split, reason, source, language, words; a few, or a fair sample.

Batches are streamed, so that memory stays flat whatever the corpus; a search is RE2, linear in the text.
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.split import SPLITS
from idiolect.errors import DataError, RecipeError

DROPPED = "dropped"


@dataclass(frozen=True)
class Wanted:
    """Which documents are asked for; an empty string asks for nothing in particular."""

    split: str = ""
    reason: str = ""
    source: str = ""
    language: str = ""
    search: str = ""
    id: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """Where to look: samples of the dropped for a reason, everywhere for an id, else among the kept."""
        if self.reason or self.split == DROPPED:
            return (DROPPED,)
        if self.split:
            return (self.split,)
        return (*SPLITS, DROPPED) if self.id else SPLITS


def check(wanted: Wanted, audit: dict) -> None:
    """Raise RecipeError for a split, reason or expression that can't be."""
    if wanted.split and wanted.split not in (*SPLITS, DROPPED):
        raise RecipeError(
            f"--split {wanted.split} is no split", why="a prepared corpus has train, validation, test and dropped",
            fix="--split train",
        )  # fmt: skip
    if wanted.reason and wanted.reason not in audit["dropped"]:
        known = ", ".join(sorted(audit["dropped"])) or "none: nothing was dropped"
        raise RecipeError(
            f"nothing was dropped as {wanted.reason}", why=f"the reasons are {known}", fix="idiolect show corpus TARGET"
        )
    if wanted.search:
        try:
            pc.match_substring_regex(pa.array([""]), wanted.search)
        except pa.ArrowInvalid as error:
            raise RecipeError(
                f"--search {wanted.search!r} is not a regular expression", why=str(error),
                fix="--search 'colou?r' (RE2 syntax; (?i) at its start ignores case)",
            ) from None  # fmt: skip


def documents(folder: Path, wanted: Wanted) -> Iterator[dict]:
    """All documents asked for, in the order of preparation, each with its `split`; dropped ones with their `reason`.

    Raises DataError when a file of the corpus is missing or damaged.
    """
    for name in wanted.files:
        path = Path(folder) / f"{name}.parquet"
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=512):
                    for row in batch.filter(_chosen(batch, wanted)).to_pylist():
                        yield {"split": name, **row}
        except FileNotFoundError:
            raise DataError(
                f"{path} is missing", why="the corpus was not prepared, or part of it was deleted",
                fix="idiolect prepare",
            ) from None  # fmt: skip
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{path} is damaged", why=str(error), fix=f"delete {folder} and run idiolect prepare again"
            ) from error


def _chosen(batch: pa.RecordBatch, wanted: Wanted) -> pa.Array:
    chosen = pa.array([True] * len(batch))
    for name in ("id", "reason", "language"):
        if value := getattr(wanted, name):
            chosen = pc.and_(chosen, pc.equal(batch[name], value))
    if wanted.source:
        inside = pc.starts_with(batch["source"], wanted.source.rstrip("/") + "/")
        chosen = pc.and_(chosen, pc.or_(inside, pc.equal(batch["source"], wanted.source)))
    if wanted.search:
        chosen = pc.and_(chosen, pc.match_substring_regex(batch["text"], wanted.search))
    return pc.fill_null(chosen, False)


def sample(rows: Iterator[dict], n: int, seed: int) -> list[dict]:
    """n of them that content and seed alone decide, in reading order."""

    def rank(row: dict) -> bytes:
        return hashlib.blake2b(f"{seed}\0{row['id']}".encode(), digest_size=8).digest()

    chosen = heapq.nsmallest(n, ((rank(row), place, row) for place, row in enumerate(rows)), key=lambda one: one[:2])
    return [row for _, place, row in sorted(chosen, key=lambda one: one[1])]
