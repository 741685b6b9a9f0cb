"""Somebody else's tokenizer.json: its ids, our promises."""

import copy
import functools
import json
import random

import numpy as np
import pytest
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from idiolect.errors import DataError
from idiolect.tokenizer import engines
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import Tokenizer
from tests.tokenizer.tokenizer_samples import LOSSLESS, TEXTS, WILD, made, plain_ids_only


def gpt2_like(path, specials=("<|endoftext|>",)):
    library = LibraryTokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=list(specials), show_progress=False
    )
    library.train_from_iterator(TEXTS, trainer)
    library.post_processor = processors.TemplateProcessing(
        single=f"{specials[0]} $A", special_tokens=[(specials[0], 0)]
    )
    library.enable_truncation(8)
    library.enable_padding(length=16)
    library.save(str(path))
    return library


def sentencepiece_like(path):
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), ("\u2581the", -3.0)]
    pieces += [(c, -5.0) for c in "abcdefghijklmnopqrstuvwxyz<>/|."]
    library = LibraryTokenizer(models.Unigram(pieces, 2, False))
    library.normalizer = normalizers.NFKC()
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    library.decoder = decoders.Metaspace()
    library.add_special_tokens(["<pad>", "</s>", "<unk>"])
    library.save(str(path))


def loaded(path, **options) -> Tokenizer:
    return build(TokenizerConfig(kind="file", path=str(path), **options), iter(()))


def test_a_byte_level_file_keeps_its_ids_and_loses_nothing(tmp_path):
    library = gpt2_like(tmp_path / "tokenizer.json")
    tokenizer = loaded(tmp_path / "tokenizer.json")
    library.no_truncation()
    library.no_padding()
    library.encode_special_tokens = True
    assert tokenizer.lossless and tokenizer.token(tokenizer.end_id) == "<|endoftext|>" and tokenizer.end_id == 0
    n = library.get_vocab_size()
    assert tokenizer.pad_id == n and tokenizer.vocabulary_size == n + 1
    assert engines.fast_engine(tokenizer.parts()[0]) is not None
    for text in [*WILD, *TEXTS[:3], "a<|endoftext|>b"]:
        ids = tokenizer.encode(text)
        assert ids.tolist() == library.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text and plain_ids_only(tokenizer, ids)
        assert tokenizer.bytes_per_token[ids].sum() == len(text.encode())


def test_our_own_file_loads_as_it_was(tmp_path):
    mine = made(LOSSLESS[1])
    mine.save(tmp_path)
    again = loaded(tmp_path / "tokenizer.json")
    assert (again.end_id, again.pad_id, again.vocabulary_size) == (mine.end_id, mine.pad_id, mine.vocabulary_size)
    for text in WILD:
        assert np.array_equal(again.encode(text), mine.encode(text))


def test_pieces_spelled_like_special_tokens_are_cut(tmp_path):
    """A sentencepiece vocabulary holds "</s>" as a piece: the text "</s>" would end the document."""
    sentencepiece_like(tmp_path / "t5.json")
    raw = LibraryTokenizer.from_file(str(tmp_path / "t5.json"))
    raw.encode_special_tokens = True
    assert 1 in raw.encode("a</s>b", add_special_tokens=False).ids  # the control: the library alone yields it
    tokenizer = loaded(tmp_path / "t5.json")
    assert tokenizer.end_id == 1 and tokenizer.pad_id == 0 and tokenizer.unknown_id == 2
    assert not tokenizer.lossless and "white space" in tokenizer.loss_note
    for text in ("a</s>b", "</s>", "<pad></s></s>", "the </s"):
        assert plain_ids_only(tokenizer, tokenizer.encode(text))
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"


def test_the_end_token_can_be_named(tmp_path):
    library = gpt2_like(tmp_path / "t.json", specials=("<|im_start|>", "<|stop|>"))
    assert loaded(tmp_path / "t.json", end_token="<|stop|>").end_id == 1
    added = loaded(tmp_path / "t.json")
    assert added.token(added.end_id) == "<|end|>" and added.end_id == library.get_vocab_size()
    with pytest.raises(DataError, match="has no token"):
        loaded(tmp_path / "t.json", end_token="<|nothing|>")


def test_dropout_is_switched_off(tmp_path):
    gpt2_like(tmp_path / "t.json")
    described = json.loads((tmp_path / "t.json").read_text())
    described["model"]["dropout"] = 0.5
    (tmp_path / "t.json").write_text(json.dumps(described))
    tokenizer = loaded(tmp_path / "t.json")
    assert len({tuple(loaded(tmp_path / "t.json").encode(TEXTS[0])) for _ in range(5)}) == 1 and tokenizer.lossless


def test_what_is_no_tokenizer_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(DataError, match="can't be loaded"):
        loaded(path)
    for content in ("", "[]", "{}", '{"model": {"type": "BPE"}}', "[" * 100_000, '{"model": 3}'):
        path.write_text(content)
        with pytest.raises(DataError, match=r"x\.json can't be loaded") as error:
            loaded(path)
        assert error.value.fix


SPOILT = [None, 5, -1, 1e12, "x", [], {}, [5], {"a": 1}, True, "<|end|>", 2**40]


def places(value, at=()):
    """Every path into a JSON value; of long tables the first entries."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value))[:8]:
        yield (*at, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*at, key))


def test_spoilt_files_work_or_are_data_errors(tmp_path):
    choose, path, refused = random.Random(1), tmp_path / "tokenizer.json", 0
    whole = [
        json.loads(made({"kind": kind, "vocabulary_size": 400}).parts()[0]) for kind in ("bpe", "unigram", "wordpiece")
    ]
    for _ in range(300):
        described = copy.deepcopy(choose.choice(whole))
        *way, last = choose.choice(list(places(described)))
        inner = functools.reduce(lambda value, key: value[key], way, described)
        if isinstance(inner, dict) and choose.random() < 0.3:
            del inner[last]
        else:
            inner[last] = choose.choice(SPOILT)
        path.write_text(json.dumps(described))
        try:
            tokenizer = loaded(path)
            tokenizer.decode(tokenizer.encode("the cat <|end|> ünï"))
        except DataError as error:
            refused += bool(error.why and error.fix)
    assert refused > 100
