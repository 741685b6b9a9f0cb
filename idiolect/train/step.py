"""One update: micro-batches in, gradients summed over them and over the ranks, checked, clipped, applied.

The mean of a step is sum(nats) / sum(scored targets) over everything the step saw, so the division happens once:

    one micro-batch, alone      before the backward pass, where it is free
    several, or several ranks   after it, in the same pass over the gradients that clips them
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from idiolect import distributed, faults
from idiolect.errors import DataError

BUCKET_BYTES = 32 * 2**20


@dataclass(frozen=True)
class StepResult:
    """What one update saw, over all micro-batches and ranks; `applied` is False when it was not finite."""

    sum_nats: float
    n_scored: int
    n_tokens: int
    grad_norm: float
    stop: bool
    applied: bool


def take_step(
    model: nn.Module,
    optimiser: Any,
    batch: Any,
    *,
    loss_of: Callable[[nn.Module, Any], tuple[Tensor, Tensor]],
    device: Any,
    micro_samples: int = 0,
    clip_norm: float = 0.0,
    stop: bool = False,
) -> StepResult:
    """Learn from this rank's part of a batch. `micro_samples` rows go through at once (0 = all).

    The gradients are left in place and nothing is applied when a loss or gradient is not finite. `stop` is this rank's
    wish to end; the result says whether any rank wishes it. Raises DataError when nothing in the batch is scored.
    """
    n_rows = batch.tokens_BT.shape[0]
    micro_samples = min(micro_samples or n_rows, n_rows)
    alone = distributed.world_size() == 1
    whole = alone and micro_samples == n_rows
    sums = []
    for first in range(0, n_rows, micro_samples):
        micro = (batch if whole else batch.slice(first, first + micro_samples)).to(device.torch)
        with device.autocast():
            sum_nats, n_scored = loss_of(model, micro)
        # A batch with nothing to learn from is refused below; here it must not become 0 / 0.
        (sum_nats / n_scored.clamp_min(1) if whole else sum_nats).backward()
        sums.append(torch.stack([sum_nats.detach().double(), n_scored.double()]))
    totals = torch.stack(sums).sum(0)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not alone:
        totals = _sum_over_ranks(parameters, torch.cat([totals, totals.new_tensor([batch.tokens_BT.numel(), stop])]))
    gradients = [p.grad for p in parameters if p.grad is not None]
    if faults.reached("step.after_backward") == "nan":
        gradients[0].view(-1)[0] = float("nan")
    norm = torch.nn.utils.get_total_norm(gradients)
    # The only place a step waits for the device.
    values = torch.cat([totals, norm.double()[None]]).tolist()
    sum_nats, n_scored = values[0], int(values[1])
    n_tokens, stop = (batch.tokens_BT.numel(), stop) if alone else (int(values[2]), values[3] > 0)
    if not n_scored:
        raise DataError(
            "a batch has no scored target",
            why=f"none of its {n_tokens:,} tokens counts in the loss, so there is nothing to learn from",
            fix="a larger context_length or batch_tokens, or look at the examples: their answers may all be cut off",
        )
    scale = 1.0 if whole else 1.0 / n_scored
    grad_norm = values[-1] * scale
    finite = abs(sum_nats) < float("inf") and grad_norm < float("inf")
    if finite:
        if clip_norm and grad_norm > clip_norm:
            scale *= clip_norm / grad_norm
        if scale != 1.0:
            torch._foreach_mul_(gradients, scale)
        optimiser.step()
        optimiser.zero_grad()
    return StepResult(sum_nats, n_scored, n_tokens, grad_norm, bool(stop), finite)


def _sum_over_ranks(parameters: list[nn.Parameter], totals: Tensor) -> Tensor:
    """Sum the gradients, in place, and the totals over all ranks. Every rank sends the same tensors in the same order."""
    distributed.all_reduce_sum(totals)
    for p in parameters:
        if p.grad is None:
            # A rank whose micro-batches never touched a parameter must still take part in its sum.
            p.grad = torch.zeros_like(p)
    bucket: list[Tensor] = []
    for i, p in enumerate(parameters):
        bucket.append(p.grad)
        ahead = parameters[i + 1] if i + 1 < len(parameters) else None
        full = sum(g.nbytes for g in bucket) >= BUCKET_BYTES
        if full or ahead is None or ahead.dtype != p.dtype:
            flat = distributed.all_reduce_sum(torch.cat([g.reshape(-1) for g in bucket]))
            for g, part in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                g.copy_(part.view_as(g))
            bucket = []
    return totals
