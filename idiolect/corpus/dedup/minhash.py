"""MinHash signatures (Broder 1997) of word shingles, and the keys of their LSH bands (Leskovec et al., chapter 3).

Two documents share a band with probability s ** rows when the Jaccard similarity of their shingles is s. Each of the
bands * rows hash functions is multiply-add on 32 bits of an already well mixed shingle hash.
"""

import math

import numpy as np

from idiolect.corpus.dedup.config import NearConfig
from idiolect.corpus.dedup.hashing import mix, numbers, powers
from idiolect.corpus.dedup.words import Words

# Shingles worked on at once: the arrays must fit the processor's cache.
BLOCK = 1 << 16


class Signatures:
    """Computes what near duplicates are found by, for all texts of a pack."""

    def __init__(self, config: NearConfig):
        self.config = config
        n = config.bands * config.rows
        drawn = numbers(2 * n, seed=2)
        self.factors = (drawn[:n] >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
        self.terms = (drawn[n:] >> np.uint64(32)).astype(np.uint32)

    def minima(self, words: Words) -> np.ndarray:
        """uint32[texts, bands * rows]; of texts too short to compare, a row of zeros."""
        config = self.config
        n_words = np.diff(words.offsets)
        compared = np.flatnonzero(n_words >= config.min_words)
        out = np.zeros((len(n_words), len(self.factors)), np.uint32)
        if not len(compared):
            return out
        shingles = (self._shingles(words.hashes) >> np.uint64(32)).astype(np.uint32)
        starts = words.offsets[compared]
        # A text shorter than a shingle is one shingle by itself, in whose place nothing else would be.
        lengths = np.maximum(n_words[compared] - config.shingle_words + 1, 1)
        for i in np.flatnonzero(n_words[compared] < config.shingle_words):
            few = words.hashes[starts[i] : starts[i] + n_words[compared[i]]]
            shingles[starts[i]] = mix((few * powers(len(few))[0]).sum(keepdims=True))[0] >> np.uint64(32)
        self._minima(shingles, starts, lengths, compared, out)
        return out

    def _shingles(self, hashes: np.ndarray) -> np.ndarray:
        """The hash of the shingle that begins at each word; the last few of a text reach into the next."""
        n = self.config.shingle_words
        total = np.zeros(len(hashes), np.uint64)
        for offset, power in enumerate(powers(n)[0]):
            total[: max(len(hashes) - offset, 0)] += hashes[offset:] * power
        return mix(total)

    def _minima(
        self, shingles: np.ndarray, starts: np.ndarray, lengths: np.ndarray, rows: np.ndarray, out: np.ndarray
    ) -> None:
        # Only the shingles that lie within their own text.
        begins = np.cumsum(lengths) - lengths
        inside = np.repeat(starts - begins, lengths) + np.arange(int(lengths.sum()))
        shingles = shingles[inside]
        first = 0
        while first < len(rows):
            last = max(first + 1, int(np.searchsorted(begins, begins[first] + BLOCK)))
            low = int(begins[first])
            block = shingles[low : int(begins[last - 1] + lengths[last - 1])]
            scratch = np.empty_like(block)
            for i, (factor, term) in enumerate(zip(self.factors, self.terms, strict=True)):
                np.multiply(block, factor, out=scratch)
                scratch += term
                out[rows[first:last], i] = np.minimum.reduceat(scratch, begins[first:last] - low)
            first = last

    def bands(self, minima: np.ndarray) -> np.ndarray:
        """uint64[texts, bands]: a key for each band, different from those of all other bands; zeros stay zeros."""
        config = self.config
        split = minima.reshape(len(minima), config.bands, config.rows).astype(np.uint64)
        keys = mix((split * numbers(config.rows, seed=3)).sum(axis=2) + numbers(config.bands, seed=4))
        keys |= np.uint64(1)
        keys[~minima.any(axis=1)] = 0
        return keys

    @staticmethod
    def sketch(minima: np.ndarray) -> np.ndarray:
        """The lowest byte of each hash: an eighth of the memory for 1/256 of chance agreement (Li & König 2010)."""
        return minima.astype(np.uint8)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The estimated Jaccard similarity of sketches, row by row."""
    agree = (a == b).mean(axis=1)
    return np.maximum((agree - 1 / 256) / (1 - 1 / 256), 0.0)


def detection(jaccard: float, config: NearConfig) -> float:
    """The probability that two documents of this Jaccard similarity are found: a common band, a close estimate.

    The estimate errs by a standard deviation of sqrt(s (1 - s) / hashes); it is taken as independent of the band.

    >>> [round(detection(s, NearConfig(min_similarity=0.0)), 3) for s in (0.5, 0.7, 0.8, 0.9)]
    [0.053, 0.565, 0.924, 1.0]
    >>> [round(detection(s, NearConfig()), 3) for s in (0.5, 0.6, 0.7, 0.8, 0.9)]
    [0.0, 0.003, 0.282, 0.92, 1.0]
    """
    shared = 1.0 - (1.0 - jaccard**config.rows) ** config.bands
    deviation = math.sqrt(jaccard * (1 - jaccard) / (config.bands * config.rows))
    if not config.min_similarity or not deviation:
        return shared * (jaccard >= config.min_similarity)
    return shared * 0.5 * (1 + math.erf((jaccard - config.min_similarity) / deviation / math.sqrt(2)))
