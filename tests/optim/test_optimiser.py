"""Groups, clipping, rates, and a state that goes on bit by bit."""

import math

import pytest
import torch

from idiolect.errors import CheckpointError
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig, Seq2SeqConfig
from idiolect.optim import config as c
from idiolect.optim.average import WeightAverage
from idiolect.optim.build import build_optimiser
from idiolect.optim.clip import clip_gradients
from idiolect.optim.groups import assign_groups, fused_rows
from tests.optim.toys import SMALL, build_gpt, build_net, feed, train

KINDS = [
    c.SGDConfig(), c.AdamConfig(), c.AdamWConfig(), c.AdafactorConfig(), c.RMSpropConfig(momentum=0.3),
    c.LionConfig(), c.MuonConfig(),
    c.MuonConfig(momentum_warmup_steps=6, coefficients="polar_express", newton_schulz_dtype="bfloat16"),
]  # fmt: skip
EVERYTHING = dict(
    ngram_orders=(2, 3), ngram_buckets=50, ngram_head_orders=(1, 3), ngram_head_buckets=40, value_embeddings="all",
    tied_head=False, bias=True, norm="layer", positions="learned", n_kv_heads=1,
)  # fmt: skip


def test_every_parameter_is_in_one_group():
    model = build_gpt(**EVERYTHING)
    found = assign_groups(model)
    names = [name for group in found.values() for name in group]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert set(found["tables"]) == {"ngrams.tables.2.weight", "ngrams.tables.3.weight"}
    assert set(found["head"]) == {"unembed.weight"}
    assert set(found["head_tables"]) == {"to_logits.tables.1.weight", "to_logits.tables.3.weight"}
    assert {"embed.weight", "positions.weight"} <= set(found["embeddings"])
    assert "blocks.0.attention.values.table.weight" in found["embeddings"]
    assert {name for name in found["matrices"] if name.startswith("blocks.0")} == {
        f"blocks.0.{part}.weight" for part in ("attention.qkv", "attention.out", "mlp.up", "mlp.down")
    }
    assert "final_norm.bias" in found["norms"] and "blocks.1.mlp.up.bias" in found["biases"]
    assert set(found["scalars"]) == {f"blocks.{layer}.attention.values.mix" for layer in range(2)}


def test_a_wrapper_changes_no_group_and_frozen_parameters_have_none():
    class Wrapper(torch.nn.Module):
        head_names = ("score.weight",)

        def __init__(self, trunk):
            super().__init__()
            self.trunk, self.score = trunk, torch.nn.Linear(16, 2)

    wrapper = Wrapper(build_gpt(tied_head=False))
    wrapper.trunk.embed.weight.requires_grad_(False)
    found = assign_groups(wrapper)
    assert set(found["head"]) == {"score.weight", "trunk.unembed.weight"}
    assert not found["embeddings"] and "score.bias" in found["biases"]
    assert fused_rows(wrapper)["trunk.blocks.1.attention.qkv.weight"] == (16, 16, 16)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_decay_pulls_matrices_alone(kind):
    changes = {"weight_decay": 0.5}
    config = c.OptimConfig(optimiser=kind.model_copy(update=changes))
    decay = {group.name: group.weight_decay for group in build_optimiser(config, build_gpt(**EVERYTHING)).groups}
    assert {name for name, value in decay.items() if value} == {"matrices"}
    open_config = c.OptimConfig(optimiser=c.AdamWConfig(weight_decay=0.5), decay_embeddings=True)
    decay = {group.name: group.weight_decay for group in build_optimiser(open_config, build_gpt(**EVERYTHING)).groups}
    assert {name for name, value in decay.items() if value} == {"matrices", "embeddings", "head"}


def test_without_gradient_only_decayed_weights_shrink():
    net = build_net()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimiser = build_optimiser(c.OptimConfig(optimiser=c.AdamWConfig(learning_rate=0.1, weight_decay=0.5)), net)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for name, parameter in net.named_parameters():
        shrunk = 0.95 if name in ("first.weight", "second.weight") else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * shrunk)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_resume_is_bitwise(kind):
    config = c.OptimConfig(optimiser=kind, tables=c.RowAdamConfig(beta1=0.9), clip_norm=0.5)
    whole = build_gpt(**EVERYTHING)
    train(config, whole, range(8))

    first = build_gpt(**EVERYTHING)
    optimiser = train(config, first, range(5))
    weights = {name: value.clone() for name, value in first.state_dict().items()}
    state = {name: value.clone() for name, value in optimiser.tensors().items()}
    second = build_gpt(**EVERYTHING)
    second.load_state_dict(weights)
    fresh = build_optimiser(config, second)
    fresh.load_tensors(state)
    assert set(fresh.tensors()) == set(state)
    train(config, second, range(5, 8), fresh)
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, second.get_parameter(name)), name


STATES = ("blocks.0.attention.qkv.weight", "ngrams.tables.2", "to_logits.tables.1")


@pytest.mark.parametrize("kind", [c.AdamWConfig(), c.MuonConfig(momentum_warmup_steps=9)], ids=lambda kind: kind.kind)
def test_a_resume_that_forgets_one_tensor_is_seen(kind):
    """Negative control of the test above: each tensor of the state matters."""
    config = c.OptimConfig(optimiser=kind, tables=c.RowAdamConfig(beta1=0.9))
    whole = build_gpt(**EVERYTHING)
    train(config, whole, range(6))
    model = build_gpt(**EVERYTHING)
    optimiser = train(config, model, range(4))
    state = optimiser.tensors()
    assert {key.rpartition("/")[2] for key in state if "ngrams" in key} == {"momentum", "square", "updates"}
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    for broken in [key for key in state if key.startswith(STATES)]:
        second = build_gpt(**EVERYTHING)
        second.load_state_dict(weights)
        fresh = build_optimiser(config, second)
        fresh.load_tensors({key: value * 0 if key == broken else value for key, value in state.items()})
        train(config, second, range(4, 6), fresh)
        parameters = zip(whole.parameters(), second.parameters(), strict=True)
        assert not all(torch.equal(a, b) for a, b in parameters), broken


def test_state_of_another_model_is_refused():
    config = c.OptimConfig()
    state = train(config, build_gpt(), range(1)).tensors()
    with pytest.raises(CheckpointError, match="no parameter is called"):
        build_optimiser(config, build_net()).load_tensors(state)
    wide = GPTConfig(**SMALL | dict(d_model=32))
    with pytest.raises(CheckpointError, match="the parameter"):
        build_optimiser(config, build_gpt(**{"d_model": wide.d_model})).load_tensors(state)


def test_loaded_state_is_a_copy():
    optimiser = train(c.OptimConfig(), build_gpt(), range(1))
    state = {name: value.clone() for name, value in optimiser.tensors().items()}
    kept = {name: value.clone() for name, value in state.items()}
    model = build_gpt()
    fresh = build_optimiser(c.OptimConfig(), model)
    fresh.load_tensors(state)
    train(c.OptimConfig(), model, range(1, 3), fresh)
    assert all(torch.equal(state[name], kept[name]) for name in state)


def test_rates_follow_peak_multiplier_and_factor():
    config = c.OptimConfig(
        optimiser=c.MuonConfig(learning_rate=0.02, rest=c.AdamWConfig(learning_rate=0.004)),
        multipliers=c.RateMultipliers(head=0.5, tables=2.0, head_tables=3.0),
        tables=c.RowAdamConfig(learning_rate=0.1),
    )
    optimiser = build_optimiser(config, build_gpt(**EVERYTHING))
    optimiser.set_learning_rate_factor(0.25)
    rates = optimiser.learning_rates()
    assert rates["matrices"] == pytest.approx(0.005) and rates["embeddings"] == pytest.approx(0.001)
    assert rates["head_tables"] == pytest.approx(0.25 * 3 * 0.2)
    assert rates["head"] == pytest.approx(0.0005) and rates["tables"] == pytest.approx(0.05)
    optimiser.set_learning_rate_factor(0.0)
    assert set(optimiser.learning_rates().values()) == {0.0}


def test_clipping_equals_torchs_and_counts_sparse_rows():
    dense, sparse = build_gpt(), build_gpt(ngram_orders=(2,), ngram_buckets=7)
    feed(dense, 0)
    expected = torch.nn.utils.get_total_norm([p.grad for p in dense.parameters()]).item()
    assert clip_gradients(list(dense.parameters()), 0.0) == pytest.approx(expected, rel=1e-6)
    assert clip_gradients(list(dense.parameters()), expected / 3) == pytest.approx(expected, rel=1e-6)
    assert clip_gradients(list(dense.parameters()), 0.0) == pytest.approx(expected / 3, rel=1e-5)

    feed(sparse, 0)
    squares = sum(float(p.grad.to_dense().double().square().sum()) for p in sparse.parameters())
    assert clip_gradients(list(sparse.parameters()), 0.01) == pytest.approx(math.sqrt(squares), rel=1e-5)
    assert clip_gradients(list(sparse.parameters()), 0.0) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_told_and_nothing_scaled(value):
    net = build_net()
    feed(net, 0)
    net.first.bias.grad[3] = value
    others = net.second.weight.grad.clone()
    assert not math.isfinite(clip_gradients(list(net.parameters()), 0.1))
    assert torch.equal(net.second.weight.grad, others)


def test_no_gradients_have_no_norm():
    assert clip_gradients(list(build_net().parameters()), 1.0) == 0.0


def test_sparse_gradients_accumulate_over_micro_batches():
    """Two halves of a batch leave the same weights as the whole of it."""
    results = []
    for steps in ([[0, 1]], [[0], [1]]):
        model = build_gpt(ngram_orders=(2,), ngram_buckets=11)
        optimiser = build_optimiser(c.OptimConfig(), model)
        for part in steps:
            for step in part:
                feed(model, step)
        optimiser.clip()
        optimiser.step()
        results.append(model)
    for a, b in zip(*(model.parameters() for model in results), strict=True):
        torch.testing.assert_close(a, b)


def test_average_follows_its_formula_and_gives_the_weights_back():
    net = build_net()
    average = WeightAverage(net, 0.6)
    expected, n = net.first.weight.detach().clone(), 0
    for step in range(6):
        with torch.no_grad():
            net.first.weight.add_(step + 1)
        average.update()
        memory = min(0.6, (1 + n) / (10 + n))
        expected, n = memory * expected + (1 - memory) * net.first.weight.detach(), n + 1
    own = net.first.weight.detach().clone()
    with pytest.raises(RuntimeError, match="inside"), average.applied():
        torch.testing.assert_close(net.first.weight.detach(), expected)
        raise RuntimeError("inside")
    assert torch.equal(net.first.weight, own)


def test_average_resumes_bitwise():
    def run(steps, net, average):
        for step in steps:
            with torch.no_grad():
                net.first.weight.mul_(1 + step / 7)
            average.update()

    whole_net = build_net()
    whole = WeightAverage(whole_net, 0.9)
    run(range(5), whole_net, whole)
    net = build_net()
    first = WeightAverage(net, 0.9)
    run(range(3), net, first)
    second = WeightAverage(build_net(1), 0.9)
    second.load_tensors({name: value.clone() for name, value in first.tensors().items()})
    second._live = dict(net.named_parameters())
    run(range(3, 5), net, second)
    assert all(torch.equal(whole.tensors()[name], second.tensors()[name]) for name in whole.tensors())
    with pytest.raises(CheckpointError):
        second.load_tensors({"other": torch.zeros(1), "n_updates": torch.tensor(1)})


def test_a_matrix_of_one_row_is_a_vector():
    """Muon would make it as long as a whole orthogonal matrix's row, and decay it: additive attention's v is one."""
    model = build_model(Seq2SeqConfig(context_length=8, d_model=16, attention="concat"), 30, seed=0)
    found = assign_groups(model)
    assert "attention.score.score.weight" in found["scalars"]
    assert all(min(p.shape) > 1 for p in found["matrices"].values())
