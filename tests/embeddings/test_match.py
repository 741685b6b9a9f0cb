"""Which token is which word, for every kind of tokenizer; coverage counted by hand; refusal that explains."""

import numpy as np
import pytest

from idiolect.embeddings.config import EmbeddingsConfig
from idiolect.embeddings.match import check_coverage, match, spellings
from idiolect.errors import DataError
from tests.embeddings.conftest import TEXT, as_text, vectors
from tests.embeddings.test_huggingface import write_folder

WORDS = ["the", "king", "queen", "paris", "Paris", "man", "men", "river", ".", ",", "ing", "##ing", "a", "##", "e"]
ROWS = vectors(len(WORDS))


@pytest.fixture
def source(tmp_path):
    (tmp_path / "words.txt").write_bytes(as_text(WORDS, ROWS, header=False))
    return str(tmp_path / "words.txt")


def matched(tokenizer, source, **settings):
    counts_V = np.bincount(tokenizer.encode(TEXT), minlength=tokenizer.vocabulary_size)
    found = match(EmbeddingsConfig(source=source, least_coverage=0, **settings), tokenizer, counts_V)
    by_token = {tokenizer.token_text(i): row for i, row in zip(found.rows_N.tolist(), found.vectors_NW, strict=True)}
    return by_token, found.report, counts_V


def row(word: str) -> np.ndarray:
    return ROWS[WORDS.index(word)]


def test_words_match_with_and_without_their_space(tokenizers, source):
    found, report, _ = matched(tokenizers["word"], source)
    for token, word in ((" king", "king"), (" the", "the"), ("The", "the"), (" .", "."), (" Paris", "Paris")):
        np.testing.assert_array_equal(found[token], row(word))
    assert " woman" not in found
    assert report["steps"]["lower_case"] >= 1


def test_other_spellings_are_tried_only_when_asked_for(tokenizers, source):
    assert "The" not in matched(tokenizers["word"], source, match=())[0]
    assert " 42" not in matched(tokenizers["word"], source)[0]


def test_declared_steps_are_taken_in_their_order(tokenizers, tmp_path):
    words = ["King", "##", "KING"]
    (tmp_path / "words.txt").write_bytes(as_text(words, ROWS[:3], header=False))
    found, report, _ = matched(
        tokenizers["word"], str(tmp_path / "words.txt"), match=("lower_case", "title_case", "digits_as_hashes")
    )
    np.testing.assert_array_equal(found[" king"], ROWS[0])
    np.testing.assert_array_equal(found[" 42"], ROWS[1])
    assert report["steps"] == {"title_case": 1, "digits_as_hashes": 2}


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_piece_from_inside_a_word_is_no_word(tokenizers, source, kind):
    found, _, _ = matched(tokenizers[kind], source)
    texts = spellings(tokenizers[kind])
    assert any(text and text[0] != " " and text.strip() in WORDS and text.isalpha() for text in texts)
    assert all(token[:1] == " " or not any(map(str.isalnum, token)) for token in found)
    np.testing.assert_array_equal(found[" king"], row("king"))


def test_wordpiece_pieces_are_told_from_words(tokenizers, source):
    tokenizer = tokenizers["wordpiece"]
    found, _, _ = matched(tokenizer, source)
    np.testing.assert_array_equal(found["king"], row("king"))
    # The file's "##ing" is a word spelled so, not the piece.
    assert not any(token.startswith("##") and token.strip("#").isalnum() for token in found)
    assert "##ing" in [tokenizer.token(i) for i in range(tokenizer.vocabulary_size)]


@pytest.mark.parametrize("kind", ["character", "byte"])
def test_single_characters_match_themselves(tokenizers, source, kind):
    found, _, _ = matched(tokenizers[kind], source)
    np.testing.assert_array_equal(found["a"], row("a"))
    np.testing.assert_array_equal(found["."], row("."))
    assert " " not in found


def test_special_tokens_match_nothing_and_the_unknown_word_its_namesake(tokenizers, tmp_path):
    tokenizer = tokenizers["word"]
    (tmp_path / "words.txt").write_bytes(as_text(["<|end|>", "<unk>", "king"], ROWS[:3], header=False))
    found = match(EmbeddingsConfig(source=str(tmp_path / "words.txt")), tokenizer, np.ones(tokenizer.vocabulary_size))
    assert set(found.rows_N.tolist()) == {tokenizer.unknown_id, spellings(tokenizer).index(" king")}


@pytest.mark.parametrize("theirs", ["word", "bpe", "wordpiece", "unigram"])
@pytest.mark.parametrize("ours", ["word", "bpe", "wordpiece"])
def test_markers_of_another_models_tokens_don_t_matter(tokenizers, tmp_path, ours, theirs):
    table_VD = write_folder(tmp_path / "model", tokenizers[theirs]).numpy()
    found, report, _ = matched(tokenizers[ours], str(tmp_path / "model"))
    np.testing.assert_array_equal(
        found["king" if ours == "wordpiece" else " king"], table_VD[spellings(tokenizers[theirs]).index(" king")]
    )
    if ours == theirs:
        assert report["coverage"] == 1


def test_coverage_is_what_a_loop_counts(tokenizers, source):
    tokenizer = tokenizers["word"]
    found, report, counts_V = matched(tokenizer, source)
    ordinary = [i for i in range(tokenizer.vocabulary_size) if i not in tokenizer.special_ids.values()]
    have = [i for i in ordinary if tokenizer.token_text(i) in found]
    assert report["types"] == len(ordinary) and report["types_found"] == len(have)
    assert report["coverage"] == pytest.approx(len(have) / len(ordinary))
    n_tokens = sum(int(counts_V[i]) for i in ordinary) + int(counts_V[tokenizer.unknown_id])
    assert report["tokens"] == n_tokens == len(tokenizer.encode(TEXT))
    assert report["token_coverage"] == pytest.approx(sum(int(counts_V[i]) for i in have) / n_tokens)
    lost = [entry["token"] for entry in report["not_found"]]
    assert lost[0] == " woman" or counts_V[spellings(tokenizer).index(lost[0])] >= counts_V.min()
    assert not set(lost) & set(found)


@pytest.mark.parametrize(
    ("kind", "fix"), [("bpe", "--tokenizer.kind=word"), ("wordpiece", "--tokenizer.kind=word"),
                      ("character", "--tokenizer.kind=word"), ("word", "--tokenizer.vocabulary_size")],
)  # fmt: skip
def test_too_little_coverage_is_refused_with_what_to_type(tokenizers, source, kind, fix):
    report = matched(tokenizers[kind], source)[1]
    assert report["coverage"] < 0.9
    with pytest.raises(DataError) as caught:
        check_coverage(report, EmbeddingsConfig(source=source, least_coverage=0.9), tokenizers[kind])
    assert fix in caught.value.fix and "--embeddings.source=corpus" in caught.value.fix
    assert repr(report["not_found"][0]["token"]) in caught.value.why
    offered = float(caught.value.fix.split("--embeddings.least_coverage=")[1].split()[0])
    check_coverage(report, EmbeddingsConfig(source=source, least_coverage=offered), tokenizers[kind])


def test_real_vectors_cover_the_common_words(tokenizers, real):
    found, report, _ = matched(tokenizers["word"], str(real / "glove.twitter.25d.top12k.txt"))
    assert np.allclose(found[" the"][:3], [-0.010167, 0.020194, 0.21473])
    assert report["coverage"] > 0.8 and report["width"] == 25


def test_of_vectors_from_the_own_text_the_share_of_the_text_counts(tokenizers):
    """Of a BPE's 256 bytes most never occur: that a vocabulary is full of them is no fault of the vectors."""
    report = {"coverage": 0.1, "token_coverage": 0.99, "types": 10, "types_found": 1, "not_found": [{"token": "x"}]}
    check_coverage(report, EmbeddingsConfig(source="corpus"), tokenizers["bpe"])
    with pytest.raises(DataError):
        check_coverage(report, EmbeddingsConfig(source="words.txt"), tokenizers["bpe"])
    with pytest.raises(DataError) as caught:
        check_coverage(report | {"token_coverage": 0.4}, EmbeddingsConfig(source="corpus"), tokenizers["bpe"])
    assert "--embeddings.skip_gram.min_count=1" in caught.value.fix
