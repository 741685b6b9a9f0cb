"""What the global step decided, by document index; saved as plain arrays that every worker maps into memory."""

import os
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from idiolect.corpus.dedup.hashing import BASE, mix

KEPT, DUPLICATE, NEAR_DUPLICATE, REPEATED_TEXT = range(4)
VERDICTS = ("", "duplicate", "near_duplicate", "repeated_text")

# A location is a document's index and, in the lower half, a place in it.
SHIFT = np.uint64(32)


def location(documents: np.ndarray, places: np.ndarray) -> np.ndarray:
    """uint64 that sort by document, then by place in it."""
    return documents.astype(np.uint64) << SHIFT | places.astype(np.uint64)


@dataclass(frozen=True)
class Cut:
    """What is to be taken out of one document: numbers of lines and paragraphs, and [start, end) in words."""

    lines: np.ndarray
    paragraphs: np.ndarray
    words: np.ndarray

    def __bool__(self) -> bool:
        return bool(len(self.lines) or len(self.paragraphs) or len(self.words))


@dataclass(frozen=True)
class Decisions:
    """Answers by document index: its place in the stream of all documents of all parts."""

    verdict: np.ndarray
    """uint8[n]: index into VERDICTS."""
    original: np.ndarray
    """int64[n]: the first document of its cluster of duplicates (kept in this one's stead); itself when alone."""
    side: np.ndarray
    """uint8[n]: index into `split.SPLITS`; the side of the cluster's first document."""
    lines: np.ndarray
    """Locations (document, number of the line) of the lines to remove, sorted."""
    paragraphs: np.ndarray
    passages: np.ndarray
    """Locations (document, word) at which passages to remove begin, sorted."""
    lengths: np.ndarray
    """uint32: words of each passage."""

    def reason(self, document: int) -> str:
        """Why a document is dropped; empty when it is kept."""
        return VERDICTS[self.verdict[document]]

    def cut_documents(self, first: int, stop: int) -> np.ndarray:
        """The documents of [first, stop) of which something is to be taken out, rising."""
        ends = np.array([first, stop], np.uint64) << SHIFT
        found = [x[slice(*np.searchsorted(x, ends))] >> SHIFT for x in (self.lines, self.paragraphs, self.passages)]
        return np.unique(np.concatenate(found)).astype(np.int64)

    def cut(self, document: int) -> Cut:
        """What to take out of a kept document."""
        low, high = (int(i) for i in self._range(self.passages, document))
        starts = self._places(self.passages[low:high])
        words = np.stack([starts, starts + self.lengths[low:high]], axis=1)
        lines, paragraphs = (self._places(x[slice(*self._range(x, document))]) for x in (self.lines, self.paragraphs))
        return Cut(lines, paragraphs, words)

    @staticmethod
    def _range(locations: np.ndarray, document: int) -> np.ndarray:
        return np.searchsorted(locations, np.array([document, document + 1], np.uint64) << SHIFT)

    @staticmethod
    def _places(locations: np.ndarray) -> np.ndarray:
        return (locations & np.uint64(0xFFFFFFFF)).astype(np.int64)

    def pairs(self, reason: str, n: int, seed: int = 0) -> list[tuple[int, int]]:
        """Up to n pairs (document, the first of its cluster), chosen by seed, in reading order; "" for kept ones."""
        there = np.flatnonzero((self.verdict == VERDICTS.index(reason)) & (self.original != np.arange(len(self.side))))
        lot = mix(there.astype(np.uint64) + np.uint64((seed + 1) * BASE % 2**64))
        chosen = np.sort(there[np.argsort(lot, kind="stable")[:n]])
        return [(int(i), int(self.original[i])) for i in chosen]

    def summary(self) -> dict[str, int]:
        """What was found, in numbers."""
        counts = np.bincount(self.verdict, minlength=len(VERDICTS))
        followers = np.unique(self.original[self.original != np.arange(len(self.side))], return_counts=True)[1]
        return {
            **{name: int(count) for name, count in zip(VERDICTS[1:], counts[1:], strict=True)},
            "clusters": len(followers),
            "largest_cluster": int(followers.max()) + 1 if len(followers) else 0,
            "repeated_lines": len(self.lines),
            "repeated_paragraphs": len(self.paragraphs),
            "repeated_passages": len(self.passages),
            "repeated_passage_words": int(self.lengths.sum(dtype=np.int64)),
        }

    def save(self, folder: Path) -> None:
        """Write the arrays; the folder appears when all of them are there."""
        building = folder.with_name(folder.name + ".tmp")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        for name in (f.name for f in fields(self)):
            np.save(building / f"{name}.npy", getattr(self, name), allow_pickle=False)
        os.replace(building, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map saved decisions into memory."""
        return cls(*(np.load(folder / f"{f.name}.npy", mmap_mode="r", allow_pickle=False) for f in fields(cls)))
