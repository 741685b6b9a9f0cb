"""Stretches: runs of documents that are settled apart from each other, whichever parts they lie in.

Where one ends depends on the documents alone, so what is made of it is the same bytes however the first pass was
divided into lots and parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.dedup.features import FIELDS as FEATURES
from idiolect.corpus.parts import Lots

STRETCH_BYTES = 32 << 20
# Read at once: a part's row groups hold some 80 documents, and every table costs a few milliseconds beside its rows.
READ_BYTES = 8 << 20
# A document weighs its text, and about this much for what the first pass noted of it.
ROW_BYTES = 256


@dataclass(frozen=True)
class Stretch:
    """Documents from number `first` of all on: rows [start, stop) of some parts, in order."""

    number: int
    first: int
    rows: tuple[tuple[Path, int, int], ...]

    @property
    def documents(self) -> int:
        """How many documents it has."""
        return sum(stop - start for _, start, stop in self.rows)

    def tables(self, most: int) -> Iterator[pa.Table]:
        """Its documents, so many at most at once, without the features: what all documents decide is decided."""
        for path, start, stop in self.rows:
            with pq.ParquetFile(path) as file:
                columns = [name for name in file.schema_arrow.names if name not in FEATURES]
                for place, groups in _runs(file.metadata, start, stop):
                    first = max(start - place, 0)
                    table = file.read_row_groups(groups, columns).slice(first, stop - place - first)
                    yield from (table.slice(at, most) for at in range(0, table.num_rows, most))


def stretches(lots: Lots) -> Iterator[Stretch]:
    """All documents of all parts, in reading order; only their sizes are read."""
    number = first = weight = documents = last = 0
    rows: list[tuple[Path, int, int]] = []
    for part in lots.parts():
        sizes = part.table(["original_bytes"])["original_bytes"].to_numpy() + ROW_BYTES
        # Documents that begin between the same two multiples belong together.
        own = (weight + np.cumsum(sizes) - sizes) // STRETCH_BYTES
        weight += int(sizes.sum())
        begins = np.flatnonzero(np.diff(own, prepend=-1)).tolist()
        for start, stop in pairwise([*begins, len(sizes)]):
            if rows and own[start] > last:
                yield Stretch(number, first, tuple(rows))
                number, first, rows = number + 1, documents, []
            last = own[start]
            rows.append((part.path, start, stop))
            documents += stop - start
    if rows:
        yield Stretch(number, first, tuple(rows))


def _runs(metadata: pq.FileMetaData, start: int, stop: int) -> Iterator[tuple[int, list[int]]]:
    """The row groups that hold rows [start, stop), some READ_BYTES at once, each run with the row that it begins at."""
    place = size = begins = 0
    run: list[int] = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if place + group.num_rows > start and place < stop:
            begins, size = (begins, size + group.total_byte_size) if run else (place, group.total_byte_size)
            run.append(number)
            if size >= READ_BYTES:
                yield begins, run
                run = []
        place += group.num_rows
    if run:
        yield begins, run
