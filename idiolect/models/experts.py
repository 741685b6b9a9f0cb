"""A mixture of experts: several MLPs, of which each token goes through a few (arXiv 1701.06538, 2101.03961).

    x -> router -> the k likeliest experts of each token, and their weights
      -> tokens sorted by expert -> one matrix product an expert -> back in order -> weighted sum (+ the shared expert)

Start at `MixtureOfExperts.forward`. No token is ever dropped, however many choose one expert (dropless: MegaBlocks,
arXiv 2211.15841): a limit on an expert's tokens would be a leak besides, since whether there is room for a token would
depend on later ones (tests/models/test_experts.py shows it). Which experts a token takes depends on that token alone;
only `auxiliary_loss` looks over the batch, and it is no part of the output. What it sees at once is one rank's
micro-batch, so that it alone depends on how a batch is split (a load times a share is no sum over tokens).
"""

from typing import Any

import torch
from torch import Tensor, nn

from idiolect.models.config import GPTConfig
from idiolect.models.grouped import collect, grouped_linear, spread
from idiolect.models.layers import build_activation, build_mlp


class Left:
    """What a forward pass leaves behind until it is taken; a copy of the model starts with nothing."""

    def __init__(self):
        self.value: Tensor | None = None

    def take(self) -> Tensor | None:
        value, self.value = self.value, None
        return value

    def __deepcopy__(self, memo: dict[int, Any]) -> "Left":
        # A tensor amid a graph can't be copied, and the copy has made no pass.
        return Left()

    def __getstate__(self) -> dict[str, Any]:
        return {"value": None}


class Router(nn.Module):
    """A linear map to one logit an expert, in full precision whatever the rest computes in (arXiv 2101.03961, 2.4).

    `weigh` turns the chosen logits and all probabilities into the chosen experts' weights.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.n_chosen, self.n_experts = config.experts_per_token, config.n_experts
        self.balance, self.pull = config.balance_loss, config.router_z_loss
        self.weight = nn.Parameter(torch.empty(config.n_experts, config.d_model))
        self.weigh = _weigh_chosen if config.expert_gate == "chosen" else _weigh_all
        self.left = Left()

    def forward(self, x_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (N, k) and numbers (N, k) of each token's experts, the likeliest first."""
        with torch.autocast(x_ND.device.type, enabled=False):
            logits_NE = nn.functional.linear(x_ND.to(self.weight.dtype), self.weight)
            share_NE = logits_NE.softmax(-1)
            chosen_NK, experts_NK = logits_NE.topk(self.n_chosen, dim=-1)
            self.left.value = self._auxiliary(logits_NE, share_NE, experts_NK) if self.training else None
            return self.weigh(chosen_NK, share_NE, experts_NK), experts_NK

    def _auxiliary(self, logits_NE: Tensor, share_NE: Tensor, experts_NK: Tensor) -> Tensor:
        """Unevenness n_experts * sum(load * mean share), 1 when even (arXiv 2101.03961, equation 4), and the pull on
        the logits, the mean of log^2 of their sum (arXiv 2202.08906, equation 5), each times its factor."""
        load_E = load_of(experts_NK, self.n_experts).to(share_NE.dtype)
        uneven = self.n_experts * (load_E * share_NE.mean(0)).sum()
        return self.balance * uneven + self.pull * logits_NE.logsumexp(-1).square().mean()


def _weigh_chosen(chosen_NK: Tensor, share_NE: Tensor, experts_NK: Tensor) -> Tensor:
    return chosen_NK.softmax(-1)


def _weigh_all(chosen_NK: Tensor, share_NE: Tensor, experts_NK: Tensor) -> Tensor:
    return share_NE.gather(-1, experts_NK)


def load_of(experts_NK: Tensor, n_experts: int) -> Tensor:
    """Each expert's share of all choices (E,), float64: they sum to 1."""
    counts_E = torch.bincount(experts_NK.flatten(), minlength=n_experts)
    return counts_E.double() / max(1, experts_NK.numel())


class ExpertLinear(nn.Module):
    """A linear map an expert, their matrices one above the other: (E x F, D), as Muon and the initialiser like them."""

    def __init__(self, n_experts: int, n_in: int, n_out: int, bias: bool):
        super().__init__()
        self.n_experts = n_experts
        self.weight = nn.Parameter(torch.empty(n_experts * n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_experts * n_out)) if bias else None

    def forward(self, x_MD: Tensor, counts: list[int]) -> Tensor:
        """Rows sorted by expert, `counts` of them each, through their experts' maps."""
        weight_EFD = self.weight.unflatten(0, (self.n_experts, -1))
        bias_EF = None if self.bias is None else self.bias.unflatten(0, (self.n_experts, -1))
        return grouped_linear(x_MD, weight_EFD, bias_EF, counts)


class Gated(nn.Module):
    """activate(first half) * second half: what a gated MLP does between its matrices (arXiv 2002.05202)."""

    def __init__(self, activation: nn.Module):
        super().__init__()
        self.activation = activation

    def forward(self, x_MF: Tensor) -> Tensor:
        gate_MF, up_MF = x_MF.chunk(2, dim=-1)
        return self.activation(gate_MF) * up_MF


class NoExpert(nn.Module):
    """Stands where no expert is shared."""

    def forward(self, x_BTD: Tensor) -> float:
        return 0.0


class MixtureOfExperts(nn.Module):
    """sum over a token's experts of weight * down(activate(up(x))), and the shared expert's output."""

    def __init__(self, config: GPTConfig, activation: nn.Module, shared: nn.Module):
        super().__init__()
        n, d, ff = config.n_experts, config.d_model, config.resolved_expert_d_ff
        self.n_experts = n
        self.router = Router(config)
        self.up = ExpertLinear(n, d, 2 * ff if config.gated_mlp else ff, config.bias)
        self.activation = activation
        self.down = ExpertLinear(n, ff, d, config.bias)
        self.shared = shared

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_ND = x_BTD.flatten(0, -2)
        weights_NK, experts_NK = self.router(x_ND)
        # Stable, so that a token's place among its expert's depends on those before it alone.
        order_M = experts_NK.flatten().argsort(stable=True)
        counts = torch.bincount(experts_NK.flatten(), minlength=self.n_experts).tolist()
        x_MD = spread(x_ND, order_M, experts_NK.shape[1])
        y_MD = self.down(self.activation(self.up(x_MD, counts)), counts)
        y_ND = collect(y_MD, order_M, weights_NK)
        return y_ND.view_as(x_BTD) + self.shared(x_BTD)


def build_experts(config: GPTConfig) -> nn.Module:
    """The mixture the config asks for, of the same kinds of MLP as `build_mlp`'s."""
    activation = build_activation(config.mlp)
    activation = Gated(activation) if config.gated_mlp else activation
    shared = build_mlp(config.model_copy(update={"d_ff": config.shared_d_ff})) if config.shared_d_ff else NoExpert()
    return MixtureOfExperts(config, activation, shared)


def expert_rows(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """The rows of each matrix that stands in one of the experts' parameters, for an optimiser of matrices."""
    n, ff, rows = config.n_experts, config.resolved_expert_d_ff, {}
    for layer in config.expert_layer_numbers:
        name = f"blocks.{layer}.mlp"
        rows[f"{name}.up.weight"] = (ff,) * (2 * n if config.gated_mlp else n)
        rows[f"{name}.down.weight"] = (config.d_model,) * n
        if config.gated_mlp and config.shared_d_ff:
            rows[f"{name}.shared.gate_up.weight"] = (config.shared_d_ff,) * 2
    return rows


def sum_auxiliary(model: nn.Module) -> Tensor:
    """The sum of what the last pass left at every router of a model, taken away; 0 without one."""
    left = (module.left.take() for module in model.modules() if isinstance(module, Router))
    device = next(model.parameters()).device
    return sum((value for value in left if value is not None), torch.zeros((), device=device))
