"""Every parameter starts from its seed alone, and the model starts knowing nothing."""

import math

import pytest
import torch
import torch.nn.functional as F

from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.models.initialise import gpt_table, initialise
from tests.models.settings import SMALL, VARIANTS, V
from tests.models.toys import draw_tokens


def test_the_global_random_state_is_neither_read_nor_moved():
    config = VARIANTS["values everywhere"]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_model(config, V, 5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = build_model(config, V, 5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build_model(config, V, 6).state_dict()
    assert not torch.equal(first["embed.weight"], other["embed.weight"])


def test_another_layer_leaves_the_others_start_alone():
    short, long = (build_model(GPTConfig(**SMALL | dict(n_layers=n)), V, 0).state_dict() for n in (2, 3))
    assert all(torch.equal(short[name], long[name]) for name in short)


@pytest.mark.parametrize("name", VARIANTS)
def test_initial_loss_is_about_ln_v(name):
    config = VARIANTS[name].model_copy(update=dict(init_std=0.02))
    model = build_model(config, 101, 0).eval()
    tokens = draw_tokens(8, 24, 101)
    logits = model.head(model(tokens)[0])
    nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).item()
    assert nats == pytest.approx(math.log(101), abs=0.12)


def test_every_parameter_is_filled_and_spread_as_the_table_says():
    config = GPTConfig(context_length=64, n_layers=4, d_model=128, n_heads=4, zero_init_projections=False,
                       positions="learned", ngram_orders=(2,), ngram_buckets=50)  # fmt: skip
    model = build_model(config, 300, 0)
    weights = dict(model.named_parameters())
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    assert weights["blocks.1.attention.qkv.weight"].std().item() == pytest.approx(0.02, rel=0.03)
    assert weights["blocks.1.mlp.down.weight"].std().item() == pytest.approx(0.02 / math.sqrt(8), rel=0.03)
    assert (weights["final_norm.weight"] == 1).all()
    assert (weights["ngrams.tables.2.weight"] == 0).all()
    zeroed = dict(build_model(GPTConfig(**SMALL), V, 0).named_parameters())
    assert (zeroed["blocks.0.attention.out.weight"] == 0).all() and (zeroed["blocks.2.mlp.down.weight"] == 0).all()


def test_a_start_by_fan_in():
    config = GPTConfig(
        context_length=16, n_layers=2, d_model=128, n_heads=4, matrix_init="fan_in", embedding_std=1.0,
        tied_head=False, zero_init_head=True, ngram_head_orders=(1, 2), ngram_head_buckets=50,
    )  # fmt: skip
    weights = dict(build_model(config, 300, 0).named_parameters())
    for name in ("attention.qkv", "mlp.up"):
        weight = weights[f"blocks.1.{name}.weight"]
        assert weight.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.01)
        assert weight.abs().max().item() == pytest.approx(math.sqrt(3 / 128), rel=0.01)
    assert weights["embed.weight"].std().item() == pytest.approx(1.0, rel=0.02)
    assert all((weights[name] == 0).all() for name in weights if name.startswith(("unembed", "to_logits")))
    # Another matrix by its own columns, and the smaller for the branches it adds to.
    config = GPTConfig(**SMALL, matrix_init="fan_in", zero_init_projections=False)
    wide = dict(build_model(config, V, 0).named_parameters())
    assert wide["blocks.0.mlp.down.weight"].std().item() == pytest.approx(1 / math.sqrt(128 * 6), rel=0.03)


def test_a_parameter_without_a_row_is_refused():
    model = build_model(GPTConfig(**SMALL), V, 0)
    model.register_parameter("strange", torch.nn.Parameter(torch.empty(3)))
    with pytest.raises(KeyError, match="strange"):
        initialise(model, gpt_table(model.config), 0)
