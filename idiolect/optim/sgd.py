"""Stochastic gradient descent whose parameters needn't all begin at the same step."""

import torch


class SGD(torch.optim.SGD):
    """PyTorch's; its fused kernel (torch 2.13) fails on parameters of which some have a momentum yet and some don't.

    So it is with an embedding that was frozen for its first steps, or an expert that no token chose. A momentum of
    zeros is what a first step makes of none: momentum x 0 + gradient.
    """

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                if parameter.grad is not None and self.state[parameter].get("momentum_buffer") is None:
                    self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return super().step(closure)
