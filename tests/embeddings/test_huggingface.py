"""The input embedding of a Hugging Face folder: every number type, shards, damage, pickles."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from idiolect.embeddings.huggingface import read_folder
from idiolect.embeddings.match import spellings
from idiolect.errors import DataError, UnsafeError

WANTED = {" king", " queen", "ing", " nothing"}


def write_folder(folder, tokenizer, name="model.embed_tokens.weight", dtype=torch.float32, **more):
    """A folder as transformers writes it: the embedding beside another tensor, and the tokenizer."""
    folder.mkdir(exist_ok=True)
    tokenizer.save(folder)
    generator = torch.Generator().manual_seed(0)
    table_VD = torch.randn(tokenizer.vocabulary_size, 6, generator=generator).to(dtype)
    save_file({"lm_head.weight": torch.zeros(3, 3), name: table_VD, **more}, folder / "model.safetensors")
    return table_VD


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_the_rows_are_those_that_torch_reads(tmp_path, tokenizers, dtype):
    tokenizer = tokenizers["word"]
    table_VD = write_folder(tmp_path, tokenizer, dtype=dtype)
    found = read_folder(tmp_path, WANTED, spellings)
    assert set(found.words) == {" king", " queen"}
    texts = spellings(tokenizer)
    for word, row in zip(found.words, found.vectors_NW, strict=True):
        np.testing.assert_array_equal(row, table_VD[texts.index(word)].float().numpy())


@pytest.mark.parametrize(
    "name",
    ["transformer.wte.weight", "wte.weight", "bert.embeddings.word_embeddings.weight", "shared.weight",
     "model.embeddings.tok_embeddings.weight", "gpt_neox.embed_in.weight", "embed.weight"],
)  # fmt: skip
def test_the_embedding_is_found_by_its_usual_names(tmp_path, tokenizers, name):
    write_folder(tmp_path, tokenizers["bpe"], name=name)
    assert read_folder(tmp_path, {" king"}, spellings).vectors_NW.shape == (1, 6)


def test_a_model_in_several_files_is_read_by_its_index(tmp_path, tokenizers):
    write_folder(tmp_path, tokenizers["word"])
    (tmp_path / "model.safetensors").rename(tmp_path / "model-00001-of-00002.safetensors")
    save_file({"other": torch.zeros(2)}, tmp_path / "model-00002-of-00002.safetensors")
    placed = {
        "other": "model-00002-of-00002.safetensors",
        "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
    }
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    assert len(read_folder(tmp_path, WANTED, spellings).words) == 2


def test_an_index_does_not_lead_out_of_its_folder(tmp_path, tokenizers):
    write_folder(tmp_path / "outside", tokenizers["word"])
    write_folder(tmp_path / "inside", tokenizers["word"])
    (tmp_path / "inside/model.safetensors").unlink()
    placed = {"model.embed_tokens.weight": "../outside/model.safetensors"}
    (tmp_path / "inside/model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    with pytest.raises(DataError):
        read_folder(tmp_path / "inside", WANTED, spellings)


@pytest.mark.parametrize("index", ["{}", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "{", ""])
def test_a_broken_index_is_a_data_error(tmp_path, tokenizers, index):
    write_folder(tmp_path, tokenizers["word"])
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(DataError):
        read_folder(tmp_path, WANTED, spellings)


def test_pickled_weights_are_refused(tmp_path, tokenizers):
    tokenizers["word"].save(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UnsafeError, match=".bin"):
        read_folder(tmp_path, WANTED, spellings)


def test_a_folder_without_tokenizer_or_embedding_says_what_is_missing(tmp_path, tokenizers):
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        read_folder(tmp_path, WANTED, spellings)
    write_folder(tmp_path, tokenizers["word"], name="unheard.of")
    with pytest.raises(DataError, match="no input embedding"):
        read_folder(tmp_path, WANTED, spellings)


def test_damaged_safetensors_are_data_errors(tmp_path, tokenizers):
    write_folder(tmp_path, tokenizers["word"])
    whole = (tmp_path / "model.safetensors").read_bytes()
    for data in (b"", whole[:6], whole[:-8], b"\xff" * 8 + whole[8:], (2**40).to_bytes(8, "little") + whole[8:]):
        (tmp_path / "model.safetensors").write_bytes(data)
        with pytest.raises(DataError) as caught:
            read_folder(tmp_path, WANTED, spellings)
        assert caught.value.why and caught.value.fix


def test_a_table_that_is_no_table_of_floats_is_refused(tmp_path, tokenizers):
    write_folder(tmp_path, tokenizers["word"], name="x.other", **{"wte.weight": torch.zeros(4, 5, dtype=torch.int64)})
    with pytest.raises(DataError, match="can't be read"):
        read_folder(tmp_path, WANTED, spellings)


def test_rows_beyond_the_table_and_rows_not_finite_are_passed_over(tmp_path, tokenizers):
    tokenizer = tokenizers["word"]
    texts = spellings(tokenizer)
    table = torch.ones(max(texts.index(" king"), texts.index(" queen")) + 1, 4)
    table[texts.index(" queen")] = torch.nan
    write_folder(tmp_path, tokenizer, name="x.other", **{"wte.weight": table})
    found = read_folder(tmp_path, WANTED, spellings)
    assert found.words == [" king"] and found.figures["not_finite"] == 1 and found.figures["missing"] > 0
