"""Each rule's weights equal a reference's: torch.optim built plainly, or the paper's formula written out."""

import math

import pytest
import torch

from idiolect.optim import config as c
from idiolect.optim.build import build_optimiser
from idiolect.optim.muon import coefficients_of, orthogonalise, scale_of
from tests.optim.toys import build_gpt, build_net, feed, train

PLAIN = dict(foreach=False)
ADAM = dict(lr=0.01, betas=(0.8, 0.97), eps=1e-6)
REFERENCES = {
    "sgd": (
        c.SGDConfig(learning_rate=0.05, momentum=0.0, weight_decay=0.1),
        lambda p, d: torch.optim.SGD(p, 0.05, **d),
    ),
    "momentum": (
        c.SGDConfig(learning_rate=0.05, momentum=0.8, nesterov=False, weight_decay=0.1),
        lambda p, d: torch.optim.SGD(p, 0.05, momentum=0.8, **d),
    ),
    "nesterov": (
        c.SGDConfig(learning_rate=0.05, momentum=0.8, weight_decay=0.1),
        lambda p, d: torch.optim.SGD(p, 0.05, momentum=0.8, nesterov=True, **d),
    ),
    "adam": (
        c.AdamConfig(learning_rate=0.01, beta1=0.8, beta2=0.97, epsilon=1e-6, weight_decay=0.1),
        lambda p, d: torch.optim.Adam(p, **ADAM, **d),
    ),
    "adamw": (
        c.AdamWConfig(learning_rate=0.01, beta1=0.8, beta2=0.97, epsilon=1e-6, weight_decay=0.1),
        lambda p, d: torch.optim.AdamW(p, **ADAM, **d),
    ),
    "adafactor": (
        c.AdafactorConfig(learning_rate=0.02, weight_decay=0.1),
        lambda p, d: torch.optim.Adafactor(p, lr=0.02, beta2_decay=-0.8, d=1.0, **d),
    ),
    "rmsprop": (
        c.RMSpropConfig(learning_rate=0.01, alpha=0.9, epsilon=1e-6, momentum=0.5, weight_decay=0.1),
        lambda p, d: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-6, momentum=0.5, **d),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_torch(name):
    config, reference = REFERENCES[name]
    ours, theirs = build_net(), build_net()
    optimiser = build_optimiser(c.OptimConfig(optimiser=config, clip_norm=0.0), ours)
    groups = [
        {"params": [theirs.first.weight, theirs.second.weight], "weight_decay": 0.1},
        {"params": [theirs.embed.weight, theirs.first.bias, *theirs.norm.parameters()], "weight_decay": 0.0},
    ]
    other = reference(groups, PLAIN)
    for step in range(6):
        feed(ours, step)
        feed(theirs, step)
        optimiser.step()
        other.step()
        optimiser.zero_grad()
        other.zero_grad()
    assert not torch.equal(ours.first.weight, build_net().first.weight)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, theirs.get_parameter(name), atol=1e-6, rtol=1e-5)


def test_lion_equals_its_formula():
    config = c.LionConfig(learning_rate=0.01, beta1=0.8, beta2=0.95, weight_decay=0.5)
    net, reference = build_net(), build_net()
    optimiser = build_optimiser(c.OptimConfig(optimiser=config, clip_norm=0.0), net)
    momentum = torch.zeros(10, 6)
    for step in range(5):
        feed(net, step)
        gradient = net.first.weight.grad.clone()
        expected = net.first.weight.detach() * (1 - 0.01 * 0.5) - 0.01 * torch.sign(0.8 * momentum + 0.2 * gradient)
        momentum = 0.95 * momentum + 0.05 * gradient
        optimiser.step()
        optimiser.zero_grad()
        torch.testing.assert_close(net.first.weight.detach(), expected, atol=1e-7, rtol=1e-6)
    assert not torch.equal(net.norm.weight, reference.norm.weight)


JORDAN = coefficients_of("jordan", 5)


def exact_newton_schulz(x: torch.Tensor, name: str, steps: int) -> torch.Tensor:
    x = x.double()
    flip = x.shape[0] > x.shape[1]
    x = x.T if flip else x
    x = x / x.norm()
    for first, third, fifth in coefficients_of(name, steps):
        gram = x @ x.T
        x = first * x + (third * gram + fifth * gram @ gram) @ x
    return x.T if flip else x


@pytest.mark.parametrize("shape", [(16, 16), (16, 24), (16, 64), (8, 128)])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", ["jordan", "polar_express"])
def test_orthogonalise_equals_the_iteration_in_float64(shape, steps, name):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(x, coefficients_of(name, steps))
    for one, expected in zip(found, x, strict=True):
        torch.testing.assert_close(one.double(), exact_newton_schulz(expected, name, steps), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(32, 32), (32, 128)])
@pytest.mark.parametrize("name", ["jordan", "polar_express"])
def test_orthogonalise_of_a_matrix_of_low_rank(shape, name):
    """Gradients of small batches are nearly singular; the way through the Gram matrix squares that."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape[0], 4, generator=generator) @ torch.randn(4, shape[1], generator=generator)
    x += 1e-5 * torch.randn(shape, generator=generator)
    found = orthogonalise(x[None], coefficients_of(name, 5))[0]
    assert torch.linalg.matrix_norm(found, 2) < 1.3
    torch.testing.assert_close(found.double(), exact_newton_schulz(x, name, 5), atol=5e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(64, 64), (64, 256)])
def test_the_best_coefficients_leave_values_nearer_to_one(shape, dtype):
    """Singular values from 0.001 of the norm up; the worst of each road."""
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    values = torch.logspace(-2.5, 0, shape[0])
    x = (u * (values / values.norm())) @ v

    def worst(name, n_steps):
        found = orthogonalise(x[None].to(dtype), coefficients_of(name, n_steps))[0]
        return (torch.linalg.svdvals(found.float()) - 1).abs().max().item()

    assert worst("polar_express", 4) < 0.58 < 0.80 < worst("jordan", 4)
    assert worst("polar_express", 5) < 0.14 < 0.37 < worst("jordan", 5)
    assert worst("polar_express", 9) < 0.02


def test_orthogonalise_of_nothing_is_nothing():
    assert torch.equal(orthogonalise(torch.zeros(2, 4, 8), JORDAN), torch.zeros(2, 4, 8))


@pytest.mark.parametrize("shape", [(32, 32), (24, 64), (96, 32)])
@pytest.mark.parametrize(("scale", "theirs"), [("spectral", "original"), ("adamw", "match_rms_adamw")])
def test_muon_equals_torchs(shape, scale, theirs):
    """torch's works in bfloat16 (8 bits of fraction), so an entry of an update agrees to a few per cent of its size."""

    class One(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(shape))

    ours, other = One(), One()
    config = c.MuonConfig(learning_rate=0.1, momentum=0.9, scale=scale, weight_decay=0.2)
    optimiser = build_optimiser(c.OptimConfig(optimiser=config, clip_norm=0.0), ours)
    reference = torch.optim.Muon(
        other.parameters(), lr=0.1, momentum=0.9, weight_decay=0.2, nesterov=True, adjust_lr_fn=theirs
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        ours.weight.grad = torch.randn(shape, generator=generator)
        other.weight.grad = ours.weight.grad.clone()
        optimiser.step()
        reference.step()
    difference = (ours.weight - other.weight).detach().norm() / other.weight.detach().norm()
    assert difference < 0.03
    assert other.weight.abs().max() > 0.01


def test_muon_takes_fused_matrices_apart():
    model = build_gpt(n_kv_heads=1)
    qkv = model.blocks[0].attention.qkv.weight
    before = qkv.detach().clone()
    config = c.MuonConfig(learning_rate=0.1, weight_decay=0.0)
    optimiser = build_optimiser(c.OptimConfig(optimiser=config, clip_norm=0.0), model)
    # The queries' gradient is a thousand times the keys': one update each, of one size.
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    qkv.grad[:16] *= 1000
    expected = [orthogonalise(part[None], JORDAN)[0] for part in qkv.grad.split((16, 8, 8))]
    optimiser.step()
    moved = (before - qkv.detach()) / 0.1
    torch.testing.assert_close(moved, torch.cat(expected), atol=1e-4, rtol=1e-3)


def test_scale_of_updates():
    assert scale_of(128, 512, "spectral") == 1.0
    assert scale_of(512, 128, "spectral") == 2.0
    assert scale_of(128, 512, "adamw") == pytest.approx(0.2 * math.sqrt(512))


def test_rows_equal_adam_when_every_row_is_touched():
    """With one column a row's mean square is the weight's own, so the rule is Adam to the letter."""

    class Table(torch.nn.Module):
        def __init__(self, sparse):
            super().__init__()
            self.table = torch.nn.Embedding(5, 1, sparse=sparse)
            torch.nn.init.constant_(self.table.weight, 0.3)

    ours, theirs = Table(True), Table(False)
    rows = c.RowAdamConfig(learning_rate=0.01, beta1=0.8, beta2=0.97, epsilon=1e-6)
    optimiser = build_optimiser(c.OptimConfig(tables=rows, clip_norm=0.0), ours)
    reference = torch.optim.Adam(theirs.parameters(), **ADAM)
    ids = torch.tensor([0, 1, 2, 3, 4, 4, 0])
    for step in range(6):
        weight = torch.randn(7, 1, generator=torch.Generator().manual_seed(step))
        for model in (ours, theirs):
            (model.table(ids) * weight).sum().backward()
        optimiser.step()
        reference.step()
        optimiser.zero_grad()
        reference.zero_grad()
    torch.testing.assert_close(ours.table.weight, theirs.table.weight, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("squares", ["weight", "row"])
def test_rows_equal_adagrad(squares):
    """torch's Adagrad on sparse gradients; with one column a row's mean square is the weight's own."""
    width = 3 if squares == "weight" else 1

    def build():
        table = torch.nn.Embedding(5, width, sparse=True)
        torch.nn.init.constant_(table.weight, 0.3)
        return table

    ours, theirs = build(), build()
    rows = c.RowAdagradConfig(learning_rate=0.2, squares=squares)
    optimiser = build_optimiser(c.OptimConfig(tables=rows, clip_norm=0.0), ours)
    reference = torch.optim.Adagrad(theirs.parameters(), lr=0.2, eps=1e-10)
    for step, ids in enumerate(([0, 1, 1], [1, 4, 1], [0, 0, 4])):
        weight = torch.randn(3, width, generator=torch.Generator().manual_seed(step))
        for model in (ours, theirs):
            (model(torch.tensor(ids)) * weight).sum().backward()
        optimiser.step()
        reference.step()
        optimiser.zero_grad()
        reference.zero_grad()
    torch.testing.assert_close(ours.weight, theirs.weight, atol=1e-6, rtol=1e-5)
    assert (ours.weight[2:4] == 0.3).all() and (ours.weight[[0, 1, 4]] != 0.3).all()


def test_one_sum_of_squares_a_row_is_their_mean():
    table = torch.nn.Embedding(4, 2, sparse=True)
    torch.nn.init.zeros_(table.weight)
    optimiser = build_optimiser(c.OptimConfig(tables=c.RowAdagradConfig(learning_rate=0.5), clip_norm=0.0), table)
    for _ in range(2):
        (table(torch.tensor([2])) * torch.tensor([3.0, 1.0])).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    # Mean square 5 a step: gradient / sqrt(5), then / sqrt(10).
    factor = 0.5 * (1 / math.sqrt(5) + 1 / math.sqrt(10))
    torch.testing.assert_close(table.weight[2].detach(), -factor * torch.tensor([3.0, 1.0]))
    assert optimiser.tensors()["weight/square"].shape == (4, 1)


def test_momentum_warms_up():
    """Against the formula, Newton-Schulz and all; a schedule that starts a step late would differ."""

    class One(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(4, 6))

    model = One()
    config = c.MuonConfig(learning_rate=0.1, momentum=0.9, momentum_start=0.5, momentum_warmup_steps=4, weight_decay=0)
    optimiser = build_optimiser(c.OptimConfig(optimiser=config, clip_norm=0.0), model)
    memory, expected = torch.zeros(4, 6), torch.zeros(4, 6)
    for step, share in enumerate((0.5, 0.6, 0.7, 0.8, 0.9, 0.9)):
        gradient = torch.randn(4, 6, generator=torch.Generator().manual_seed(step))
        memory = share * memory + (1 - share) * gradient
        direction = (1 - share) * gradient + share * memory
        expected -= 0.1 * orthogonalise(direction[None], JORDAN)[0]
        model.weight.grad = gradient
        optimiser.step()
        torch.testing.assert_close(model.weight.detach(), expected, atol=1e-5, rtol=1e-5)


def test_untouched_rows_stay_bit_by_bit():
    model = build_gpt(ngram_orders=(2,), ngram_buckets=1000)
    table = model.ngrams.tables["2"].weight
    optimiser = train(c.OptimConfig(), model, range(3))
    touched = table.detach().abs().sum(1) > 0
    counts = optimiser.tensors()["ngrams.tables.2.weight/updates"][:, 0]
    assert torch.equal(touched, counts > 0) and 0 < touched.sum() < 100


def test_rows_keep_no_moment_of_the_gradient_by_default():
    """Against the formula: gradient / sqrt(mean square), both corrected for their short memory."""
    table = torch.nn.Embedding(4, 2, sparse=True)
    torch.nn.init.zeros_(table.weight)
    optimiser = build_optimiser(c.OptimConfig(clip_norm=0.0), table)
    square, expected = 0.0, torch.zeros(2)
    for step, gradient in enumerate((torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 2.0])), 1):
        (table(torch.tensor([2])) * gradient).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        square = 0.99 * square + 0.01 * gradient.square().mean()
        expected -= 0.01 * gradient / (square / (1 - 0.99**step)).sqrt()
    torch.testing.assert_close(table.weight[2].detach(), expected)
    assert set(optimiser.tensors()) == {"weight/updates", "weight/square"}
