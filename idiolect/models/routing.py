"""What a mixture of experts does with its tokens: who is busy, who is idle. For probes; it changes nothing."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from idiolect.models.experts import Router


def watch_routing(model: nn.Module) -> "RoutingWatch":
    """Count, while it is open, which experts a model's tokens go through: `with watch_routing(model) as watch: ...`."""
    return RoutingWatch([module for module in model.modules() if isinstance(module, Router)])


class RoutingWatch:
    """Counts of choices by router and expert; without routers it sees nothing, and a model without any is no error."""

    def __init__(self, routers: list[Router]):
        self.routers = routers

    def __enter__(self) -> "RoutingWatch":
        self.counts_E = [torch.zeros(router.n_experts, dtype=torch.int64) for router in self.routers]
        self._hooks = [
            router.register_forward_hook(lambda module, inputs, chosen, n=n: self._count(n, chosen[1]))
            for n, router in enumerate(self.routers)
        ]
        return self

    def __exit__(self, *_error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _count(self, number: int, experts_NK: Tensor) -> None:
        counts_E = self.counts_E[number]
        counts_E += torch.bincount(experts_NK.flatten(), minlength=len(counts_E)).cpu()

    def figures(self) -> dict[str, Any]:
        """What was seen, for metrics.jsonl; empty for a model without experts.

        expert_load          by layer and expert: its share of the layer's choices
        expert_load_max      the busiest expert's, times their number: 1 when all are equally busy
        expert_load_entropy  mean over layers, of log(n_experts): 1 when all are equally busy, 0 when one does all
        expert_dead_share    experts that no token went through, of all
        """
        if not self.routers:
            return {}
        load_LE = [(counts_E / counts_E.sum().clamp_min(1)).tolist() for counts_E in self.counts_E]
        most = [math.log(len(load_E)) or 1.0 for load_E in load_LE]
        entropy = [-sum(p * math.log(p) for p in load_E if p) for load_E in load_LE]
        n_experts = sum(map(len, load_LE))
        return {
            "expert_load": [[round(p, 5) for p in load_E] for load_E in load_LE],
            "expert_load_max": max(max(load_E) * len(load_E) for load_E in load_LE),
            "expert_load_entropy": sum(h / top for h, top in zip(entropy, most, strict=True)) / len(load_LE),
            "expert_dead_share": sum(p == 0 for load_E in load_LE for p in load_E) / n_experts,
        }
