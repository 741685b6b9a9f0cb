"""Hashed word 1- and 2-grams of texts: the features of the quality classifier (as fastText's, arXiv 1607.01759).

Signs count as words; a script without spaces gives character 1- and 2-grams (`hashed.py`).
"""

from collections import Counter

import numpy as np

from idiolect.corpus.filters.logistic import Rows
from idiolect.corpus.hashed import Words, ngrams_of, words_of

ORDERS = (1, 2)
TEXTS_AT_ONCE = 256


def columns_of(words: Words, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of every n-gram: its column, its text, the place of its first word, and how many words it has."""
    document, parts = words.document, []
    for n in ORDERS:
        grams, first = ngrams_of(words, n)
        parts.append((grams >> np.uint64(64 - bits), document[first], first, np.full(len(first), n)))
    columns, texts, firsts, sizes = (np.concatenate(part) for part in zip(*parts, strict=True))
    return columns.astype(np.int64), texts, firsts, sizes


def scale_of(words: Words) -> np.ndarray:
    """What each text's counts are multiplied with, so that long texts weigh no more: 1 / sqrt of its n-grams."""
    n = sum(np.maximum(words.counts - k + 1, 0) for k in ORDERS)
    return 1 / np.sqrt(np.maximum(n, 1))


def rows_of(texts: list[str], bits: int) -> Rows:
    """The features of each text as one row."""
    columns, values, counts = [], [], []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        words = words_of(texts[start : start + TEXTS_AT_ONCE], punctuation=True)
        column, text, _, _ = columns_of(words, bits)
        key, n = np.unique((text << bits) | column, return_counts=True)
        columns.append(key & ((1 << bits) - 1))
        values.append(n * scale_of(words)[key >> bits])
        counts.append(np.bincount(key >> bits, minlength=len(words.offsets) - 1))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]) if counts else np.zeros(1, np.int64)
    empty = np.zeros(0, np.int64)
    return Rows(np.concatenate([empty, *columns]), np.concatenate([np.zeros(0), *values]), offsets, 1 << bits)


def logits(texts: list[str], weights: np.ndarray, bias: float) -> np.ndarray:
    """The linear score of each text."""
    words = words_of(texts, punctuation=True)
    bits, document = len(weights).bit_length() - 1, words.document
    sums = np.zeros(len(texts))
    for n in ORDERS:
        grams, first = ngrams_of(words, n)
        sums += np.bincount(document[first], weights[(grams >> np.uint64(64 - bits)).astype(np.int64)], len(texts))
    return sums * scale_of(words) + bias


def spelled(texts: list[str], wanted: np.ndarray, bits: int) -> dict[int, str]:
    """The n-gram that most often falls into each wanted column, as a person reads it."""
    seen: Counter[tuple[int, str]] = Counter()
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        words = words_of(texts[start : start + TEXTS_AT_ONCE], punctuation=True)
        column, _, first, size = columns_of(words, bits)
        for i in np.flatnonzero(np.isin(column, wanted)):
            seen[int(column[i]), words.spelled(first[i], size[i])] += 1
    names: dict[int, str] = {}
    for (column, name), _ in sorted(seen.items(), key=lambda item: (-item[1], item[0])):
        names.setdefault(column, name)
    return names
