"""The fast encoders against the library's own on the same tokenizer.json, id by id."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from idiolect.tokenizer import engines
from idiolect.tokenizer.words import gpt2_pre_tokenizer, word_cutter
from tests.tokenizer.tokenizer_samples import LOSSLESS, LOSSY, TEXTS, WILD, made, name

ALL = LOSSLESS + LOSSY
_CHARACTERS = st.one_of(st.sampled_from(" \n\t'sdltm019aZ_-<|>\x1c\x85\u3000\u00e9"), st.characters(codec="utf-8"))


def library_ids(tokenizer, text):
    library = LibraryTokenizer.from_str(tokenizer.parts()[0])
    library.encode_special_tokens = True
    return library.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("options", ALL, ids=name)
def test_equal_to_the_library(options):
    tokenizer = made(options)
    for text in WILD + TEXTS[:3]:
        assert tokenizer.encode(text).tolist() == library_ids(tokenizer, text), text


@pytest.mark.parametrize("options", ALL, ids=name)
@settings(max_examples=40, deadline=None)
@given(st.text(_CHARACTERS, max_size=40))
def test_equal_to_the_library_on_drawn_text(options, text):
    tokenizer = made(options)
    assert tokenizer.encode(text).tolist() == library_ids(tokenizer, text)


@pytest.mark.parametrize("split_digits", [False, True])
def test_the_cut_is_the_library_s_for_every_code_point(split_digits):
    cut, library = word_cutter(split_digits), gpt2_pre_tokenizer(split_digits)
    # The two ideographic and the syllabic blocks are uniform: one in 97 of what lies above the first 12,288.
    mixed = (range(0x3000), range(0xA000, 0xAC00), range(0xF900, 0x13000))
    code_points = sorted({*range(0, 0x40000, 97), *(c for block in mixed for c in block)} - {*range(0xD800, 0xE000)})
    # In every neighbourhood the pattern knows: letter, space, digit, the character twice.
    text = "".join(f"a{chr(c)}b {chr(c)}  {chr(c)}{chr(c)}1 " for c in code_points)
    ours = np.cumsum([len(word) for word in cut(text)])
    theirs = [end for _, (_, end) in library.pre_tokenize_str(text)]
    assert ours.tolist() == theirs
    assert "".join(cut(text)) == text


def test_the_word_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(engines, "_CACHED_WORDS", 10)
    words = engines._Words(lambda word: [len(word)])
    for n in range(100):
        assert words[f"w{n}"] == [len(f"w{n}")]
        assert len(words) <= 10
    assert words["x" * 1000] == [1000] and "x" * 1000 not in words


@pytest.mark.parametrize("unit", ["a", "_", " ", "\U0001f600", "7", "ab "])
def test_time_grows_with_length_only(unit):
    import time

    for options in (LOSSLESS[1], LOSSLESS[3]):
        tokenizer, seconds = made(options), []
        for n in (20_000, 200_000):
            began = time.process_time()
            tokenizer.encode(unit * n)
            seconds.append(time.process_time() - began)
        assert seconds[1] < 30 * seconds[0] + 0.2
