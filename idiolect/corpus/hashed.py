"""The words of many texts at once, as 64-bit hashes: what classifiers, vocabulary counts and overlaps are made of.

All in numpy over one pack of texts. A script that writes no spaces (Chinese, Japanese, Thai, ...) has a word for every
character, so that two of them in a row are its character 2-grams.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np

APART, INSIDE, ALONE = 0, 1, 2
# Blocks whose scripts put no spaces between words: Thai to Tibetan, Myanmar, Khmer, kana to Han, Hangul has spaces.
UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
            (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))  # fmt: skip
# Where anything but private use can be assigned: planes 0 to 3, and the tags of plane 14.
ASSIGNED = ((0, 0x40000), (0xE0000, 0xE1000))
PLACES = 64
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Words:
    """Words end to end: hashes, where each stands among the characters of `joined`, and each text's first word."""

    joined: str
    hashes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    offsets: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Words of each text."""
        return np.diff(self.offsets)

    @property
    def document(self) -> np.ndarray:
        """The text that each word stands in."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def spelled(self, first: int, n: int = 1) -> str:
        """n words from the first on, lower-cased, as a person reads them."""
        spans = zip(self.starts[first : first + n], self.lengths[first : first + n], strict=True)
        return " ".join(self.joined[start : start + length] for start, length in spans)


def words_of(texts: list[str], *, punctuation: bool = False) -> Words:
    """Lower-cased words of each text; with `punctuation` every sign is a word, too."""
    lowered = [text.lower() for text in texts]
    joined = "\n".join(lowered)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    kind = _kinds(punctuation)[codes]
    inside = kind != APART
    before = np.concatenate([[APART], kind[:-1]]) if len(kind) else kind
    begins = inside & ((before != INSIDE) | (kind == ALONE))
    starts = np.flatnonzero(begins)
    letters = codes[inside].astype(np.uint64)
    # Among the letters alone a word begins where the count of its letters so far says so.
    first = np.cumsum(inside)[starts] - 1
    lengths = np.diff(np.append(first, len(letters)))
    place = np.arange(len(letters)) - np.repeat(first, lengths)
    # Multilinear hashing: an odd random factor for each place, summed (Lemire and Kaser 2013, arXiv 1202.4961).
    weighed = (letters + np.uint64(1)) * _factors()[place & (PLACES - 1)]
    sums = np.add.reduceat(weighed, first) if len(first) else np.zeros(0, np.uint64)
    ends = np.cumsum([len(text) + 1 for text in lowered])
    offsets = np.concatenate([[0], np.searchsorted(starts, ends)])
    return Words(joined, mixed(sums + lengths.astype(np.uint64)), starts, lengths, offsets)


def ngrams_of(words: Words, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of n words in a row within one text, and the place of each one's first word."""
    h = words.hashes
    if len(h) < n:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    gram = h[: len(h) - n + 1]
    for k in range(1, n):
        gram = mixed(gram) + h[k : len(h) - n + 1 + k]
    last = np.repeat(words.offsets[1:], words.counts)[: len(gram)]
    first = np.flatnonzero(np.arange(n, len(gram) + n) <= last)
    return gram[first], first


def mixed(h: np.ndarray) -> np.ndarray:
    """Every bit of a 64-bit number spread over all others (splitmix64's finaliser)."""
    h = (h ^ (h >> np.uint64(30))) * MIX_1
    h = (h ^ (h >> np.uint64(27))) * MIX_2
    return h ^ (h >> np.uint64(31))


def counted(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones, rising, and how often each comes: `np.unique` of numpy 2.4 takes 10 times as long."""
    ordered = np.sort(hashes)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return ordered[starts], np.diff(starts, append=len(ordered))


@cache
def _factors() -> np.ndarray:
    return mixed(np.arange(1, PLACES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


@cache
def _kinds(punctuation: bool) -> np.ndarray:
    """What each code point does: part words, belong to one, or be one. A megabyte, made once a process in 0.05 s."""
    kinds = np.full(0x110000, APART, np.uint8)
    of = np.full(0x110000, ord("C"), np.uint8)
    for low, high in ASSIGNED:
        categories = "".join([unicodedata.category(chr(code))[0] for code in range(low, high)])
        of[low:high] = np.frombuffer(categories.encode(), np.uint8)
    kinds[np.isin(of, np.frombuffer(b"LMN", np.uint8))] = INSIDE
    for low, high in UNSPACED:
        block = kinds[low : high + 1]
        block[block == INSIDE] = ALONE
    if punctuation:
        kinds[np.isin(of, np.frombuffer(b"PS", np.uint8))] = ALONE
    return kinds
