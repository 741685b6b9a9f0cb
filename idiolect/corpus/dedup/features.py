"""What a worker measures of each document, so that the global step never needs a text.

A part's features are numpy arrays; between processes and on disk they are Arrow columns (`FIELDS`), each cell a row
of little-endian numbers that is empty where nothing was asked for.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from idiolect.corpus.dedup.config import DedupConfig
from idiolect.corpus.dedup.lines import line_hashes, paragraph_hashes
from idiolect.corpus.dedup.minhash import Signatures
from idiolect.corpus.dedup.substrings import fingerprints
from idiolect.corpus.dedup.words import Words, words_of
from idiolect.corpus.split import SPLITS

NUMBERS = {
    "bands": np.dtype("<u8"),
    "sketch": np.dtype("u1"),
    "lines": np.dtype("<u8"),
    "paragraphs": np.dtype("<u8"),
    "words": np.dtype("<u4"),
    "fingerprints": np.dtype("<u8"),
    "places": np.dtype("<u4"),
}
FIELDS = dict.fromkeys(NUMBERS, pa.large_binary())


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one array: row i is `values[offsets[i]:offsets[i + 1]]`."""

    values: np.ndarray
    offsets: np.ndarray

    def documents(self) -> np.ndarray:
        """The row of each value."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def places(self) -> np.ndarray:
        """The place of each value in its row."""
        return np.arange(len(self.values)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))


@dataclass(frozen=True)
class PartFeatures:
    """All documents of one part in reading order, those already dropped included (they take part in nothing)."""

    alive: np.ndarray
    """bool[n]: not dropped yet."""
    digest: np.ndarray
    """uint64[n, 2]: `split.digest_of`."""
    side: np.ndarray
    """uint8[n]: index into `split.SPLITS`, as the file or the hash has it."""
    bands: np.ndarray
    """uint64[n, bands]; a row of zeros has no near duplicates."""
    sketch: np.ndarray
    """uint8[n, bands * rows], or n × 0 when pairs are not verified."""
    lines: Ragged
    """uint64 hash of each line, 0 for lines that are left alone."""
    paragraphs: Ragged
    """uint64 hash of each paragraph, 0 for those that are left alone."""
    words: Ragged
    """uint32 hash of each word, when substrings are looked for."""
    fingerprints: Ragged
    """uint64 winnowed fingerprints."""
    places: Ragged
    """uint32: the word each fingerprint begins at."""


class Measure:
    """Measures texts as the config asks; picklable, built once in each worker."""

    def __init__(self, config: DedupConfig):
        self.config = config
        self.signatures = Signatures(config.near)

    def columns(self, texts: list[str]) -> dict[str, pa.Array]:
        """One Arrow column for each of `FIELDS`; an empty text has empty cells."""
        config = self.config
        near, substrings = config.near.action != "off", config.substrings.action != "off"
        found: dict[str, Ragged] = {}
        words = words_of(texts) if near or substrings else None
        if near:
            found |= self._near(words)
        if config.lines.action != "off":
            found["lines"] = stacked([line_hashes(text, config.lines) for text in texts])
        if config.paragraphs.action != "off":
            found["paragraphs"] = stacked([paragraph_hashes(text, config.paragraphs) for text in texts])
        if substrings:
            found |= self._substrings(words)
        nothing = Ragged(np.empty(0, np.uint8), np.zeros(len(texts) + 1, np.int64))
        return {name: _cells(found.get(name, nothing), kind) for name, kind in NUMBERS.items()}

    def _near(self, words: Words) -> dict[str, Ragged]:
        minima = self.signatures.minima(words)
        rows = {"bands": self.signatures.bands(minima)}
        if self.config.near.min_similarity:
            rows["sketch"] = self.signatures.sketch(minima)
        return {name: Ragged(m.ravel(), np.arange(len(m) + 1) * m.shape[1]) for name, m in rows.items()}

    def _substrings(self, words: Words) -> dict[str, Ragged]:
        short = (words.hashes >> np.uint64(32)).astype(np.uint32)
        rows = zip(words.offsets[:-1].tolist(), words.offsets[1:].tolist(), strict=True)
        found = [fingerprints(short[a:b], self.config.substrings) for a, b in rows]
        return {
            "words": Ragged(short, words.offsets),
            "fingerprints": stacked([hashes for hashes, _ in found]),
            "places": stacked([places for _, places in found]),
        }


def stacked(rows: list[np.ndarray]) -> Ragged:
    """Rows as one array."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(np.concatenate(rows) if rows else np.empty(0), offsets)


def _cells(rows: Ragged, kind: np.dtype) -> pa.Array:
    data = pa.py_buffer(np.ascontiguousarray(rows.values, kind))
    ends = pa.py_buffer(np.ascontiguousarray(rows.offsets * kind.itemsize, np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(rows.offsets) - 1, [None, ends, data])


def part_features(table: pa.Table, config: DedupConfig) -> PartFeatures:
    """A part's features from its columns `reason`, `split`, `digest` and `FIELDS`."""
    n = table.num_rows
    ragged = {name: _ragged(table, name) for name in FIELDS}
    digests = b"".join(table.column("digest").to_pylist())
    near = config.near
    widths = {"bands": near.bands, "sketch": near.bands * near.rows if near.min_similarity else 0}
    return PartFeatures(
        alive=np.array([not reason for reason in table.column("reason").to_pylist()], bool),
        digest=np.frombuffer(digests, "<u8").reshape(n, 2),
        side=np.array([SPLITS.index(split) for split in table.column("split").to_pylist()], np.uint8),
        **{name: _matrix(ragged.pop(name), width) for name, width in widths.items()},
        **ragged,
    )


def _ragged(table: pa.Table, name: str) -> Ragged:
    cells = table.column(name).combine_chunks().cast(pa.large_binary())
    _, offsets, data = cells.buffers()
    ends = np.frombuffer(offsets, np.int64)[cells.offset : cells.offset + len(cells) + 1]
    size = NUMBERS[name].itemsize
    values = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]].view(NUMBERS[name])
    return Ragged(values, (ends - ends[0]) // size)


def _matrix(rows: Ragged, width: int) -> np.ndarray:
    """Rows of one width as a matrix; rows without values (dropped documents) are zeros."""
    filled = np.diff(rows.offsets) > 0
    matrix = np.zeros((len(filled), width), rows.values.dtype)
    matrix[filled] = rows.values.reshape(int(filled.sum()), width)
    return matrix
