"""Where words begin, by hand, for every kind of tokenizer."""

import numpy as np
import pytest

from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import Tokenizer
from idiolect.tokenizer.word_starts import WordStarts

TEXT = "The unable tablets, at 1234 Main St. don't go\nnaïve café!"
TEXTS = [TEXT, "unable tables able tablet The St Main go naïve café 12 34 at to don't\n"] * 4
KINDS = {
    "bpe": TokenizerConfig(kind="bpe", vocabulary_size=300),
    "bpe, single digits": TokenizerConfig(kind="bpe", vocabulary_size=300, split_digits=True),
    "unigram": TokenizerConfig(kind="unigram", vocabulary_size=300),
    "word": TokenizerConfig(kind="word", vocabulary_size=100),
    "wordpiece": TokenizerConfig(kind="wordpiece", vocabulary_size=200),
    "character": TokenizerConfig(kind="character", vocabulary_size=100),
    "byte": TokenizerConfig(kind="byte"),
}
# What stands in a word together; spaces belong to the word behind them, or to none.
WORDS = ["The", "unable", "tablets", ",", "at", "1234", "Main", "St", ".", "don", "'", "t", "go", "naïve", "café", "!"]


def words_of(tokenizer: Tokenizer, text: str) -> list[str]:
    ids = tokenizer.encode(text)
    begins = WordStarts(tokenizer).of(ids[None])[0]
    groups = np.split(ids, np.flatnonzero(begins)[1:])
    return [word for word in (tokenizer.decode(group).strip() for group in groups) if word]


@pytest.mark.parametrize("name", KINDS)
def test_words_of_a_sentence(name):
    tokenizer = build(KINDS[name], iter(TEXTS))
    # Where a token holds 't, no place in it can be told from another; a token of its own, the t is another kind.
    apart = name in ("character", "byte", "wordpiece")
    expected = WORDS if apart else [*WORDS[:10], "'t", *WORDS[12:]]
    assert words_of(tokenizer, TEXT) == expected


def test_a_words_first_token_is_the_only_start_in_it():
    tokenizer = build(KINDS["byte"], iter(TEXTS))
    ids = tokenizer.encode("ab café  x\n\n7é")
    begins = WordStarts(tokenizer).of(ids[None])[0]
    #                  a  b  _  c  a  f  é1 é2 _  _  x  \n \n 7  é1 é2
    assert begins.tolist() == [bool(x) for x in (1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0)]


def test_special_tokens_stand_by_themselves_and_rows_begin_words():
    tokenizer = build(KINDS["wordpiece"], iter(TEXTS))
    table = [i for i in range(tokenizer.vocabulary_size) if tokenizer.token(i).startswith("##")]
    ids = np.array([[table[0], table[1], tokenizer.end_id, table[0], table[1]]])
    assert WordStarts(tokenizer).of(ids).tolist() == [[True, False, True, True, False]]


def test_a_loaded_wordpiece_file_is_understood(tmp_path):
    built = build(KINDS["wordpiece"], iter(TEXTS))
    built.save(tmp_path)
    loaded = build(TokenizerConfig(kind="file", path=str(tmp_path / "tokenizer.json"), end_token="<|end|>"), iter(()))
    ids = loaded.encode("tabletable goat, Maine")[None]
    assert np.array_equal(WordStarts(loaded).of(ids), WordStarts(built).of(ids))
    assert not WordStarts(loaded).of(ids).all()
