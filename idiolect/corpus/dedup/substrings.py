"""Fingerprints by which long repeated passages are found: winnowing (Schleimer, Wilkerson & Aiken 2003).

Of every `window` hashes of `gram` words in a row the smallest is kept. Two texts that share window + gram - 1 words
in a row share those hashes, so they keep the same one: no passage that long is missed.
"""

import numpy as np

from idiolect.corpus.dedup.config import SubstringsConfig
from idiolect.corpus.dedup.hashing import rolling


def sizes(config: SubstringsConfig) -> tuple[int, int]:
    """(gram, window): gram + window - 1 = config.words. Half each keeps one fingerprint for about 13 of 50 words."""
    window = config.words // 2
    return config.words - window + 1, window


def fingerprints(words: np.ndarray, config: SubstringsConfig) -> tuple[np.ndarray, np.ndarray]:
    """The kept hashes of one text (uint32 words in, uint64 out), and the word at which each begins."""
    gram, window = sizes(config)
    grams = rolling(words.astype(np.uint64), gram)
    if len(grams) < window:
        return np.empty(0, np.uint64), np.empty(0, np.uint32)
    lowest = _sliding(grams, window, np.minimum)
    # A hash is kept if it is the smallest of any window it stands in: if the largest of those minima is itself.
    edge = np.zeros(window - 1, np.uint64)
    highest = _sliding(np.concatenate([edge, lowest, edge]), window, np.maximum)
    places = np.flatnonzero(highest == grams)
    return grams[places], places.astype(np.uint32)


def _sliding(values: np.ndarray, window: int, better: np.ufunc) -> np.ndarray:
    """The smallest (largest) of every `window` values, by doubling: a window is two overlapping smaller ones."""
    width = 1
    while width * 2 <= window:
        values = better(values[:-width], values[width:])
        width *= 2
    rest = window - width
    return better(values[:-rest], values[rest:]) if rest else values
