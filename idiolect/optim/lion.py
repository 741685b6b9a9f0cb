"""Lion: every weight moves by the sign of an interpolated momentum (arXiv 2302.06675, algorithm 2)."""

import torch
from torch.optim import Optimizer


class Lion(Optimizer):
    """One moment instead of Adam's two."""

    def __init__(self, groups: list[dict], beta1: float, beta2: float):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})
        self.beta1, self.beta2 = beta1, beta2

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            for parameter in parameters:
                if not self.state[parameter]:
                    self.state[parameter]["momentum"] = torch.zeros_like(parameter)
            gradients = [parameter.grad for parameter in parameters]
            momenta = [self.state[parameter]["momentum"] for parameter in parameters]
            directions = torch._foreach_lerp(momenta, gradients, 1 - self.beta1)
            torch._foreach_sign_(directions)
            if group["weight_decay"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, directions, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, gradients, 1 - self.beta2)
