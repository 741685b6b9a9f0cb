"""What a worker measures of each document, so that the global step never needs a text.

A part's features are numpy arrays; between processes and on disk they are Arrow columns (`FIELDS`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from idiolect.corpus.dedup.config import DedupConfig

FIELDS = {
    "bands": pa.large_binary(),
    "sketch": pa.large_binary(),
    "lines": pa.large_binary(),
    "paragraphs": pa.large_binary(),
    "words": pa.large_binary(),
    "fingerprints": pa.large_binary(),
    "places": pa.large_binary(),
}
"""Columns beside `digest`; each cell is a row of little-endian numbers, empty where nothing was asked for."""


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one array: row i is `values[offsets[i]:offsets[i + 1]]`."""

    values: np.ndarray
    offsets: np.ndarray


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

    def columns(self, texts: list[str]) -> dict[str, pa.Array]:
        """One Arrow column for each of `FIELDS`; an empty text has empty cells."""
        raise NotImplementedError


def part_features(table: pa.Table, config: DedupConfig) -> PartFeatures:
    """A part's features from its columns `reason`, `split`, `digest` and `FIELDS`."""
    raise NotImplementedError
