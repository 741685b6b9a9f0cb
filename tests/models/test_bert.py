"""BERT: everything influences everything within a document, nothing across; counted, filled and priced exactly."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from idiolect.data.batch import Batch
from idiolect.errors import RecipeError
from idiolect.models import bert, masks
from idiolect.models.build import build_model
from idiolect.models.config import BertConfig, bert_like, modernbert_like
from idiolect.models.contract import Model
from idiolect.models.initialise import initialise
from idiolect.models.measure import flops_per_token, parameters
from idiolect.optim.groups import assign_groups, fused_rows
from idiolect.train import loss
from tests.models.test_causality import T, influence, swaps
from tests.models.toys import build_open, draw_tokens

V = 37
SMALL = dict(context_length=24, n_layers=3, d_model=32, n_heads=4, init_std=0.2)
VARIANTS = {
    "default": BertConfig(**SMALL),
    "bert": bert_like(**SMALL, dropout=0.0),
    "modernbert": modernbert_like(**SMALL | {"sliding_window": 6, "d_ff": 48}),
    "rms, untied, no head bias": BertConfig(**SMALL, norm="rms", tied_head=False, head_bias=False, qk_norm=True),
    "after, rotary, gated, windows": BertConfig(**SMALL, norm_at="after", sliding_window=5, bias=True),
    "bare norms, sinusoids": BertConfig(**SMALL, norm_scale=False, positions="sinusoidal", mlp="relu2"),
    "no positions, no embedding norm": BertConfig(**SMALL, positions="none", embedding_norm=False, mlp="swiglu"),
    "before, learned, biases": BertConfig(**SMALL, positions="learned", bias=True, mlp="gelu_tanh", d_ff=40),
}
GOLDEN = {
    "bert": [4.547301, 3.942643, 3.815428, 3.567297],
    "modernbert": [4.193385, 4.084188, 3.871749, 3.652009],
    "default": [3.884061, 3.740586, 3.692888, 3.509024],
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_position_influences_every_other(name):
    for moved in (influence(VARIANTS[name]), swaps(VARIANTS[name])):
        assert (moved > 0).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_crosses_a_document_boundary(name):
    documents = [0] * 5 + [1] * 4 + [2] * 3
    same = torch.tensor(documents)[:, None] == torch.tensor(documents)
    for moved in (influence(VARIANTS[name], documents), swaps(VARIANTS[name], documents)):
        assert (moved[~same] == 0).all()
        assert (moved[same] > 0).all()


@pytest.mark.parametrize("window", [2, 3, 6])
def test_a_local_layer_sees_half_its_window_to_either_side(window):
    config = BertConfig(**SMALL | {"n_layers": 1}, sliding_window=window, window_pattern="S")
    moved = influence(config)
    band = (torch.arange(T)[:, None] - torch.arange(T)).abs() <= window // 2
    assert (moved[band] > 0).all() and (moved[~band] == 0).all()


def test_documents_are_read_as_if_alone():
    for config in (VARIANTS["default"], VARIANTS["after, rotary, gated, windows"]):
        model = build_open(config, V).eval()
        tokens = draw_tokens(1, 10, V)
        documents = torch.tensor([[0] * 4 + [1] * 6])
        with torch.no_grad():
            packed = model(tokens, document_BT=documents)[0]
            alone = model(tokens[:, :4])[0]
        torch.testing.assert_close(packed[:, :4], alone, atol=1e-5, rtol=1e-4)


# Negative controls: each fault must be seen by the measurements above.


def test_a_causal_mask_is_caught(monkeypatch):
    monkeypatch.setattr(bert, "build_surroundings", lambda window, positions, document: masks.Reach(None, True))
    assert (influence(VARIANTS["default"]).triu(1) == 0).all()


def test_open_boundaries_are_caught(monkeypatch):
    own = bert.build_surroundings
    monkeypatch.setattr(bert, "build_surroundings", lambda window, positions, document: own(window, positions, None))
    documents = [0] * 5 + [1] * 7
    same = torch.tensor(documents)[:, None] == torch.tensor(documents)
    assert influence(VARIANTS["default"], documents)[~same].sum() > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_equal_the_modules(name):
    model = build_model(VARIANTS[name], V, 0)
    assert parameters(VARIANTS[name], V)["total"] == sum(parameter.numel() for parameter in model.parameters())


def test_counts_of_a_known_model():
    """BERT base, whose 109,514,298 parameters (with its masked head, without pooler) anybody can check."""
    counted = parameters(bert_like(), 30522)["total"]
    # Ours has one token type, folded into the positions; stock BERT has two.
    assert counted + 2 * 768 == 109_514_298


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("length", [24, 10])
def test_forward_flops_equal_torchs_count(name, length):
    model = build_model(VARIANTS[name], V, 0)
    tokens = draw_tokens(2, length, V)
    backend = torch.nn.attention.SDPBackend.MATH
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(backend), torch.no_grad():
        model.head(model(tokens)[0])
    assert counter.get_total_flops() == flops_per_token(VARIANTS[name], V, length)["forward"] * tokens.numel()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_contract_is_kept(name):
    model = build_open(VARIANTS[name], V).eval()
    assert isinstance(model, Model) and model.reads == "both" and model.mask_id == V - 1
    hidden, cache = model(draw_tokens(2, 9, V))
    assert cache is None
    assert hidden.shape[-1] == model.head_weight.shape[1]
    torch.testing.assert_close(model.head(hidden), hidden @ model.head_weight.T, atol=1e-4, rtol=1e-4)
    with pytest.raises(RecipeError, match="no cache"):
        model.new_cache(1)
    with pytest.raises(RecipeError, match="don't fit"):
        model(draw_tokens(1, 25, V))


@pytest.mark.parametrize("name", ["bert", "rms, untied, no head bias"])
def test_the_fused_loss_is_the_plain_one(name, monkeypatch):
    """The head's bias travels as a column of the matrix: loss and every gradient equal, on scored positions only."""
    found = []
    for plain in (2**30, 0):
        monkeypatch.setitem(loss.PLAIN_LOGITS, "cpu", plain)
        monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 5 * V)
        model = build_open(VARIANTS[name], V).eval()
        batch = _batch(draw_tokens(3, 24, V, seed=4), share=0.2)
        priced = loss.lm_loss(model, batch)
        priced.loss.backward()
        found.append((priced.loss.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    torch.testing.assert_close(found[0][0], found[1][0])
    assert found[0][1].keys() == found[1][1].keys() == dict(model.named_parameters()).keys()
    for parameter, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][parameter], atol=1e-4, rtol=1e-4, msg=parameter)


def _batch(tokens, share):
    hidden = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(0)) < share
    return Batch(torch.where(hidden, V - 1, tokens), tokens, hidden)


def losses(config) -> list[float]:
    model, found = build_open(config, V), []
    batch = _batch(draw_tokens(4, 24, V - 1, seed=3), share=0.3)
    for _ in range(4):
        logits = model.head(model(batch.tokens_BT)[0])
        nats = F.cross_entropy(logits[batch.loss_mask_BT], batch.targets_BT[batch.loss_mask_BT])
        nats.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-0.05)
                parameter.grad = None
        found.append(round(nats.item(), 6))
    return found


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_losses(name):
    """Recorded 2026-11-21 with torch 2.13.0 on a CPU."""
    assert losses(VARIANTS[name]) == pytest.approx(GOLDEN[name], rel=2e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_initial_loss_is_about_ln_v(name):
    config = VARIANTS[name].model_copy(update={"init_std": 0.02})
    model = build_model(config, 101, 0).eval()
    tokens = draw_tokens(8, 24, 101)
    nats = F.cross_entropy(model.head(model(tokens)[0]).flatten(0, 1), tokens.flatten()).item()
    assert nats == pytest.approx(math.log(101), abs=0.15)


def test_parameters_start_as_the_table_says():
    wide = dict(context_length=64, n_layers=8, d_model=128, n_heads=4)
    before = dict(build_model(BertConfig(**wide, positions="learned", bias=True), 300, 0).named_parameters())
    after = dict(build_model(BertConfig(**wide, norm_at="after"), 300, 0).named_parameters())
    for name in ("embed.weight", "positions.weight", "blocks.1.attention.qkv.weight", "transform.dense.weight"):
        assert before[name].std().item() == pytest.approx(0.02, rel=0.03)
    assert before["blocks.1.mlp.down.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.03)
    assert after["blocks.1.mlp.down.weight"].std().item() == pytest.approx(0.02, rel=0.03)
    assert not before["to_logits.bias"].any() and (before["transform.norm.weight"] == 1).all()
    model = build_model(VARIANTS["default"], V, 0)
    model.register_parameter("strange", torch.nn.Parameter(torch.empty(3)))
    with pytest.raises(KeyError, match="strange"):
        initialise(model, bert.bert_table(model.config), 0)


def test_parameters_land_in_their_groups():
    model = build_model(BertConfig(**SMALL, tied_head=False, bias=True), V, 0)
    groups = {name: set(found) for name, found in assign_groups(model).items() if found}
    assert groups["head"] == {"unembed.weight"} and groups["embeddings"] == {"embed.weight"}
    assert "transform.dense.weight" in groups["matrices"] and "to_logits.bias" in groups["biases"]
    assert all("norm" in name for name in groups["norms"]) and "scalars" not in groups
    weights = dict(model.named_parameters())
    assert all(sum(rows) == len(weights[name]) for name, rows in fused_rows(model).items())


def test_local_layers_turn_by_their_own_angles():
    config = modernbert_like(**SMALL | {"sliding_window": 6, "d_ff": 48})
    model = build_model(config, V, 0)
    assert set(model.rotary_tables) == {"0", "6"} and config.windows == (0, 6, 6)
    assert not torch.equal(model.rotary_tables["0"].cos_TK, model.rotary_tables["6"].cos_TK)
    assert torch.equal(model.rotary_tables["6"].cos_TK[1, 1], torch.tensor(10_000.0 ** (-1 / 4)).cos())


@pytest.mark.parametrize("d_model", [16, 48, 128, 208, 384, 1024])
def test_sized_members_of_the_family(d_model):
    config = BertConfig.sized(d_model, 128)
    assert config.d_model == d_model and config.context_length == 128
    build_model(config, V, 0) if d_model < 300 else None
    smaller = BertConfig.sized(d_model - 16, 128) if d_model > 16 else None
    if smaller:
        assert parameters(smaller, V)["total"] < parameters(config, V)["total"]


@pytest.mark.parametrize(
    "settings, named",
    [
        (dict(d_model=30, n_heads=4), "--model.d_model=24"),
        (dict(d_model=36, n_heads=6, positions="learned", window_pattern="SX"), "--model.window_pattern=LSS"),
        (dict(sliding_window=1), "--model.sliding_window=128"),
    ],
)
def test_settings_that_make_no_sense(settings, named):
    with pytest.raises(RecipeError) as caught:
        BertConfig(**settings)
    assert named in caught.value.fix
