"""Every kind: round trips, special tokens out of reach, the bytes table exact, the same files from the same text."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from idiolect.errors import DataError, RecipeError
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import Tokenizer
from tests.tokenizer.tokenizer_samples import LOSSLESS, LOSSY, TEXTS, WILD, made, name, plain_ids_only


@pytest.mark.parametrize("options", LOSSLESS, ids=name)
def test_lossless_kinds_give_back_any_text_and_any_bytes(options):
    tokenizer = made(options)
    assert tokenizer.lossless and tokenizer.loss_note == ""
    for text in WILD + TEXTS[:3]:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.bytes_per_token[ids].sum() == len(text.encode())
        assert plain_ids_only(tokenizer, ids)
    random = np.random.default_rng(0)
    for data in [bytes(range(256)), b"\xff\xfe\x80abc\xc3", b"\xe6\x97", *(random.bytes(n) for n in (1, 7, 1000))]:
        ids = tokenizer.encode_bytes(data)
        assert tokenizer.decode_bytes(ids) == data
        assert tokenizer.bytes_per_token[ids].sum() == len(data)
        assert plain_ids_only(tokenizer, ids)


@pytest.mark.parametrize("options", LOSSLESS, ids=name)
@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_lossless_kinds_give_back_drawn_text(options, text):
    tokenizer = made(options)
    ids = tokenizer.encode(text)
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert tokenizer.bytes_per_token[ids].sum() == len(text.encode())


@pytest.mark.parametrize("options", LOSSY, ids=name)
def test_lossy_kinds_say_so_and_never_yield_special_ids(options):
    tokenizer = made(options)
    assert not tokenizer.lossless and tokenizer.loss_note
    for text in WILD + TEXTS[:3]:
        ids = tokenizer.encode(text)
        assert plain_ids_only(tokenizer, ids)
        tokenizer.decode(ids)
        assert tokenizer.bytes_per_token[list(tokenizer.special_ids.values())].sum() == 0


def test_what_lossy_kinds_lose_is_what_they_say():
    assert made(LOSSY[0]).decode(made(LOSSY[0]).encode("The q\u00fcat")) == "The \ufffd\ufffdat"
    word = made(LOSSY[1])
    assert word.decode(word.encode("The cat sat on the dog")) == "The cat sat on the\ufffd"
    piece = made(LOSSY[2])
    assert piece.decode(piece.encode("The  cat\n sat .")) == "The cat sat."
    folded = made(LOSSY[4])
    assert folded.decode(folded.encode("\ufb01 The E\u0301")) == "fi the \u00e9"


def test_special_tokens_are_reached_by_id_only():
    for options in LOSSLESS + LOSSY:
        tokenizer = made(options)
        names = {"<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>"}
        assert names <= set(tokenizer.special_ids)
        assert len(set(tokenizer.special_ids.values())) == len(tokenizer.special_ids)
        assert tokenizer.token(tokenizer.end_id) == "<|end|>"
        assert tokenizer.decode([tokenizer.end_id, tokenizer.pad_id]) == ""


def test_a_special_name_repeated_in_the_training_text_is_still_out_of_reach():
    texts = ["<|end|> " * 500 + "<|tool|>" * 500] * 3
    for kind in ("bpe", "unigram", "word", "wordpiece", "character"):
        tokenizer = build(TokenizerConfig(kind=kind, vocabulary_size=400, extra_specials=["<|tool|>"]), texts)
        assert plain_ids_only(tokenizer, tokenizer.encode(texts[0]))


def test_saved_and_loaded_is_the_same(tmp_path):
    for i, options in enumerate(LOSSLESS + LOSSY):
        tokenizer = made(options)
        tokenizer.save(tmp_path / str(i))
        again = Tokenizer.load(tmp_path / str(i))
        assert again.hash == tokenizer.hash
        for text in WILD:
            assert np.array_equal(again.encode(text), tokenizer.encode(text))
    assert sorted(p.name for p in (tmp_path / "0").iterdir()) == ["idiolect.json", "tokenizer.json"]


_HASHES = """
import sys
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
text = open(sys.argv[1], encoding="utf-8").read().split("\\n\\n")
from tests.tokenizer.tokenizer_samples import TEXTS
print("tied", build(TokenizerConfig(kind="wordpiece", vocabulary_size=120), TEXTS).hash)
for kind in ("bpe", "unigram", "wordpiece", "word", "character", "byte"):
    print(kind, build(TokenizerConfig(kind=kind, vocabulary_size=700), text).hash)
"""


def test_the_same_text_gives_the_same_file_in_every_process(tmp_path):
    words = np.random.default_rng(1)
    vocabulary = ["".join(words.choice(list("etaoinshrdlu"), words.integers(2, 9))) for _ in range(800)]
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(" ".join(words.choice(vocabulary, 40)) for _ in range(150)), encoding="utf-8")
    runs = [
        subprocess.run(
            [sys.executable, "-c", _HASHES, str(path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(3)
    ]
    assert runs[0].count("\n") == 7 and len(set(runs)) == 1


def test_broken_files_are_named(tmp_path):
    made(LOSSLESS[0]).save(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match=r"tokenizer\.json can't be read"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json is missing"):
        Tokenizer.load(tmp_path)
    (tmp_path / "idiolect.json").unlink()
    with pytest.raises(DataError, match=r"idiolect\.json is missing"):
        Tokenizer.load(tmp_path)


def test_impossible_requests_say_what_to_type():
    with pytest.raises(RecipeError, match="too small") as error:
        build(TokenizerConfig(kind="bpe", vocabulary_size=100), TEXTS)
    assert "--tokenizer.vocabulary_size=261" in str(error.value)
    with pytest.raises(DataError, match="no text"):
        build(TokenizerConfig(kind="bpe"), [])
    with pytest.raises(RecipeError, match=r"needs tokenizer\.path"):
        TokenizerConfig(kind="file")
    with pytest.raises(RecipeError, match="twice"):
        TokenizerConfig(extra_specials=["<|end|>"])
    with pytest.raises(ValueError):
        TokenizerConfig(extra_specials=["end"])


def test_lone_surrogates_are_refused_or_kept_as_bytes():
    tokenizer = made(LOSSLESS[1])
    assert tokenizer.decode_bytes(tokenizer.encode("a\udc80b")) == b"a\x80b"
    for options, text in ((LOSSLESS[1], "a\ud800"), (LOSSY[1], "a\udc80")):
        with pytest.raises(DataError, match="no character"):
            made(options).encode(text)


def test_sampling_depends_on_content_not_on_order():
    texts = [f"document number {i} " * 20 for i in range(300)]
    small = TokenizerConfig(kind="word", vocabulary_size=100_000, min_frequency=1, sample_mb=1)
    big = ["y" * 5000 + str(i) for i in range(400)]
    first = build(small, [*texts, *big]).hash
    assert build(small, [*reversed(big), *texts]).hash == first
    assert build(small, texts).hash != first


def test_decoding_a_foreign_id_names_it():
    with pytest.raises(DataError, match="token id 999999"):
        made(LOSSLESS[0]).decode([999_999])


def test_words_between_spaces_are_tokens_and_so_are_line_ends():
    text = ' = Title = \n \n He said , " I \'m <unk> @-@ here . " \n end'
    config = TokenizerConfig(kind="word", words="spaces", min_frequency=1, chat_tokens=False)
    built = build(config, [text])
    ids = built.encode(text)
    # As WikiText counts: what str.split gives, and one <eos> a line.
    assert len(ids) == len(text.split()) + text.count("\n")
    assert built.decode(ids) == text
    assert built.encode(" He he\n").tolist()[1] == built.unknown_id


def test_the_cut_at_spaces_agrees_with_the_library():
    text = "  two  spaces \n\n a\tb \u00e9\u00a0x \n"
    built = build(TokenizerConfig(kind="word", words="spaces", min_frequency=1), [text])
    library = LibraryTokenizer.from_str(built.parts()[0])
    assert built.encode(text).tolist() == library.encode(text, add_special_tokens=False).ids
    assert built.decode(built.encode(text)) == text


def test_the_cut_at_spaces_is_for_words_only():
    with pytest.raises(RecipeError, match="words"):
        TokenizerConfig(kind="bpe", words="spaces")
