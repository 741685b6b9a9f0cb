"""A mixture of experts against a loop over tokens; its losses, its counts, its causality, its optimiser groups."""

import copy
import itertools

import pytest
import torch
from torch import nn

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.models.experts import MixtureOfExperts, Router, build_experts
from idiolect.models.grouped import collect, grouped_linear, spread
from idiolect.models.measure import active_parameters, parameters
from idiolect.models.routing import watch_routing
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import MuonConfig, OptimConfig
from idiolect.optim.groups import assign_groups
from idiolect.optim.muon import coefficients_of, orthogonalise, scale_of
from tests.models.settings import OPEN, VARIANTS, V
from tests.models.toys import draw_tokens

ACTIVATIONS = {
    "relu2": lambda x: x.clamp_min(0) ** 2,
    "gelu": nn.functional.gelu,
    "gelu_tanh": lambda x: nn.functional.gelu(x, approximate="tanh"),
    "swiglu": nn.functional.silu,
    "geglu": nn.functional.gelu,
}


def drawn(config: GPTConfig, seed: int = 0) -> MixtureOfExperts:
    """A mixture in float64, every parameter of it random."""
    mixture = build_experts(config).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in mixture.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.5)
    return mixture


def mlp_of(config: GPTConfig, x, up, up_bias, down, down_bias):
    inner = up @ x + up_bias
    if config.gated_mlp:
        gate, value = inner.chunk(2)
        return down @ (ACTIVATIONS[config.mlp](gate) * value) + down_bias
    return down @ ACTIVATIONS[config.mlp](inner) + down_bias


def reference(mixture: MixtureOfExperts, config: GPTConfig, x_BTD):
    """One token after the other, one expert after the other."""
    E, k = config.n_experts, config.experts_per_token
    zero = torch.zeros((), dtype=x_BTD.dtype)
    ups, downs = mixture.up.weight.chunk(E), mixture.down.weight.chunk(E)
    up_biases = mixture.up.bias.chunk(E) if config.bias else [zero] * E
    down_biases = mixture.down.bias.chunk(E) if config.bias else [zero] * E
    rows = []
    for x in x_BTD.flatten(0, 1):
        logits = mixture.router.weight @ x
        p = torch.exp(logits) / torch.exp(logits).sum()
        chosen = sorted(range(E), key=lambda e: -logits[e].item())[:k]
        weights = p[chosen] / p[chosen].sum() if config.expert_gate == "chosen" else p[chosen]
        y = sum(
            weight * mlp_of(config, x, ups[e], up_biases[e], downs[e], down_biases[e])
            for e, weight in zip(chosen, weights, strict=True)
        )
        if config.shared_d_ff:
            up = mixture.shared.gate_up if config.gated_mlp else mixture.shared.up
            biases = (up.bias, mixture.shared.down.bias) if config.bias else (zero, zero)
            y = y + mlp_of(config, x, up.weight, biases[0], mixture.shared.down.weight, biases[1])
        rows.append(y)
    return torch.stack(rows).view_as(x_BTD)


@pytest.mark.parametrize("mlp", ACTIVATIONS)
@pytest.mark.parametrize(("gate", "k"), [("chosen", 2), ("all", 1), ("all", 3)])
@pytest.mark.parametrize("extras", [{}, {"bias": True, "shared_d_ff": 10, "expert_d_ff": 6}])
def test_output_and_gradients_equal_a_loop_over_tokens(mlp, gate, k, extras):
    config = GPTConfig(
        d_model=8, n_heads=2, d_ff=12, mlp=mlp, n_experts=4, experts_per_token=k, expert_gate=gate, **extras
    )
    mixture, generator = drawn(config).eval(), torch.Generator().manual_seed(1)
    x = torch.randn(2, 9, 8, generator=generator, dtype=torch.float64).requires_grad_()
    weights = torch.randn(2, 9, 8, generator=generator, dtype=torch.float64)
    got, want = mixture(x), reference(mixture, config, x)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    leaves = [x, *mixture.parameters()]
    for found, wanted in zip(*(torch.autograd.grad((y * weights).sum(), leaves) for y in (got, want)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("counts", [[2, 0, 3, 1], [6, 0, 0, 0], [0, 0, 0, 6]])
def test_the_hand_written_gradients_are_those_of_the_functions(counts):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    x, weight, bias = draw(6, 3), draw(4, 5, 3), draw(4, 5)
    assert torch.autograd.gradcheck(lambda x, w, b: grouped_linear(x, w, b, counts), (x, weight, bias))
    assert torch.autograd.gradcheck(lambda x, w: grouped_linear(x, w, None, counts), (x, weight))
    order = torch.randperm(6, generator=generator)
    assert torch.autograd.gradcheck(lambda x: spread(x, order, 2), (draw(3, 4),))
    assert torch.autograd.gradcheck(lambda y, w: collect(y, order, w), (draw(6, 4), draw(3, 2)))


def test_no_token_is_dropped_when_all_choose_one_expert():
    config = GPTConfig(d_model=8, n_heads=2, n_experts=4, experts_per_token=1, expert_gate="all")
    mixture = drawn(config).eval()
    with torch.no_grad():
        mixture.router.weight[2] = 0
        mixture.router.weight[:, 0] = torch.tensor([0.0, 0.0, 50.0, 0.0])
    x = torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[..., 0] = 1.0
    with watch_routing(mixture) as watch:
        found = mixture(x)
    assert watch.figures()["expert_load"] == [[0, 0, 1, 0]] and watch.figures()["expert_dead_share"] == 0.75
    torch.testing.assert_close(found, reference(mixture, config, x))
    assert (found.flatten(0, 1).abs().sum(-1) > 0).all()


def limited(router: Router, capacity: int):
    """The common alternative: an expert takes its `capacity` most confident tokens of the batch and drops the rest."""

    def forward(x_ND):
        weights_NK, experts_NK = Router.forward(router, x_ND)
        kept_NK = torch.zeros_like(weights_NK)
        for e in range(router.n_experts):
            here_NK = (weights_NK * (experts_NK == e)).flatten()
            best = here_NK.topk(capacity).indices
            kept_NK.view(-1)[best] = here_NK[best]
        return kept_NK, experts_NK

    return forward


def test_a_limit_on_an_experts_tokens_would_leak_from_the_future():
    """Negative control: an earlier output moves when a later token takes its place in an expert."""
    config = GPTConfig(d_model=8, n_heads=2, n_experts=2, experts_per_token=1, expert_gate="all")
    mixture = drawn(config).eval()
    x = torch.randn(1, 12, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    moved = {}
    for name in ("dropless", "limited"):
        if name == "limited":
            mixture.router.forward = limited(mixture.router, 3)
        differences = []
        for scale in (-8.0, 8.0, 30.0):
            later = x.clone()
            later[0, -1] *= scale
            differences.append((mixture(later) - mixture(x))[0, :-1].abs().max().item())
        moved[name] = max(differences)
    assert moved["dropless"] < 1e-12 and moved["limited"] > 0.01, moved


def test_auxiliary_loss_is_the_papers_and_is_taken_once():
    config = GPTConfig(
        **OPEN, n_experts=5, experts_per_token=2, balance_loss=0.3, router_z_loss=0.02, expert_layers="alternate"
    )
    model, tokens, seen = build_model(config, V, 0).train(), draw_tokens(2, 12, V), []
    for block in model.blocks:
        if isinstance(block.mlp, MixtureOfExperts):
            block.mlp.router.register_forward_hook(lambda module, inputs, _: seen.append((module.weight, inputs[0])))
    model(tokens)
    want = 0.0
    for weight, x in seen:
        logits = x @ weight.T
        p = logits.softmax(-1)
        f = torch.zeros(5)
        for row in logits.topk(2).indices.flatten():
            f[row] += 1 / (2 * len(x))
        want = want + 0.3 * 5 * (f * p.mean(0)).sum() + 0.02 * torch.log(torch.exp(logits).sum(-1)).square().mean()
    found = model.auxiliary_loss()
    assert len(seen) == 2 and found.ndim == 0
    torch.testing.assert_close(found, want)
    found.backward()
    routers = [p for name, p in model.named_parameters() if "router" in name]
    assert len(routers) == 2 and all(p.grad.abs().sum() > 0 for p in routers)
    assert model.auxiliary_loss() == 0
    model(tokens)
    copy.deepcopy(model)
    model.eval()(tokens)
    assert model.auxiliary_loss() == 0


def test_an_even_router_has_the_least_unevenness():
    config = GPTConfig(d_model=8, n_heads=2, n_experts=4, experts_per_token=2, router_z_loss=0.0, balance_loss=1.0)
    mixture = drawn(config).train()
    x = torch.randn(400, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.5
    mixture(x)
    drawn_value = mixture.router.left.take().item()
    assert drawn_value > 1.01
    with torch.no_grad():
        mixture.router.weight.mul_(1e-6)
    mixture(x)
    assert mixture.router.left.take().item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("mlp", ["relu2", "swiglu"])
def test_parameters_land_in_their_groups_and_muon_takes_experts_apart(mlp):
    config = GPTConfig(**OPEN, n_experts=3, mlp=mlp, bias=True, shared_d_ff=16, expert_d_ff=20)
    model = build_model(config, V, 0)
    groups = {name: group for group, names in assign_groups(model).items() for name in names}
    of_mlp = {name.split("mlp.")[1]: group for name, group in groups.items() if name.startswith("blocks.1.mlp.")}
    shared = "shared.gate_up" if mlp == "swiglu" else "shared.up"
    assert of_mlp == {
        "router.weight": "matrices", "up.weight": "matrices", "down.weight": "matrices", "up.bias": "biases",
        "down.bias": "biases", f"{shared}.weight": "matrices", f"{shared}.bias": "biases",
        "shared.down.weight": "matrices", "shared.down.bias": "biases",
    }  # fmt: skip
    rule = MuonConfig(learning_rate=0.1, weight_decay=0.0, momentum_warmup_steps=0)
    optimiser = build_optimiser(OptimConfig(optimiser=rule, clip_norm=0.0), model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(draw_tokens(2, 20, V))[0].square().sum().backward()
    parts = {"up": 6 if mlp == "swiglu" else 3, "down": 3}
    gradients = {name: getattr(model.blocks[0].mlp, name).weight.grad.clone() for name in parts}
    optimiser.set_learning_rate_factor(1.0)
    optimiser.step()
    coefficients = coefficients_of(rule.coefficients, rule.newton_schulz_steps)
    for name, n_parts in parts.items():
        after = getattr(model.blocks[0].mlp, name).weight.detach()
        pairs = zip(gradients[name].chunk(n_parts), before[f"blocks.0.mlp.{name}.weight"].chunk(n_parts), strict=True)
        want = []
        for gradient, weight in pairs:
            # Nesterov's first step: any positive multiple of the gradient, which orthogonalising forgets.
            wide = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.T
            update = orthogonalise(wide[None], coefficients)[0]
            update = update if update.shape == weight.shape else update.T
            want.append(weight - 0.1 * scale_of(*weight.shape, rule.scale) * update)
        torch.testing.assert_close(after, torch.cat(want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["experts", "one expert of many", "experts, alternate"])
def test_active_parameters_are_those_that_one_token_moves(name):
    config = VARIANTS[name]
    model = build_model(config, V, 0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    model(draw_tokens(1, 1, V))[0].square().sum().backward()
    idle = 0
    for block, part in itertools.product(model.blocks, ("up", "down")):
        if isinstance(block.mlp, MixtureOfExperts):
            linear = getattr(block.mlp, part)
            for grad in linear.weight.grad.chunk(config.n_experts):
                idle += grad.numel() if not grad.any() else 0
            if linear.bias is not None:
                idle += sum(g.numel() for g in linear.bias.grad.chunk(config.n_experts) if not g.any())
    n_all = sum(p.numel() for p in model.parameters())
    assert active_parameters(config, V) == n_all - idle < n_all == parameters(config, V)["total"]
    assert active_parameters(VARIANTS["gpt2"], V) == parameters(VARIANTS["gpt2"], V)["total"]


def test_the_router_keeps_full_precision_and_the_rest_does_not():
    config = GPTConfig(**OPEN, n_experts=4)
    model, seen = build_model(config, V, 0), []
    model.blocks[0].mlp.router.register_forward_hook(lambda module, inputs, output: seen.append(output[0].dtype))
    model.blocks[0].mlp.up.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = model(draw_tokens(2, 12, V))
    hidden.float().sum().backward()
    assert seen == [torch.float32, torch.bfloat16]
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())


def test_the_balance_loss_evens_the_loads():
    """Negative control: without it the same training leaves the loads far more uneven."""
    entropy = {}
    for balance in (0.0, 0.1):
        config = GPTConfig(**OPEN, n_experts=8, balance_loss=balance, router_z_loss=0.0)
        model, tokens = build_model(config, V, 0).train(), draw_tokens(8, 24, V)
        with torch.no_grad():
            # All tokens share a direction that two experts like.
            model.embed.weight[:, 0] += 1.0
            for block in model.blocks:
                block.mlp.router.weight[:2, 0] += 2.0
        optimiser = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(15):
            loss = nn.functional.cross_entropy(
                model.head(model(tokens)[0])[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
            )
            (loss + model.auxiliary_loss()).backward()
            optimiser.step()
            optimiser.zero_grad()
        with watch_routing(model.eval()) as watch:
            model(tokens)
        entropy[balance] = watch.figures()["expert_load_entropy"]
    assert entropy[0.1] > entropy[0.0] + 0.1, entropy


def test_what_is_seen_of_routing():
    model = build_model(VARIANTS["experts"], V, 0).eval()
    with watch_routing(model) as watch:
        model(draw_tokens(3, 20, V))
    model(draw_tokens(3, 20, V, seed=1))
    figures = watch.figures()
    assert all(sum(load) == pytest.approx(1, abs=1e-3) for load in figures["expert_load"])
    assert [len(load) for load in figures["expert_load"]] == [5] * 3 and sum(watch.counts_E[0]).item() == 2 * 3 * 20
    assert 0 < figures["expert_load_entropy"] <= 1 <= figures["expert_load_max"]
    with watch_routing(build_model(VARIANTS["default"], V, 0)) as watch:
        pass
    assert watch.figures() == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(n_experts=2, experts_per_token=3), "more than model.n_experts"),
        (dict(n_experts=2, experts_per_token=1), "teaches the router nothing"),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        GPTConfig(**settings)
