"""The global norm of all gradients, and scaling them down to it."""

import math

import torch
from torch import Tensor


def clip_gradients(parameters: list[Tensor], most: float) -> float:
    """Scale gradients in place so that their global norm is at most `most` (0 = leave them); return the norm before.

    A norm that is not finite is returned as it is and nothing is scaled, so that the caller sees the batch as it was.
    """
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            # A row read twice has two entries; their sum is what counts.
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values())
        else:
            gradients.append(parameter.grad)
    if not gradients:
        return 0.0
    norms = torch._foreach_norm(gradients)
    norm = float(torch.linalg.vector_norm(torch.stack([norm.float() for norm in norms])))
    if 0 < most < norm and math.isfinite(norm):
        torch._foreach_mul_(gradients, most / norm)
    return norm
