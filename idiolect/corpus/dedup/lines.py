"""The lines and paragraphs of a text: where they stand, and a hash of each that does not mind white space."""

import re
from collections.abc import Callable, Iterable

import numpy as np

from idiolect.corpus.dedup.config import LinesConfig, ParagraphsConfig
from idiolect.corpus.split import digest_of

PARAGRAPH_END = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def line_spans(text: str) -> list[tuple[int, int]]:
    """[start, end) of each line, line ends left out."""
    spans, start = [], 0
    for line in text.split("\n"):
        spans.append((start, start + len(line)))
        start += len(line) + 1
    return spans


def paragraph_spans(text: str) -> list[tuple[int, int]]:
    """[start, end) of each paragraph, the blank lines around it left out."""
    gaps = [m.span() for m in PARAGRAPH_END.finditer(text)]
    return list(zip([0, *(end for _, end in gaps)], [*(start for start, _ in gaps), len(text)], strict=True))


def line_hashes(text: str, config: LinesConfig) -> np.ndarray:
    """uint64 of each line; 0 for those too short to be judged."""
    return _hashes(text, line_spans, config.min_characters)


def paragraph_hashes(text: str, config: ParagraphsConfig) -> np.ndarray:
    """uint64 of each paragraph; 0 for those too short to be judged."""
    return _hashes(text, paragraph_spans, config.min_characters)


def _hashes(text: str, spans_of: Callable[[str], Iterable[tuple[int, int]]], min_characters: int) -> np.ndarray:
    hashes = []
    for start, end in spans_of(text):
        piece = text[start:end].strip()
        long_enough = len(piece) >= min_characters
        # The lowest bit is given up so that no hash is 0.
        hashes.append(int.from_bytes(digest_of(piece)[:8], "little") | 1 if long_enough else 0)
    return np.array(hashes, np.uint64)
