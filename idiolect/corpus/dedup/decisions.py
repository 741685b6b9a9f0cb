"""What the global step decided, by document index; saved as plain arrays that every worker maps into memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

KEEP, DUPLICATE, NEAR_DUPLICATE = 0, 1, 2
VERDICTS = ("", "duplicate", "near_duplicate")


@dataclass(frozen=True)
class Cut:
    """What is to be taken out of one document: numbers of lines and paragraphs, and [start, end) in words."""

    lines: np.ndarray
    paragraphs: np.ndarray
    words: np.ndarray


@dataclass(frozen=True)
class Decisions:
    """Answers by document index: its place in the stream of all documents of all parts."""

    verdict: np.ndarray
    """uint8[n]: index into VERDICTS."""
    original: np.ndarray
    """int64[n]: the document kept in this one's stead, or the first of its cluster; itself when alone."""
    side: np.ndarray
    """uint8[n]: index into `split.SPLITS`; the side of the cluster's first document."""

    def reason(self, document: int) -> str:
        """Why a document is dropped; empty when it is kept."""
        return VERDICTS[self.verdict[document]]

    def cut(self, document: int) -> Cut:
        """What to take out of a kept document."""
        raise NotImplementedError

    def pairs(self, reason: str, n: int, seed: int = 0) -> list[tuple[int, int]]:
        """Up to n pairs (dropped document, the one kept in its stead), chosen by seed, in reading order."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> "Decisions":
        """Map saved decisions into memory."""
        raise NotImplementedError
