"""Relative biases, the kernel's gradient for them, and each score of a recurrent decoder: against loops and papers."""

import math

import pytest
import torch
import torch.nn.functional as F

from idiolect.models import kernels
from idiolect.models.build import build_model
from idiolect.models.config import Seq2SeqConfig
from idiolect.models.masks import Reach
from idiolect.models.relative import RelativeBias, buckets
from tests.models.source_settings import SOURCE_VARIANTS, V
from tests.models.test_encoder_decoder import logits_of
from tests.models.toys import build_open, draw_tokens


def bucket_by_hand(ahead, n_buckets, max_distance, both_sides):
    """Section 2.1 in words: half of the buckets for single distances, the others in growing ranges."""
    first = 0
    if both_sides:
        n_buckets //= 2
        first = n_buckets if ahead > 0 else 0
        distance = abs(ahead)
    else:
        distance = max(0, -ahead)
    exact = n_buckets // 2
    if distance < exact:
        return first + distance
    steps = (n_buckets - exact) * math.log(distance / exact) / math.log(max_distance / exact)
    return first + min(n_buckets - 1, exact + int(steps + 1e-6))


@pytest.mark.parametrize("both_sides", [True, False])
@pytest.mark.parametrize("n_buckets, max_distance", [(32, 128), (8, 20), (64, 100)])
def test_buckets_are_the_papers(n_buckets, max_distance, both_sides):
    ahead = torch.arange(-300, 301)
    found = buckets(ahead, n_buckets, max_distance, both_sides).tolist()
    assert found == [bucket_by_hand(a, n_buckets, max_distance, both_sides) for a in ahead.tolist()]
    assert set(found) <= set(range(n_buckets))


@pytest.mark.parametrize("both_sides", [True, False])
def test_buckets_are_stock_t5s(both_sides):
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    ahead = torch.arange(-700, 701)
    expected = t5.T5Attention._relative_position_bucket(ahead, both_sides, 32, 128)
    assert torch.equal(buckets(ahead, 32, 128, both_sides), expected)


def test_a_bias_depends_on_the_distance_alone():
    bias = RelativeBias(3, 8, 16, both_sides=True)
    with torch.no_grad():
        bias.table.weight.copy_(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    whole = bias(torch.arange(12)[None], 12)
    assert whole.shape == (1, 3, 12, 12)
    assert all(torch.equal(whole[0, :, i, j], whole[0, :, i + 1, j + 1]) for i in range(11) for j in range(11))
    assert torch.equal(bias(torch.tensor([[7]]), 12), whole[:, :, 7:8])


@pytest.mark.parametrize("rows_of_bias", [1, 2])
def test_the_kernel_returns_the_gradient_of_what_is_added(rows_of_bias):
    """Our own products against PyTorch's plain ones: values and all four gradients."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 4, generator=generator).requires_grad_() for n in (5, 6, 6))
    bias = torch.randn(rows_of_bias, 3, 5, 6, generator=generator).requires_grad_()
    hidden = bias.masked_fill(torch.ones(5, 6, dtype=torch.bool).triu(2), -torch.inf)
    ours = kernels._attend_by_products(q, k, v, Reach(hidden, False), 0.7)
    theirs = torch.softmax(0.7 * q @ k.mT + hidden, -1) @ v
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, generator=generator)
    for mine, other in zip(
        torch.autograd.grad((ours * weights).sum(), (q, k, v, bias), retain_graph=True),
        torch.autograd.grad((theirs * weights).sum(), (q, k, v, bias)),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def scored_by_hand(model, name, state, before, memory):
    """Score of one query and one source position, as the papers write them."""
    score = model.attention.score
    if name == "dot":
        return state @ memory
    if name == "general":
        # h_t^T W m: ours keeps W transposed, as every linear layer does.
        return state @ score.query.weight.T @ memory
    asks = before if name == "bahdanau" else state
    hidden = torch.tanh(score.query.weight @ asks + score.key.weight @ memory)
    return score.score.weight[0] @ hidden


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("name", ["dot", "general", "concat", "bahdanau"])
@pytest.mark.parametrize("feeding", [False, True])
def test_a_decoder_step_by_step_by_hand(name, cell, feeding):
    """The whole model in loops over single tokens, with torch's own cells, against all at once."""
    config = Seq2SeqConfig(context_length=24, d_model=8, cell=cell, attention=name, input_feeding=feeding)
    model = build_open(config, V).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    source, tokens = draw_tokens(1, 6, V, seed=1), draw_tokens(1, 5, V)

    def cell_of(layer):
        own = (torch.nn.GRUCell if cell == "gru" else torch.nn.LSTMCell)(layer.input_weight.shape[1], layer.d_out)
        own.weight_ih.data, own.weight_hh.data = layer.input_weight.data, layer.hidden_weight.data
        first, second = layer._biases()
        own.bias_ih.data, own.bias_hh.data = first.data, second.data
        return own

    def steps(layer, inputs):
        own, state, found = cell_of(layer), None, []
        for x in inputs:
            state = own(x[None], state)
            found.append((state if cell == "gru" else state[0])[0])
        return found

    with torch.no_grad():
        read = list(model.embed(source[0]))
        ahead = steps(model.encoder[0].forwards, read)
        back = steps(model.encoder[0].backwards, read[::-1])[::-1]
        memory = [torch.cat(both) for both in zip(ahead, back, strict=True)]
        summary = model.summarise.weight @ torch.stack(memory).mean(0)
        own, carried, before, rows = cell_of(model.decoder[0]), None, torch.zeros(8), []
        for token in model.embed(tokens[0]):
            read = torch.cat((token + summary, rows[-1] if rows else torch.zeros(8))) if feeding else token + summary
            carried = own(read[None], carried)
            state = (carried if cell == "gru" else carried[0])[0]
            weights = torch.stack([scored_by_hand(model, name, state, before, m) for m in memory]).softmax(0)
            found = sum(w * m for w, m in zip(weights, memory, strict=True))
            rows.append(torch.tanh(model.attention.combine.weight @ torch.cat((found, state))))
            before = state
        expected = torch.stack(rows) @ model.head_weight.T
        torch.testing.assert_close(logits_of(model, tokens, source)[0], expected, atol=1e-5, rtol=1e-5)


# Recorded 2026-11-21 with torch 2.13.0 on a CPU; plain gradient descent, so that only the model speaks.
GOLDEN = {
    "t5": [4.315302, 4.106622, 3.948345, 3.831553],
    "t5 v1.1": [4.016359, 3.732313, 3.504024, 3.306452],
    "t5 default": [4.354708, 3.980248, 3.695436, 3.470877],
    "t5 rotary": [4.136106, 3.764218, 3.533501, 3.375309],
    "t5 swiglu, wide heads": [4.07646, 3.746103, 3.478504, 3.254679],
    "bahdanau": [4.887563, 4.356359, 3.959794, 3.639751],
    "bahdanau, fed": [3.635614, 3.515327, 3.421918, 3.343671],
    "luong dot": [3.687786, 3.621045, 3.562917, 3.51133],
    "luong general": [3.985575, 3.853812, 3.740974, 3.6409],
    "luong concat, fed": [3.601911, 3.561845, 3.527083, 3.496379],
    "luong, input fed": [3.648507, 3.60605, 3.568139, 3.533675],
    "bahdanau, all fed": [3.607911, 3.513623, 3.448247, 3.397655],
}


def losses(name) -> list[float]:
    model, found = build_model(SOURCE_VARIANTS[name], V, 0), []
    tokens, source = draw_tokens(4, 13, V, seed=3), draw_tokens(4, 15, V, seed=4)
    mask = torch.arange(15) < torch.tensor([15, 9, 3, 12])[:, None]
    for _ in range(4):
        logits = logits_of(model, tokens[:, :-1], source, source_mask_BS=mask)
        nats = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        nats.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-0.05)
                parameter.grad = None
        found.append(nats.item())
    return found


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_losses(name):
    assert losses(name) == pytest.approx(GOLDEN[name], rel=2e-5)


def test_biases_start_falling_with_distance():
    bias = RelativeBias(4, 8, 16, both_sides=False)
    bias.start_near(4.0)
    scores_HTS = bias(torch.arange(12)[None], 12)[0]
    for head, slope in enumerate((4 * 2.0**-2, 4 * 2.0**-4, 4 * 2.0**-6, 4 * 2.0**-8)):
        # The first half of the buckets have a distance each; farther ranges fall on.
        assert scores_HTS[head, 11, 8:].tolist() == pytest.approx([-3 * slope, -2 * slope, -slope, 0])
        assert (scores_HTS[head, 11].diff() >= 0).all() and scores_HTS[head, 11, 0] < -5 * slope
