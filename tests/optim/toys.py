"""Small models and gradients for the tests of this room."""

import torch
from torch import Tensor, nn

from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import OptimConfig

V = 31
SMALL = dict(context_length=16, n_layers=2, d_model=16, n_heads=2)


class Net(nn.Module):
    """One of each: a matrix, a bias, a norm, an embedding; three axes too."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 6)
        self.first = nn.Linear(6, 10)
        self.norm = nn.LayerNorm(10)
        self.second = nn.Linear(10, 3, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.second(self.norm(self.first(self.embed(ids))).relu())


def build_net(seed: int = 0) -> Net:
    net = Net()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return net


def build_gpt(**changes) -> nn.Module:
    return build_model(GPTConfig(**SMALL | changes), V, 0)


def feed(model: nn.Module, step: int) -> None:
    """Gradients of a made-up loss on made-up input, a function of the step alone."""
    generator = torch.Generator().manual_seed(step)
    if isinstance(model, Net):
        ids = torch.randint(0, 7, (9,), generator=generator)
        outputs = model(ids)
    else:
        outputs = model.head(model(torch.randint(0, V, (2, 12), generator=generator))[0])
    (outputs - torch.randn(outputs.shape, generator=generator)).square().mean().backward()


def train(config: OptimConfig, model: nn.Module, steps: range, optimiser=None):
    optimiser = optimiser or build_optimiser(config, model)
    for step in steps:
        feed(model, step)
        optimiser.clip()
        optimiser.set_learning_rate_factor(1.0 - step / 20)
        optimiser.step()
        optimiser.zero_grad()
    return optimiser
