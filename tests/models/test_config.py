"""A wrong shape is refused by name, with values that would do."""

import re
import subprocess
import sys

import pytest

from idiolect import models
from idiolect.config_load import load
from idiolect.errors import RecipeError, ResourceError
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig, gpt2_like, llama_like

WRONG = {
    "shared heads": (dict(d_model=100, n_heads=8), ["model.d_model = 100", "model.n_heads = 8"]),
    "kv heads": (dict(n_heads=6, n_kv_heads=4), ["model.n_kv_heads = 4", "model.n_heads = 6"]),
    "odd heads": (dict(d_model=42, n_heads=6), ["model.d_model = 42", "rotary"]),
    "odd head": (dict(d_head=7), ["model.d_head = 7", "rotary"]),
    "odd width": (dict(d_model=33, n_heads=3, positions="sinusoidal"), ["model.d_model = 33"]),
    "pattern": (dict(window_pattern="SX"), ["model.window_pattern"]),
    "no pattern": (dict(window_pattern=""), ["model.window_pattern"]),
    "order 1": (dict(ngram_orders=(1, 2)), ["model.ngram_orders"]),
    "order twice": (dict(ngram_orders=(2, 2)), ["model.ngram_orders"]),
    "head order 0": (dict(ngram_head_orders=(0, 1)), ["model.ngram_head_orders"]),
    "head order twice": (dict(ngram_head_orders=(1, 1)), ["model.ngram_head_orders"]),
    "zero tied head": (dict(zero_init_head=True), ["model.zero_init_head", "model.tied_head"]),
    "order beyond context": (dict(ngram_orders=(5,), context_length=4), ["model.ngram_orders", "model.context_length"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_together(name):
    values, said = WRONG[name]
    with pytest.raises(RecipeError) as caught:
        GPTConfig(**values)
    assert all(part in caught.value.what for part in said), caught.value.what
    assert caught.value.why and caught.value.fix.startswith("--model.")


@pytest.mark.parametrize("name", [name for name in WRONG if "ngram" not in str(WRONG[name][0])])
def test_each_suggestion_works(name):
    values = WRONG[name][0]
    with pytest.raises(RecipeError) as caught:
        GPTConfig(**values)
    found = re.findall(r"--model\.(\w+)=(\w+)", caught.value.fix)
    assert found
    for key, text in found:
        value = {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)
        GPTConfig(**values | {key: value})


def test_heads_that_divide_into_odd_widths_are_never_suggested():
    for d_model in range(2, 140):
        for n_heads in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16):
            try:
                GPTConfig(d_model=d_model, n_heads=n_heads)
            except RecipeError as error:
                for key, text in re.findall(r"--model\.(d_model|n_heads|d_head)=(\d+)", error.fix):
                    GPTConfig(**dict(d_model=d_model, n_heads=n_heads) | {key: int(text)})


def test_derived_widths():
    assert GPTConfig(d_model=384).resolved_d_ff == 1536
    assert llama_like(d_model=384, n_heads=4).resolved_d_ff == 1024
    assert GPTConfig(n_layers=5, sliding_window=8, window_pattern="SSL").windows == (8, 8, 0, 8, 8)
    assert GPTConfig(n_layers=5, value_embeddings="alternate").value_embedding_layers == (0, 2, 4)
    assert GPTConfig(n_layers=4, value_embeddings="alternate").value_embedding_layers == (1, 3)
    assert gpt2_like(n_layers=2).n_layers == 2


def test_families_are_a_visible_table():
    assert models.family("gpt").config is GPTConfig
    with pytest.raises(RecipeError, match='model.kind = "gtp"'):
        models.family("gtp")
    with pytest.raises(RecipeError, match="already taken"):
        models.register("gpt", models.Family(GPTConfig, "elsewhere:GPT"))


def test_a_family_from_outside_is_built(monkeypatch):
    monkeypatch.setattr(models, "FAMILIES", dict(models.FAMILIES))
    models.register("mine", models.Family(GPTConfig, "idiolect.models.gpt:GPT"))
    config = GPTConfig(n_layers=1, d_model=16, n_heads=2).model_copy(update={"kind": "mine"})
    assert build_model(config, 10, 0).vocabulary_size == 10


def test_config_needs_no_torch():
    code = "import sys, idiolect.models, idiolect.optim; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


ABSURD = ["context_length", "n_layers", "d_model", "n_heads", "n_kv_heads", "d_head", "d_ff", "sliding_window",
          "ngram_buckets", "ngram_head_buckets", "n_experts", "experts_per_token", "expert_d_ff",
          "shared_d_ff"]  # fmt: skip


@pytest.mark.parametrize("key", ABSURD)
def test_no_size_is_without_limit(key):
    """Checked before anything is derived from it: a loop over 10**12 layers or divisors would never end."""
    whole = [name for name, info in GPTConfig.model_fields.items() if info.annotation is int]
    assert set(ABSURD) == set(whole)
    with pytest.raises(RecipeError, match=key):
        load(GPTConfig, flags=[f"{key}=1000000000000"])


def test_weights_beyond_this_machines_memory_are_refused_before_they_are_allocated():
    config = GPTConfig(d_model=2**16, n_layers=1024, n_heads=512)
    with pytest.raises(ResourceError, match="parameters does not fit this machine") as caught:
        build_model(config, 2**20, 0)
    assert "mlp" in caught.value.why and "--model.d_model" in caught.value.fix
