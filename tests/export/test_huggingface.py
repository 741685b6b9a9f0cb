"""What an export refuses, what it leaves behind, and that stock code writes the same text from it."""

import json

import pytest
import torch

from idiolect.errors import DataError, NumericsError, RecipeError, ResourceError, UnsafeError
from idiolect.export import check, huggingface
from idiolect.export.huggingface import export, from_huggingface
from idiolect.export.stock import stock_transformers
from idiolect.generate import GenerateConfig
from idiolect.generate.decode import generate
from idiolect.models.config import GPTConfig, gpt2_like, llama_like
from idiolect.rundir import verify_folder
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

pytest.importorskip("transformers")

SIZES = dict(context_length=64, n_layers=2, d_model=32, n_heads=4)
LLAMA = llama_like(**SIZES, n_kv_heads=2)


def test_stock_code_continues_a_prompt_as_we_do(tmp_path, lively, bpe):
    model = lively(LLAMA, bpe.vocabulary_size)
    export(model, LLAMA, bpe, tmp_path / "out")
    ours = generate(model, bpe, ["The quick"], GenerateConfig(greedy=True, max_tokens=40, stop_at_end=False))[0]
    with stock_transformers() as transformers:
        stock = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
        ids = tokenizer("The quick", return_tensors="pt")
        forbidden = sorted(bpe.special_ids.values())
        text_ids = stock.generate(**ids, max_new_tokens=40, do_sample=False, suppress_tokens=forbidden)[0]
    assert text_ids.tolist()[ids["input_ids"].shape[1] :] == ours.token_ids
    assert tokenizer.decode(text_ids) == "The quick" + ours.text


KINDS = [
    TokenizerConfig(vocabulary_size=400, split_digits=True),
    TokenizerConfig(kind="unigram", vocabulary_size=400),
    TokenizerConfig(kind="wordpiece", vocabulary_size=200),
    TokenizerConfig(kind="word", vocabulary_size=200),
    TokenizerConfig(kind="character", vocabulary_size=500),
    TokenizerConfig(kind="character", vocabulary_size=500, byte_fallback=True),
    TokenizerConfig(kind="byte"),
    TokenizerConfig(vocabulary_size=400, normalise="nfkc", lower_case=True),
]


@pytest.mark.parametrize("config", KINDS, ids=lambda c: f"{c.kind}-{c.normalise}-{c.byte_fallback}")
def test_every_kind_of_tokenizer_reads_alike_in_stock_code(config, tmp_path, lively, texts):
    tokenizer = build(config, iter(texts))
    figures = export(lively(LLAMA, tokenizer.vocabulary_size), LLAMA, tokenizer, tmp_path / "out", texts=texts[:4])
    assert figures["n_texts"] == len(check.WILD_TEXTS) + 4 and figures["n_tokens"] > 300
    if not tokenizer.lossless:
        assert "loses something" in (tmp_path / "out" / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (dict(), ["model.mlp = relu2", "--model.mlp=swiglu"]),
        (dict(ngram_orders=(2, 3), mlp="swiglu"), ["model.ngram_orders = [2,3]", "--model.ngram_orders=[]"]),
        (
            dict(mlp="swiglu", logit_softcap=30.0, value_embeddings="all", embedding_norm=True),
            ["model.logit_softcap", "model.value_embeddings", "--model.embedding_norm=false"],
        ),
        (dict(norm="layer", positions="learned", mlp="gelu", qk_norm=True), ["model.qk_norm = true", "qk_norm=false"]),
    ],
)
def test_settings_that_stock_code_cannot_express_are_each_named(changes, named, tmp_path, lively, bpe):
    config = GPTConfig(**SIZES, **changes)
    with pytest.raises(RecipeError) as refused:
        export(lively(config, bpe.vocabulary_size), config, bpe, tmp_path / "out")
    assert all(words in str(refused.value) for words in named)
    assert not any(tmp_path.iterdir())


def test_weights_that_differ_leave_no_folder(tmp_path, lively, bpe, monkeypatch):
    model = lively(LLAMA, bpe.vocabulary_size)
    write = huggingface.save_file

    def one_number_off(tensors, path, metadata):
        tensors["model.norm.weight"][0] += 0.01
        write(tensors, path, metadata=metadata)

    monkeypatch.setattr(huggingface, "save_file", one_number_off)
    with pytest.raises(NumericsError, match="differ from ours"):
        export(model, LLAMA, bpe, tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_missing_tensor_is_named(tmp_path, lively, bpe, monkeypatch):
    write = huggingface.save_file

    def one_short(tensors, path, metadata):
        del tensors["model.layers.1.mlp.up_proj.weight"]
        write(tensors, path, metadata=metadata)

    monkeypatch.setattr(huggingface, "save_file", one_short)
    with pytest.raises(NumericsError, match="up_proj"):
        export(lively(LLAMA, bpe.vocabulary_size), LLAMA, bpe, tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_tokenizer_that_differs_leaves_no_folder(tmp_path, lively, bpe, texts, monkeypatch):
    other = build(TokenizerConfig(vocabulary_size=300), iter(texts))
    monkeypatch.setattr(bpe, "save", other.save)
    with pytest.raises(DataError, match="token ids differ"):
        export(lively(LLAMA, bpe.vocabulary_size), LLAMA, bpe, tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_folder_of_something_else_is_never_replaced_and_an_earlier_export_is(tmp_path, lively, bpe):
    model = lively(LLAMA, bpe.vocabulary_size)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(RecipeError, match="not an earlier export"):
        export(model, LLAMA, bpe, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"
    export(model, LLAMA, bpe, tmp_path / "out")
    export(model, LLAMA, bpe, tmp_path / "out", lineage={"name": "Second"})
    assert "# Second" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_the_folder_is_whole_and_tells_nothing_of_this_machine(tmp_path, lively, bpe):
    export(lively(gpt2_like(**SIZES), bpe.vocabulary_size), gpt2_like(**SIZES), bpe, tmp_path / "out")
    verify_folder(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "idiolect.json", "README.md", "manifest.json",
    }  # fmt: skip
    for name in names - {"model.safetensors"}:
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text("utf-8")


def test_the_model_and_the_random_state_are_left_as_they_were(tmp_path, lively, bpe):
    model = lively(LLAMA, bpe.vocabulary_size).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    export(model, LLAMA, bpe, tmp_path / "out")
    assert model.training and all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def stock_folder(path, **settings):
    with stock_transformers() as transformers:
        base = dict(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
        transformers.LlamaForCausalLM(transformers.LlamaConfig(**(base | settings))).save_pretrained(path)
    return path


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict(hidden_act="relu"), "hidden_act"),
        (dict(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}), "rope_parameters"),
    ],
)
def test_a_stock_model_we_cannot_express_is_refused(settings, named, tmp_path):
    with pytest.raises(RecipeError, match=named):
        from_huggingface(stock_folder(tmp_path / "stock", **settings))


@pytest.mark.parametrize(
    "changes", [{"hidden_size": 10**12}, {"num_hidden_layers": -3}, {"vocab_size": -1}, {"num_attention_heads": "x"}]
)
def test_a_config_that_no_model_has_is_a_data_error(changes, tmp_path):
    folder = stock_folder(tmp_path / "stock")
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(described | changes))
    with pytest.raises(DataError, match="config.json describes no model") as caught:
        from_huggingface(folder)
    assert caught.value.why


def test_a_vocabulary_beyond_all_memory_is_refused_before_it_is_allocated(tmp_path):
    folder = stock_folder(tmp_path / "stock")
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(described | {"vocab_size": 10**12}))
    with pytest.raises(ResourceError, match="does not fit this machine"):
        from_huggingface(folder)


def test_another_architecture_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(RecipeError, match="mamba"):
        from_huggingface(tmp_path)


def test_pickled_weights_are_never_opened(tmp_path):
    folder = stock_folder(tmp_path / "stock")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeError, match="pickle"):
        from_huggingface(folder)


def test_an_index_cannot_point_elsewhere(tmp_path):
    folder = stock_folder(tmp_path / "stock")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    with pytest.raises(UnsafeError, match="outside"):
        from_huggingface(folder)


def test_broken_weights_are_a_data_error(tmp_path):
    folder = stock_folder(tmp_path / "stock")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="can't be read"):
        from_huggingface(folder)


def test_without_transformers_the_line_to_type_is_given(tmp_path, lively, bpe, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(RecipeError) as missing:
        export(lively(LLAMA, bpe.vocabulary_size), LLAMA, bpe, tmp_path / "out")
    assert 'pip install "idiolect[export]"' in str(missing.value)
