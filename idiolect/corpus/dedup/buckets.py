"""More records than fit into memory, brought together by their key: an external partition in plain files.

Records are (key, value) pairs of uint64. They are kept in memory while they are few; then they go to disk, into one
file for each range of keys, and come back a file at a time. What comes back does not depend on which it was.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

# 16 bytes a record: 64 MB in memory before anything is written.
RECORDS_IN_MEMORY = 4 << 20
BUCKETS = 256
RECORD = np.dtype([("key", "<u8"), ("value", "<u8")])


class Buckets:
    """Add records in any order, then read them back by ranges of keys, in the order in which they were added."""

    def __init__(self, folder: Path, name: str, width: int = (1 << 64) // BUCKETS, in_memory: int = RECORDS_IN_MEMORY):
        """Ranges are `width` keys wide, and there are at most BUCKETS of them."""
        self.folder, self.width, self.in_memory = folder / name, width, in_memory
        self.waiting: list[np.ndarray] = []
        self.n_waiting = 0
        self.spilled = False

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Take a copy of these records."""
        records = np.empty(len(keys), RECORD)
        records["key"], records["value"] = keys, values
        self.waiting.append(records)
        self.n_waiting += len(records)
        if self.n_waiting >= self.in_memory:
            self._spill()

    def _spill(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spilled = True
        records = np.concatenate(self.waiting)
        self.waiting, self.n_waiting = [], 0
        ranges = (records["key"] // np.uint64(self.width)).astype(np.uint16)
        order = np.argsort(ranges, kind="stable")
        records, ends = records[order], np.searchsorted(ranges[order], np.arange(BUCKETS + 1))
        for i in np.flatnonzero(np.diff(ends)):
            with open(self.folder / f"{i:03d}", "ab") as file:
                records[ends[i] : ends[i + 1]].tofile(file)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(keys, values) of one range of keys after the other; a key never appears in two of them."""
        if not self.spilled:
            if self.waiting:
                records = np.concatenate(self.waiting)
                yield records["key"].copy(), records["value"].copy()
            return
        if self.waiting:
            self._spill()
        for i in range(BUCKETS):
            path = self.folder / f"{i:03d}"
            if path.exists():
                records = np.fromfile(path, RECORD)
                yield records["key"].copy(), records["value"].copy()


class Column:
    """One long array that only grows, in a file; read through the page cache, never as a whole."""

    def __init__(self, path: Path, dtype: str, width: int = 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.dtype, self.width = path, np.dtype(dtype), width
        path.write_bytes(b"")

    def add(self, values: np.ndarray) -> None:
        """Append these values."""
        with open(self.path, "ab") as file:
            file.write(np.ascontiguousarray(values, self.dtype).tobytes())

    def read(self) -> np.ndarray:
        """All values, mapped into memory."""
        if not self.path.stat().st_size:
            return np.empty((0, self.width) if self.width > 1 else 0, self.dtype)
        values = np.memmap(self.path, self.dtype, "r")
        return values.reshape(-1, self.width) if self.width > 1 else values


def repeated(keys: np.ndarray) -> np.ndarray:
    """Which keys are there more than once."""
    # Sorting keys alone is several times as fast as sorting their places with them, and most keys are alone.
    ordered = np.sort(keys)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return np.zeros(len(keys), bool)
    return twice[np.minimum(np.searchsorted(twice, keys), len(twice) - 1)] == keys


def groups(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, starts): values of keys that come more than once, by key and rising in it; where each key begins."""
    mask = repeated(keys)
    keys, values = keys[mask], values[mask]
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1]]))
    return values, starts
