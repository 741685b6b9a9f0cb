"""The cells against their equations, written out in numpy; counts, start and losses of the recurrent family."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.config import GRUConfig, LSTMConfig, RNNConfig
from idiolect.models.measure import flops_per_token, parameters
from idiolect.optim.groups import assign_groups, fused_rows
from tests.models.recurrent_settings import AWD, RECURRENT, V, build_recurrent
from tests.models.toys import draw_tokens

T = 12


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_by_hand(config, weights, x_BD, state):
    """One step of one layer: the equations of the papers, gate by gate, in float64."""
    W, U, b = weights["input_weight"], weights["hidden_weight"], weights.get("bias", 0.0)
    h = state[0]
    if config.kind == "rnn":
        z = x_BD @ W.T + h @ U.T + b
        return (np.tanh(z) if config.activation == "tanh" else np.maximum(z, 0),)
    if config.kind == "lstm":
        i, f, g, o = np.split(x_BD @ W.T + h @ U.T + b, 4, axis=1)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    (xr, xz, xn), (hr, hz, hn) = np.split(x_BD @ W.T + b, 3, axis=1), np.split(h @ U.T, 3, axis=1)
    z = sigmoid(xz + hz)
    n = np.tanh(xn + sigmoid(xr + hr) * (hn + weights.get("bias_hidden", 0.0)))
    return ((1 - z) * n + z * h,)


def read_by_hand(model, tokens_BT, hidden_weights=None):
    """The hidden states (B, T, D) that a loop over layers, positions and gates gives."""
    x_BTD = model.embed.weight.detach().double().numpy()[tokens_BT.numpy()]
    for number, layer in enumerate(model.layers):
        weights = {name: p.detach().double().numpy() for name, p in layer.named_parameters()}
        if hidden_weights:
            weights["hidden_weight"] = hidden_weights[number].detach().double().numpy()
        state = tuple(np.zeros((len(tokens_BT), layer.d_out)) for _ in range(layer.n_states))
        outputs = []
        for t in range(tokens_BT.shape[1]):
            state = step_by_hand(model.config, weights, x_BTD[:, t], state)
            outputs.append(state[0])
        x_BTD = np.stack(outputs, axis=1)
    return x_BTD


@pytest.mark.parametrize("name", RECURRENT)
def test_the_module_equals_the_equations(name):
    model = build_recurrent(name).eval()
    tokens = draw_tokens(3, T, V)
    hidden, cache = model(tokens)
    assert cache is None
    np.testing.assert_allclose(hidden.detach().numpy(), read_by_hand(model, tokens), atol=3e-6)


@pytest.mark.parametrize("name", RECURRENT)
def test_dropped_weights_enter_the_equations_and_the_gradient(name):
    model = build_recurrent(name, weight_dropout=0.5).train()
    masks = {}

    def catch(module, inputs, output):
        masks[module] = (output, inputs[0])

    for layer in model.layers:
        layer.drop_weight.register_forward_hook(catch)
    tokens = draw_tokens(3, T, V)
    torch.manual_seed(3)
    hidden, _ = model(tokens)
    dropped = [masks[layer.drop_weight][0] for layer in model.layers]
    for layer, weight in zip(model.layers, dropped, strict=True):
        assert 0.2 < (weight == 0)[layer.hidden_weight != 0].float().mean() < 0.8
    np.testing.assert_allclose(hidden.detach().numpy(), read_by_hand(model, tokens, dropped), atol=1e-5, rtol=1e-5)
    hidden.square().sum().backward()
    for layer, weight in zip(model.layers, dropped, strict=True):
        gradient = layer.hidden_weight.grad
        # A dropped weight learns nothing; each other one does, as some row sees it (a ReLU may be silent).
        assert (gradient[(weight == 0) & (layer.hidden_weight != 0)] == 0).all()
        if model.config.kind != "rnn" or model.config.activation == "tanh":
            assert (gradient[weight != 0] != 0).all()


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_the_gradient_of_dropped_weights_equals_finite_differences(name):
    model = build_recurrent(name, weight_dropout=0.5, d_model=6, n_layers=1).double().train()
    tokens, weight = draw_tokens(2, 5, V), model.layers[0].hidden_weight

    def loss():
        torch.manual_seed(3)
        return model(tokens)[0].square().sum()

    loss().backward()
    for row, column in ((0, 0), (1, 4), (3, 2), (5, 5)):
        nudge = torch.zeros_like(weight)
        nudge[row, column] = 1e-5
        with torch.no_grad():
            weight += nudge
            above = loss()
            weight -= 2 * nudge
            below = loss()
            weight += nudge
        assert weight.grad[row, column].item() == pytest.approx((above - below).item() / 2e-5, rel=1e-4, abs=1e-9)


def test_a_wrong_equation_is_caught():
    """Negative control: two gates exchanged, and the comparison sees it."""
    model = build_recurrent("lstm").eval()
    tokens = draw_tokens(3, T, V)
    expected = read_by_hand(model, tokens)
    with torch.no_grad():
        layer = model.layers[0]
        layer.bias.copy_(torch.cat([layer.bias[16:32], layer.bias[:16], layer.bias[32:]]))
    assert np.abs(model(tokens)[0].detach().numpy() - expected).max() > 1e-3


@pytest.mark.parametrize("name", RECURRENT)
def test_parameters_equal_the_modules(name):
    config = RECURRENT[name]
    counted = parameters(config, V)
    model = build_model(config, V, 0)
    assert counted["total"] == sum(p.numel() for p in model.parameters())
    assert counted["hidden_weights"] == sum(layer.hidden_weight.numel() for layer in model.layers)


def test_counts_of_a_known_model():
    """AWD-LSTM on WikiText-2: 33,278 words, 400 - 1,150 - 1,150 - 400; torch's nn.LSTM has one bias more a layer."""
    config = LSTMConfig(d_model=400, d_hidden=1150, n_layers=3)
    counted = parameters(config, 33278)
    second_biases = 4 * (1150 + 1150 + 400)
    torchs = sum(
        p.numel() for a, b in ((400, 1150), (1150, 1150), (1150, 400)) for p in torch.nn.LSTM(a, b).parameters()
    )
    assert counted["total"] + second_biases == 33278 * 400 + torchs


@pytest.mark.parametrize("name", RECURRENT)
def test_forward_flops_equal_torchs_count(name):
    config = RECURRENT[name]
    model = build_model(config, V, 0)
    tokens = draw_tokens(2, 10, V)
    # torch's counter sees the products of the plain cells; it sees nothing of oneDNN's.
    with FlopCounterMode(display=False) as counter, torch.backends.mkldnn.flags(enabled=False), torch.no_grad():
        model.head(model(tokens)[0])
    assert counter.get_total_flops() == flops_per_token(config, V, 10)["forward"] * tokens.numel()


def test_every_parameter_starts_as_the_table_says():
    model = build_model(LSTMConfig(d_model=64, d_hidden=100), 300, 0)
    weights = dict(model.named_parameters())
    assert weights["embed.weight"].abs().max().item() == pytest.approx(0.05, rel=1e-3)
    # What the first cell reads has a variance of 1.
    assert model.scale * weights["embed.weight"].std().item() == pytest.approx(1.0, rel=0.05)
    for name, bound in (
        ("layers.0.hidden_weight", 0.1),
        ("layers.1.input_weight", 1 / 8),
        ("layers.1.hidden_weight", 1 / 8),
    ):
        assert weights[name].abs().max().item() == pytest.approx(bound, rel=1e-3)
        assert weights[name].std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    i, f, g, o = weights["layers.0.bias"].chunk(4)
    assert (f == 1).all() and not (i.any() or g.any() or o.any())
    other = build_model(LSTMConfig(d_model=64, init_range=0.05, forget_bias=0.0), 300, 0)
    assert other.layers[0].hidden_weight.abs().max().item() == pytest.approx(0.05, rel=1e-3)
    assert not other.layers[0].bias.any()


@pytest.mark.parametrize("config", [LSTMConfig, GRUConfig, RNNConfig])
def test_orthogonal_starts_are_orthogonal_gate_by_gate(config):
    model = build_model(config(d_model=24, hidden_init="orthogonal"), V, 0)
    for layer in model.layers:
        blocks = layer.hidden_weight.split(24)
        assert len(blocks) == config.n_gates
        for block in blocks:
            torch.testing.assert_close(block @ block.T, torch.eye(24), atol=1e-5, rtol=0)
        if len(blocks) > 1:
            assert not torch.equal(blocks[0], blocks[1])


def test_identity_starts_pass_the_state_on():
    model = build_model(RNNConfig(d_model=8, activation="relu", hidden_init="identity"), V, 0)
    assert torch.equal(model.layers[1].hidden_weight, torch.eye(8))


@pytest.mark.parametrize("name", RECURRENT)
def test_initial_loss_is_about_ln_v(name):
    config = RECURRENT[name].model_copy(update=dict(init_range=0.0, embedding_range=0.1))
    model = build_model(config, 101, 0).eval()
    tokens = draw_tokens(8, 24, 101)
    logits = model.head(model(tokens)[0])
    nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).item()
    assert nats == pytest.approx(math.log(101), abs=0.1)


def test_the_optimiser_finds_matrices_biases_and_gates():
    groups = assign_groups(build_recurrent("gru orthogonal"))
    assert set(groups["matrices"]) == {f"layers.{n}.{w}_weight" for n in (0, 1) for w in ("input", "hidden")}
    assert set(groups["biases"]) == {f"layers.{n}.{b}" for n in (0, 1) for b in ("bias", "bias_hidden")}
    assert set(groups["embeddings"]) == {"embed.weight"} and set(groups["head"]) == {"unembed.weight"}
    assert not groups["scalars"]
    assert fused_rows(build_recurrent("lstm"))["layers.1.hidden_weight"] == (16, 16, 16, 16)


def test_locked_and_free_dropout_are_refused_together():
    with pytest.raises(RecipeError, match="stands beside") as caught:
        LSTMConfig(dropout=0.1, hidden_dropout=0.2)
    assert "--model.dropout=0" in caught.value.fix


@pytest.mark.parametrize("config", [LSTMConfig, GRUConfig, RNNConfig])
def test_sized_members_grow_with_their_width(config):
    sizes = [parameters(config.sized(d, 64), 1000)["total"] for d in (16, 32, 64, 128)]
    assert sizes == sorted(set(sizes)) and config.sized(48, 64).context_length == 64


GOLDEN = {
    "lstm": [3.696752, 3.689329, 3.682263, 3.675529],
    "gru": [3.806915, 3.751603, 3.704549, 3.665371],
    "rnn": [3.909173, 3.705071, 3.593589, 3.502881],
    "rnn relu": [4.53899, 3.606904, 3.528063, 3.513234],
    "lstm wide": [3.64103, 3.637725, 3.634539, 3.631467],
}

GOLDEN_AWD = [3.643889, 3.653488, 3.666963, 3.619892]


def losses(model) -> list[float]:
    tokens, found = draw_tokens(4, 13, V, seed=3), []
    for step in range(4):
        torch.manual_seed(step)
        logits = model.head(model(tokens[:, :-1])[0])
        nats = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        (nats + model.auxiliary_loss()).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-0.2)
                parameter.grad = None
        found.append(nats.item())
    return found


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_losses(name):
    """Recorded 2026-11-21 with torch 2.13.0 on a CPU; plain gradient descent, so that only the model speaks."""
    assert losses(build_recurrent(name)) == pytest.approx(GOLDEN[name], rel=2e-5)


def test_golden_losses_with_all_of_awd():
    model = build_recurrent("lstm wide", **AWD, activation_penalty=2.0, change_penalty=1.0)
    assert losses(model.train()) == pytest.approx(GOLDEN_AWD, rel=2e-5)


def test_the_factor_stands_before_the_cells_and_before_the_head():
    tokens, config = draw_tokens(2, 9, V), RECURRENT["lstm"]
    plain, scaled = build_model(config, V, 0), build_model(config.model_copy(update={"embedding_scale": 3.0}), V, 0)
    with torch.no_grad():
        by_hand = build_model(config, V, 0)
        by_hand.embed.weight.mul_(3.0)
        expected = 3.0 * by_hand(tokens)[0]
    torch.testing.assert_close(scaled(tokens)[0], expected)
    torch.testing.assert_close(scaled.head_weight, plain.head_weight)
