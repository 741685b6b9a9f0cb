"""One update: micro-batches in, gradients summed over them and over the ranks, checked, clipped, applied.

The mean of a step is sum(loss) / sum(scored targets) over everything the step saw, so the division happens once:

    one micro-batch, alone      before the backward pass, where it is free
    several, or several ranks   after it, in the same pass over the gradients that clips them
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from idiolect import distributed, faults
from idiolect.data.priced import Priced
from idiolect.errors import DataError

BUCKET_BYTES = 32 * 2**20


@dataclass(frozen=True)
class StepResult:
    """What one update saw, over all micro-batches and ranks; `applied` is False when it was not finite.

    `sum_nats` is the plain cross-entropy that is reported; what was minimised may have been more.
    """

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
    loss_of: Callable[[nn.Module, Any], Priced],
    device: Any,
    micro_samples: int = 0,
    stop: bool = False,
) -> StepResult:
    """Learn from this rank's part of a batch. `micro_samples` rows go through at once (0 = all).

    The gradients are left in place and nothing is applied when a loss or gradient is not finite. `stop` is this rank's
    wish to end; the result says whether any rank wishes it. Raises DataError when nothing in the batch is scored.
    """
    n_rows, n_tokens = batch.tokens_BT.shape[0], batch.tokens_BT.numel()
    if getattr(batch, "source_BS", None) is not None:
        n_tokens += batch.source_BS.numel()
    micro_samples = min(micro_samples or n_rows, n_rows)
    whole = distributed.world_size() == 1 and micro_samples == n_rows
    precise = torch.float32 if device.torch.type == "mps" else torch.float64
    totals = torch.tensor([0, 0, 0, n_tokens, stop], dtype=precise, device=device.torch)
    for first in range(0, n_rows, micro_samples):
        micro = (batch if whole else batch.slice(first, first + micro_samples)).to(device.torch)
        with device.autocast():
            loss, n_scored, nats = loss_of(model, micro)
        # A batch with nothing to learn from is refused below; here it must not become 0 / 0.
        (loss / n_scored.clamp_min(1) if whole else loss).backward()
        if not whole:
            # Rows read by several micro-batches would pile up: their sum takes the room of one.
            values_of(model)
        totals[:3] += torch.stack([nats.to(precise), n_scored.to(precise), loss.detach().to(precise)])
    if not whole:
        _sum_over_ranks(model, totals)
        torch._foreach_mul_(values_of(model), (1 / totals[1].clamp_min(1)).float())
    if faults.reached("step.after_backward") == "nan":
        values_of(model)[0].view(-1)[0] = float("nan")
    # Here, and nowhere else in a step, we wait for the device.
    grad_norm = optimiser.clip()
    sum_nats, n_scored, sum_loss, n_tokens, stop = totals.tolist()
    if not n_scored:
        raise DataError(
            "a batch has no scored target",
            why=f"none of its {int(n_tokens):,} tokens counts in the loss, so there is nothing to learn from",
            fix="a larger context_length or batch_tokens, or look at the examples: their answers may all be cut off",
        )
    finite = math.isfinite(sum_nats) and math.isfinite(sum_loss) and math.isfinite(grad_norm)
    if finite:
        optimiser.step()
        optimiser.zero_grad()
    return StepResult(sum_nats, int(n_scored), int(n_tokens), grad_norm, stop > 0, finite)


def values_of(model: nn.Module) -> list[Tensor]:
    """The gradients' numbers, to be changed in place: of a row-sparse gradient, those of its rows."""
    values = []
    for p in model.parameters():
        if p.grad is not None and p.grad.is_sparse:
            p.grad = p.grad.coalesce()
            values.append(p.grad.values())
        elif p.grad is not None:
            values.append(p.grad)
    return values


def _sum_over_ranks(model: nn.Module, totals: Tensor) -> None:
    """Sum the gradients and the totals over all ranks, in place. Every rank sends the same tensors in one order."""
    if distributed.world_size() == 1:
        return
    distributed.all_reduce_sum(totals)
    row_sparse = {m.weight for m in model.modules() if getattr(m, "sparse", False)}
    bucket: list[Tensor] = []
    for p in model.parameters():
        if p.requires_grad and p.grad is None:
            # A rank whose micro-batches never touched a parameter must still take part in its sum.
            p.grad = torch.zeros_like(p)
        if p in row_sparse and p.requires_grad:
            # Ranks touch different rows; the dense sum says which rows any of them touched.
            dense = p.grad.to_dense() if p.grad.is_sparse else p.grad
            p.grad = distributed.all_reduce_sum(dense).to_sparse(1)
        elif p.requires_grad:
            if bucket and (bucket[0].dtype != p.grad.dtype or sum(g.nbytes for g in bucket) >= BUCKET_BYTES):
                _reduce_bucket(bucket)
                bucket = []
            bucket.append(p.grad)
    _reduce_bucket(bucket)


def _reduce_bucket(bucket: list[Tensor]) -> None:
    if bucket:
        flat = distributed.all_reduce_sum(torch.cat([g.reshape(-1) for g in bucket]))
        for g, part in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            g.copy_(part.view_as(g))
