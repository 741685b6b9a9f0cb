"""The Unigram trainer against brute force over all cuts, and against the library's trainer."""

import itertools

import numpy as np
import pytest
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import models, pre_tokenizers, trainers

from idiolect.tokenizer import unigram
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

LETTERS = tuple("abcde")


def all_cuts(word):
    for n in range(len(word)):
        for places in itertools.combinations(range(1, len(word)), n):
            edges = [0, *places, len(word)]
            yield [word[a:b] for a, b in itertools.pairwise(edges)]


def test_expected_counts_equal_brute_force():
    counts = {"abcab": 3, "cabba": 2, "e": 5, "ddde": 1}
    words = sorted((bytes(LETTERS.index(c) for c in w), n) for w, n in counts.items())
    table, place, length, count = unigram._seed(words, 2, 1000)
    row = b"".join(w for w, _ in words)
    pieces = ["".join(LETTERS[b] for b in row[p : p + n]) for p, n in zip(place, length, strict=True)]
    assert len(set(pieces)) == len(pieces) and {"ab", "abc", "ca"} - {"abc"} <= set(pieces)
    score = np.random.default_rng(0).normal(size=len(pieces)) - 2
    found = unigram._expected_counts(unigram._build_lattice(words, table), score)
    expected = dict.fromkeys(pieces, 0.0)
    known = dict(zip(pieces, score, strict=True))
    for word, n in counts.items():
        cuts = [cut for cut in all_cuts(word) if all(p in known for p in cut)]
        weight = np.exp([sum(known[p] for p in cut) for cut in cuts])
        for cut, w in zip(cuts, weight / weight.sum(), strict=True):
            for piece in cut:
                expected[piece] += n * w
    assert np.allclose(found, [expected[p] for p in pieces], rtol=1e-9, atol=1e-12)


def test_seeds_are_the_frequent_substrings():
    counts = {"abcabc": 2, "bca": 1}
    words = sorted((bytes(LETTERS.index(c) for c in w), n) for w, n in counts.items())
    _, place, length, count = unigram._seed(words, 2, 1000)
    row = b"".join(w for w, _ in words)
    found = {"".join(LETTERS[b] for b in row[p : p + n]): c for p, n, c in zip(place, length, count, strict=True)}
    expected: dict[str, int] = {}
    for word, n in counts.items():
        for a, b in itertools.combinations(range(len(word) + 1), 2):
            expected[word[a:b]] = expected.get(word[a:b], 0) + n
    assert found == {s: n for s, n in expected.items() if n >= 2 or len(s) == 1}


def test_digamma():
    scipy = pytest.importorskip("scipy.special")
    x = np.array([0.5, 1.0, 3.7, 100.0, 1e6])
    assert np.allclose(unigram._digamma(x), scipy.digamma(x), rtol=1e-8, atol=1e-8)


def test_as_good_as_the_library_s_trainer():
    random = np.random.default_rng(3)
    stems = ["".join(random.choice(list("aeioubcdfglmnprst"), random.integers(3, 7))) for _ in range(150)]
    endings = ["", "s", "ed", "ing", "ness", "able"]
    text = [" ".join(random.choice(stems) + random.choice(endings) for _ in range(60)) for _ in range(80)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    library = LibraryTokenizer(models.Unigram())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.UnigramTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(text, trainer)
    theirs = sum(len(library.encode(t).ids) for t in text)

    ours = build(TokenizerConfig(kind="unigram", vocabulary_size=505), text)
    assert ours.vocabulary_size == 505
    assert sum(len(ours.encode(t)) for t in text) <= 1.02 * theirs
