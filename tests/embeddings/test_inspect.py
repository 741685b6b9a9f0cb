"""Neighbours, analogies, map, drift and scores: a vocabulary whose geometry is known, and gensim's figures on GloVe."""

import numpy as np
import pytest

from idiolect.embeddings.benchmarks import analogy_scores, ranks, similarity_scores, spearman
from idiolect.embeddings.inspect import Lexicon, analogy, drift, flat_map, neighbours
from idiolect.embeddings.match import spellings
from idiolect.embeddings.read import read_vectors
from idiolect.errors import DataError
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from tests.embeddings.conftest import TEXT, vectors


@pytest.fixture
def lexicon(tokenizers):
    """Royalty on one axis, sex on another, walking on a third; all else points elsewhere."""
    tokenizer = tokenizers["word"]
    rows = np.zeros((tokenizer.vocabulary_size, 8), np.float32)
    rows[:, 4:] = vectors(tokenizer.vocabulary_size, 4)
    known = {"king": (1, 1, 0), "queen": (1, -1, 0), "man": (0, 1, 0.1), "woman": (0, -1, 0.1), "walk": (0, 0, 1)}
    for i, text in enumerate(spellings(tokenizer)):
        if text.strip() in known:
            rows[i] = (*known[text.strip()], 0, 0, 0, 0, 0)
    return Lexicon(tokenizer, rows)


def test_words_are_found_as_people_write_them(lexicon):
    i = lexicon.find("king")
    assert lexicon.tokenizer.token_text(i) == " king" and lexicon.label(i) == "king"
    assert lexicon.find("King") == i  # its lower case
    assert lexicon.find("Paris") is not None and lexicon.find("emperor") is None and lexicon.find("<|end|>") is None


def test_a_piece_of_a_word_is_not_found_as_the_word(tokenizers):
    lexicon = Lexicon(tokenizers["bpe"], vectors(tokenizers["bpe"].vocabulary_size, 4))
    inside = next(t for t in lexicon.texts if len(t) > 1 and t.isalpha() and f" {t}" not in lexicon.texts)
    assert lexicon.find(inside) is None and lexicon.find("king") is not None


def test_analogies_and_neighbours_follow_the_geometry(lexicon):
    a, b, c = (lexicon.find(word) for word in ("man", "king", "woman"))
    assert analogy(lexicon, a, b, c)[0]["word"] == "queen"
    assert all(entry["word"] not in ("man", "king", "woman") for entry in analogy(lexicon, a, b, c, 50))
    near = neighbours(lexicon, b, 3)
    brute = sorted(-float(lexicon.unit_VD[i] @ lexicon.unit_VD[b]) for i in range(len(lexicon.unit_VD)) if i != b)
    assert near[0]["cosine"] <= -brute[0] + 1e-6


def test_drift_is_the_cosine_with_the_start(lexicon):
    start = lexicon.vectors_VD.copy()
    king, queen = lexicon.find("king"), lexicon.find("queen")
    start[king] *= -2
    start[queen] = [0, 0, 0, 1, 0, 0, 0, 0]
    counts = np.ones(len(start))
    counts[lexicon.find("man")] = 0
    found = drift(lexicon, start, counts)
    assert [entry["word"] for entry in found["most_moved"][:2]] == ["king", "queen"]
    assert found["most_moved"][0]["cosine"] == pytest.approx(-1) and found["n"] == len(start) - 1
    assert sum(n for _, n in found["histogram"]) == found["n"] and found["histogram"][0] == [-1.0, 1]
    still = drift(lexicon, lexicon.vectors_VD, counts)
    assert still["mean_cosine"] == pytest.approx(1) and still["histogram"][-1][1] == still["n"]


def test_the_map_is_the_plane_of_most_variance(lexicon):
    pca = pytest.importorskip("sklearn.decomposition").PCA
    counts = np.bincount(lexicon.tokenizer.encode(TEXT), minlength=len(lexicon.vectors_VD))
    ids = lexicon.frequent(counts, 12)
    found = flat_map(lexicon, ids)
    theirs = pca(2, svd_solver="full").fit(lexicon.unit_VD[ids])
    assert found["share"] == pytest.approx(theirs.explained_variance_ratio_.sum(), rel=1e-4)
    assert len(set(found["words"])) == 12 == len(found["x"])
    assert counts[ids[0]] == max(counts[i] for i in np.flatnonzero(lexicon.words_V))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_map_of_few_words_is_no_error(lexicon, n):
    assert len(flat_map(lexicon, np.arange(n) + 3)["x"]) == n


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "character", "byte", "unigram"])
def test_every_kind_of_vocabulary_can_be_looked_at(tokenizers, kind):
    tokenizer = tokenizers[kind]
    lexicon = Lexicon(tokenizer, vectors(tokenizer.vocabulary_size, 6))
    counts = np.bincount(tokenizer.encode(TEXT), minlength=tokenizer.vocabulary_size)
    ids = lexicon.frequent(counts, 10)
    assert len(ids) == 10 and flat_map(lexicon, ids)["words"]
    assert len(neighbours(lexicon, int(ids[0]), 5)) == 5


def test_ranks_and_spearman_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    chance = np.random.default_rng(0)
    for _ in range(20):
        a, b = chance.integers(0, 6, 30).astype(float), chance.normal(size=30).round(1)
        np.testing.assert_allclose(ranks(a), stats.rankdata(a))
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert spearman(np.ones(4), np.arange(4.0)) is None


@pytest.mark.parametrize("text", ["", "one two three\n", ": a\nking queen\n", "king queen man woman boy\n"])
def test_broken_benchmark_files_name_their_line(lexicon, tmp_path, text):
    (tmp_path / "file.txt").write_text(text)
    for score in (analogy_scores, similarity_scores):
        with pytest.raises(DataError) as caught:
            score(lexicon, tmp_path / "file.txt")
        assert caught.value.why and caught.value.fix
        if not text:
            assert caught.value.what.endswith("is empty")
    with pytest.raises(DataError):
        analogy_scores(lexicon, tmp_path / "absent.txt")


def test_words_that_are_no_tokens_are_counted_not_guessed(lexicon, tmp_path):
    (tmp_path / "analogies.txt").write_text(
        ": family\nman king woman queen\nman king woman empress\nman man king king\n"
    )
    found = analogy_scores(lexicon, tmp_path / "analogies.txt")
    assert (found["accuracy"], found["n"], found["skipped"]) == (1, 1, 2)
    (tmp_path / "pairs.csv").write_text("word1,word2,mean\nking,queen,9\nking,walk,1\nman,woman,5\nking,emperor,8\n")
    assert similarity_scores(lexicon, tmp_path / "pairs.csv")["skipped"] == 1


@pytest.fixture(scope="module")
def glove_lexicon():
    """GloVe's own vocabulary as a word tokenizer's, so that gensim's figures and ours are of the same words."""
    from tests.embeddings.conftest import DATA

    path = DATA / "glove.twitter.25d.top12k.txt"
    if not path.exists():
        pytest.skip("the real files are not here")
    words = [line.split(" ")[0] for line in path.read_text("utf-8").splitlines()][:4000]
    words = [word for word in words if word.isascii() and word.isalpha()]
    tokenizer = build(TokenizerConfig(kind="word", vocabulary_size=8000, min_frequency=1), [" " + " ".join(words)])
    found = read_vectors(path, set(words))
    place = {word: n for n, word in enumerate(found.words)}
    rows = np.zeros((tokenizer.vocabulary_size, 25), np.float32)
    for i, text in enumerate(spellings(tokenizer)):
        if text.strip() in place:
            rows[i] = found.vectors_NW[place[text.strip()]]
    return Lexicon(tokenizer, rows), found


def test_real_neighbours_make_sense(glove_lexicon):
    lexicon, _ = glove_lexicon
    assert {entry["word"] for entry in neighbours(lexicon, lexicon.find("monday"), 4)} <= {
        "tuesday", "wednesday", "thursday", "friday", "sunday", "saturday"
    }  # fmt: skip
    assert neighbours(lexicon, lexicon.find("paris"), 1)[0]["word"] == "france"


def test_scores_on_real_files_are_gensims(glove_lexicon, real):
    keyed_vectors = pytest.importorskip("gensim.models").KeyedVectors
    lexicon, found = glove_lexicon
    theirs = keyed_vectors(25)
    theirs.add_vectors(found.words, found.vectors_NW)
    ours = analogy_scores(lexicon, real / "questions-words.txt")
    score, sections = theirs.evaluate_word_analogies(str(real / "questions-words.txt"), case_insensitive=True)
    total = sections[-1]
    assert ours["n"] == len(total["correct"]) + len(total["incorrect"]) > 500
    assert ours["accuracy"] == pytest.approx(score, abs=0.005)
    for name in ("wordsim353.tsv", "simlex999.txt"):
        _, rho, missing = theirs.evaluate_word_pairs(str(real / name), case_insensitive=True)
        mine = similarity_scores(lexicon, real / name)
        assert mine["spearman"] == pytest.approx(rho.statistic, abs=0.01)
        assert 100 * mine["skipped"] / (mine["n"] + mine["skipped"]) == pytest.approx(missing, abs=1)
