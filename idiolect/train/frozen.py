"""Parameters that stay as they are for their first steps: what is frozen is a pure function of the step.

A frozen parameter asks for no gradient, so it has none, and every optimiser passes over what has none: no decay, no
moment, no share in the clipped norm. Its moments begin when it is let go.
"""

from collections.abc import Mapping

from torch import nn


def hold(model: nn.Module, frozen: Mapping[str, int], step: int) -> None:
    """Freeze each named parameter while `step`, the updates made so far, is below its number; let it go from there."""
    for name, until in frozen.items():
        parameter = model.get_parameter(name)
        parameter.requires_grad_(step >= until)
        if step < until:
            parameter.grad = None
