"""Texts as hashes of their words, a whole pack at once, in any script.

A word is a run of letters, marks and digits, lower-cased; in scripts that put no spaces between words (Chinese,
Japanese, Thai, Lao, Burmese, Khmer, Tibetan) every character is one. Nothing loops over words: characters are looked
up in tables of all of Unicode, and a word's hash is a sum over its characters.
"""

import functools
import sys
import unicodedata
from dataclasses import dataclass

import numpy as np

from idiolect.corpus.dedup.hashing import mix, numbers, powers

APART, PART_OF_WORD, WORD = 0, 1, 2
UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x0F00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
# Arrays of this many characters stay in the processor's cache.
BLOCK = 1 << 16


@dataclass(frozen=True)
class Words:
    """The words of some texts, one text after the other."""

    hashes: np.ndarray
    """uint64 of each word."""
    offsets: np.ndarray
    """int64[texts + 1]: text i has the words offsets[i]:offsets[i + 1]."""


@functools.cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """What each code point is to a word, and its number (equal for upper and lower case, 0 outside words)."""
    kinds = np.zeros(sys.maxunicode + 1, np.uint8)
    folded = np.arange(sys.maxunicode + 1, dtype=np.uint64)
    # Beyond plane 3 nothing is assigned but tags and private use.
    for code in range(0x40000):
        character = chr(code)
        if unicodedata.category(character)[0] in "LMN":
            kinds[code] = PART_OF_WORD
            lower = character.lower()
            if len(lower) == 1:
                folded[code] = ord(lower)
    for first, last in UNSPACED:
        kinds[first : last + 1] *= np.uint8(WORD)
    values = mix(folded + numbers(1, seed=1))
    values[kinds == APART] = 0
    return kinds, values


def words_of(texts: list[str]) -> Words:
    """The words of each text."""
    hashes, counts, block, size = [], [], [], 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= BLOCK:
            _add(block, hashes, counts)
            block, size = [], 0
    _add(block, hashes, counts)
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.concatenate(counts) if counts else [], out=offsets[1:])
    return Words(np.concatenate(hashes) if hashes else np.empty(0, np.uint64), offsets)


def _add(texts: list[str], hashes: list, counts: list) -> None:
    if not texts:
        return
    kinds, values = tables()
    codes = _codes("\n".join(texts))
    starts = _starts(kinds.take(codes, mode="clip"))
    up, down = powers(len(codes) + 1)
    # Separators count nothing, so a word's sum may run up to the next word. Differences of one running sum are three
    # times as fast as `reduceat` on pieces this short, and "clip" saves the check of an index that is always right.
    total = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(values.take(codes, mode="clip") * up[: len(codes)], out=total[1:])
    bounds = total[np.append(starts, len(codes))]
    hashes.append(mix((bounds[1:] - bounds[:-1]) * down[starts]))
    ends = np.cumsum([len(text) + 1 for text in texts])
    counts.append(np.diff(np.searchsorted(starts, ends), prepend=0))


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _starts(kinds: np.ndarray) -> np.ndarray:
    inside = kinds == PART_OF_WORD
    begins = kinds == WORD
    begins[:1] |= inside[:1]
    begins[1:] |= inside[1:] & ~inside[:-1]
    return np.flatnonzero(begins)


def places_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Where each word of one text begins and ends, in characters."""
    kinds = tables()[0].take(_codes(text), mode="clip")
    inside = kinds == PART_OF_WORD
    last = kinds == WORD
    last[-1:] |= inside[-1:]
    last[:-1] |= inside[:-1] & ~inside[1:]
    return _starts(kinds), np.flatnonzero(last) + 1
