"""Near duplicates: estimates against brute force, detection against theory, clusters against a plain union-find."""

import gzip
import itertools
import json
import random
import re

import numpy as np
import pytest

from idiolect.corpus.dedup.clusters import Clusters
from idiolect.corpus.dedup.config import DedupConfig, NearConfig
from idiolect.corpus.dedup.minhash import Signatures, detection, similarity
from idiolect.corpus.dedup.words import places_of, words_of

CONFIG = DedupConfig()


def plain_words(text):
    return re.findall(r"[^\W_]+", text.lower())


def jaccard(a, b, n=5):
    a, b = ({tuple(w[i : i + n]) for i in range(len(w) - n + 1)} for w in (a, b))
    return len(a & b) / len(a | b)


def drawn_pair(rng, overlap, n=300):
    """Two lists of words that share their middle."""
    shared = [f"s{rng.randrange(10**6)}" for _ in range(int(n * overlap))]
    own = [[f"w{rng.randrange(10**6)}" for _ in range(n - len(shared))] for _ in range(2)]
    return shared + own[0], shared + own[1]


def test_words_are_those_a_regular_expression_finds():
    texts = ["Don't panic: it's 42, really!", "", "Ünïcödé ÉTÉ naïve_text", " a  b\n\nC ", "x", "...", "a-b.c"]
    words = words_of(texts)
    for i, text in enumerate(texts):
        own = words.hashes[words.offsets[i] : words.offsets[i + 1]]
        expected = plain_words(text)
        assert len(own) == len(expected)
        again = words_of([" ".join(expected)]).hashes
        assert (own == again).all()
        assert [text[a:b].lower() for a, b in zip(*places_of(text), strict=True)] == expected


def test_words_differ_when_their_letters_stand_in_another_order():
    texts = ["ab", "ba", "aab", "aba", "abc", "cab", "a", "aa", "aaa", "stressed", "desserts"]
    assert len(set(words_of([" ".join(texts)]).hashes.tolist())) == len(texts)


def test_every_character_is_a_word_where_no_spaces_are():
    assert np.diff(
        words_of(["我爱北京天安门", "ภาษา", "hello 世界", "नमस्ते दुनिया", "Привет, мир"]).offsets
    ).tolist() == [7, 4, 3, 2, 2]


def test_long_texts_give_the_same_words_as_short_ones():
    text = "alpha Beta gamma " * 20_000
    words = words_of(["before", text, "after"])
    assert words.offsets.tolist() == [0, 1, 60_001, 60_002]
    assert len(np.unique(words.hashes)) == 5


def test_estimates_are_as_good_as_theory_allows():
    rng = random.Random(1)
    signatures = Signatures(NearConfig())
    errors, sketch_errors = [], []
    for overlap in np.linspace(0.1, 1, 200):
        a, b = drawn_pair(rng, overlap)
        minima = signatures.minima(words_of([" ".join(a), " ".join(b)]))
        errors.append((minima[0] == minima[1]).mean() - jaccard(a, b))
        sketch = signatures.sketch(minima)
        sketch_errors.append(similarity(sketch[:1], sketch[1:])[0] - jaccard(a, b))
    # 112 independent hashes: standard deviation sqrt(s (1 - s) / 112), at most 0.047.
    assert abs(np.mean(errors)) < 0.01 and np.std(errors) < 0.05
    assert abs(np.mean(sketch_errors)) < 0.01 and np.std(sketch_errors) < 0.05


def test_pairs_are_found_as_often_as_the_curve_says():
    rng = random.Random(2)
    signatures = Signatures(NearConfig())
    for overlap in (0.7, 0.86, 0.96):
        found, expected = 0, 0.0
        for _ in range(150):
            a, b = drawn_pair(rng, overlap)
            bands = signatures.bands(signatures.minima(words_of([" ".join(a), " ".join(b)])))
            found += (bands[0] == bands[1]).any()
            expected += detection(jaccard(a, b), NearConfig(min_similarity=0.0))
        assert abs(found - expected) < 4 * np.sqrt(150 * 0.25)


def test_what_is_dropped_follows_the_curve_with_the_estimate(decided):
    rng = random.Random(10)
    for overlap in (0.8, 0.84, 0.9):
        pairs = [drawn_pair(rng, overlap) for _ in range(120)]
        expected = sum(detection(jaccard(a, b), NearConfig()) for a, b in pairs)
        found = decided([" ".join(words) for pair in pairs for words in pair], CONFIG).summary()["near_duplicate"]
        assert abs(found - expected) < 4 * np.sqrt(120 * 0.25)


def test_datasketch_estimates_no_better():
    datasketch = pytest.importorskip("datasketch")
    rng = random.Random(3)
    signatures, ours, theirs = Signatures(NearConfig()), [], []
    for overlap in np.linspace(0.1, 1, 60):
        a, b = drawn_pair(rng, overlap)
        minima = signatures.minima(words_of([" ".join(a), " ".join(b)]))
        ours.append((minima[0] == minima[1]).mean() - jaccard(a, b))
        sketches = []
        for words in (a, b):
            sketch = datasketch.MinHash(num_perm=112)
            sketch.update_batch([" ".join(words[i : i + 5]).encode() for i in range(len(words) - 4)])
            sketches.append(sketch)
        theirs.append(sketches[0].jaccard(sketches[1]) - jaccard(a, b))
    assert np.std(ours) < 1.5 * np.std(theirs)


def test_bands_do_not_depend_on_the_pack():
    rng = random.Random(4)
    texts = [" ".join(f"w{rng.randrange(50)}" for _ in range(rng.randrange(0, 400))) for _ in range(300)]
    signatures = Signatures(NearConfig(min_words=1))
    together = signatures.minima(words_of(texts))
    apart = np.concatenate([signatures.minima(words_of([text])) for text in texts])
    assert (together == apart).all()


def test_short_documents():
    # Below min_words nothing is compared; below a shingle the text is one shingle.
    texts = ["Yes, I do!", "yes i do", "yes i did", ""]
    assert not Signatures(NearConfig()).minima(words_of(texts)).any()
    minima = Signatures(NearConfig(min_words=1)).minima(words_of(texts))
    assert (minima[0] == minima[1]).all() and (minima[0] != minima[2]).any() and not minima[3].any()


def test_clusters_are_connected_components():
    rng = random.Random(5)
    n = 2000
    edges = [(rng.randrange(n), rng.randrange(n)) for _ in range(1200)]
    clusters = Clusters(n)
    for i in range(0, len(edges), 100):
        a, b = (np.array(x) for x in zip(*edges[i : i + 100], strict=True))
        clusters.join(a, b)
    neighbours = {i: {i} for i in range(n)}
    for a, b in edges:
        united = neighbours[a] | neighbours[b]
        for i in united:
            neighbours[i] = united
    assert clusters.representatives().tolist() == [min(neighbours[i]) for i in range(n)]


def test_a_long_chain_is_one_cluster():
    n = 100_000
    clusters = Clusters(n)
    clusters.join(np.arange(n - 1)[::-1].copy(), np.arange(1, n)[::-1].copy())
    assert not clusters.representatives().any()


def planted(rng, n=400, copies=60):
    """Unrelated texts, and near copies of some of them: three words changed in 200."""
    texts = [[f"w{rng.randrange(5000)}" for _ in range(200)] for _ in range(n)]
    truth = []
    for i in rng.sample(range(n), copies):
        copy = list(texts[i])
        for at in rng.sample(range(200), 3):
            copy[at] = f"changed{rng.randrange(10**6)}"
        truth.append((len(texts), i))
        texts.append(copy)
    return [" ".join(t) for t in texts], truth


def test_planted_near_copies_are_dropped_and_nothing_else(decided):
    texts, truth = planted(random.Random(6))
    found = decided(texts, CONFIG).pairs("near_duplicate", 1000)
    assert set(found) <= set(truth)
    assert len(found) >= 0.95 * len(truth)


def test_similar_but_different_texts_stay(decided):
    rng = random.Random(7)
    a, b = drawn_pair(rng, 0.6)
    assert jaccard(a, b) < 0.5
    assert decided([" ".join(a), " ".join(b)], CONFIG).summary()["near_duplicate"] == 0


def test_a_pair_below_the_estimate_is_no_pair_although_it_shares_a_band(decided):
    rng = random.Random(8)
    texts = [" ".join(words) for _ in range(300) for words in drawn_pair(rng, 0.75)]
    trusting = decided(texts, DedupConfig(near=NearConfig(min_similarity=0.0))).summary()["near_duplicate"]
    careful = decided(texts, CONFIG).summary()["near_duplicate"]
    assert trusting > 60 and careful < 10


def test_whole_clusters_stand_on_the_side_of_their_first(decided):
    texts, truth = planted(random.Random(9), n=50, copies=20)
    splits = ["validation"] * 50 + ["train"] * 20
    kept = decided(texts, DedupConfig(near=NearConfig(action="keep_together")), splits=splits)
    assert kept.summary()["near_duplicate"] == 0 and kept.summary()["clusters"] == 20
    assert all(kept.side[copy] == kept.side[first] == 1 for copy, first in truth)
    assert sorted(kept.pairs("", 99)) == sorted(truth)
    off = decided(texts, DedupConfig(near=NearConfig(action="off")), splits=splits)
    assert (off.side[50:] == 0).all()


@pytest.mark.parametrize("n", [100, 1000])
def test_labelled_news_articles(shared, decided, n):
    path = shared(f"near-duplicates/articles_{n}.train" + (".gz" if n == 1000 else ""))
    opened = gzip.open if n == 1000 else open
    with opened(path, "rt", encoding="latin-1", newline="\n") as file:
        names, texts = zip(*(line.rstrip("\n").split(" ", 1) for line in file), strict=True)
    truth = {frozenset(line.split()) for line in shared(f"near-duplicates/articles_{n}.truth").read_text().splitlines()}
    found = {frozenset((names[a], names[b])) for a, b in decided(list(texts), CONFIG).pairs("near_duplicate", 99)}
    assert found == truth, "recall and precision are both 1"


def test_estimates_on_real_pairs(shared):
    with gzip.open(shared("near-duplicates/articles_1000.train.gz"), "rt", encoding="latin-1", newline="\n") as file:
        texts = [line.split(" ", 1)[1] for line in file][:200]
    words = [plain_words(text) for text in texts]
    sketch = Signatures(NearConfig()).sketch(Signatures(NearConfig()).minima(words_of(texts)))
    for i, j in itertools.islice(itertools.combinations(range(200), 2), 0, 20_000, 40):
        assert abs(similarity(sketch[i : i + 1], sketch[j : j + 1])[0] - jaccard(words[i], words[j])) < 0.2


def test_imdb_reviews(shared, decided):
    with gzip.open(shared("imdb/train.jsonl.gz"), "rt", encoding="utf-8", newline="\n") as file:
        texts = [json.loads(line)["text"] for line in itertools.islice(file, 8000)]
    found = decided(texts, CONFIG)
    for reason in ("duplicate", "near_duplicate"):
        for a, b in found.pairs(reason, 99):
            assert jaccard(plain_words(texts[a]), plain_words(texts[b])) > 0.6
    assert found.summary()["duplicate"] == len(texts) - len({" ".join(t.split()) for t in texts})
