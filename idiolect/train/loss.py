"""Hidden states and targets in, a sum of nats out: the head and its cross-entropy, fused where logits are large.

The caller divides the sum once, by the whole step's count of scored targets. Micro-batches with few scored targets
(padding, short answers) would otherwise weigh as much as full ones.

Three roads to the same number, tested equal:
    plain     autograd over all logits: fastest while they are small
    fused     a chunk of rows at a time, its gradient taken while its logits are there: no chunk is kept
    scoring   no gradient wanted: a chunk at a time, nothing kept
On a CPU (one core, 1,024 x 512 to 8,192 words and 2,048 x 256 to 16,384) the fused road took 0.9 and 0.85 of the plain
road's time. `F.linear_cross_entropy` (torch 2.13) is not among the roads: there it took 1.6 and 1.9 times the fused
road's time, and it knows no soft-cap.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from idiolect.data.priced import Priced

IGNORED = -100
# Logits (rows x vocabulary) up to which the plain road is taken, and the chunk of the others, by kind of device.
PLAIN_LOGITS = {"cpu": 2**21, "cuda": 2**27}
CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**26}


def lm_loss(model: nn.Module, batch: Any) -> Priced:
    """The batch's scored targets priced in float32, without waiting for the device.

    A model's `auxiliary_loss()` (a mean per token of its last forward pass, 0-d) is added, once for each target.
    """
    hidden_BTD, _ = model(**batch.inputs())
    hidden_ND, targets_N = hidden_BTD.flatten(0, 1), batch.targets_BT.flatten()
    scored_N = batch.loss_mask_BT.flatten()
    nats, n_scored = head_nats(model, hidden_ND, targets_N, scored_N), scored_N.sum()
    auxiliary_loss = getattr(model, "auxiliary_loss", None)
    loss = nats if auxiliary_loss is None else nats + auxiliary_loss() * n_scored
    return Priced(loss, n_scored, nats.detach())


def head_nats(model: nn.Module, hidden_ND: Tensor, targets_N: Tensor, scored_N: Tensor) -> Tensor:
    """Sum of nats of the scored rows under the model's head: a 0-d float32 tensor that carries gradients."""
    if hidden_ND.device.type == "cpu":
        # Rows that don't count cost nothing. On a GPU picking them would wait for the mask, so they are ignored there.
        if not scored_N.all():
            rows_N = scored_N.nonzero().squeeze(1)
            hidden_ND, targets_N = hidden_ND.index_select(0, rows_N), targets_N.index_select(0, rows_N)
    else:
        targets_N = torch.where(scored_N, targets_N, IGNORED)
    kind = hidden_ND.device.type
    # Not the head matrix's own shape: some models must put that matrix together first.
    n_vocabulary = model.vocabulary_size
    chunk_rows = max(1, CHUNK_LOGITS.get(kind, CHUNK_LOGITS["cpu"]) // n_vocabulary)
    if not torch.is_grad_enabled():
        return _scored_nats(model, hidden_ND, targets_N, chunk_rows)
    if hidden_ND.shape[0] * n_vocabulary <= PLAIN_LOGITS.get(kind, PLAIN_LOGITS["cpu"]):
        return _sum_nats(model.head(hidden_ND), targets_N)
    return FusedHeadLoss.apply(hidden_ND, model.head_weight, targets_N, float(model.logit_softcap), chunk_rows)


def _sum_nats(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    return F.cross_entropy(logits_NV.float(), targets_N, ignore_index=IGNORED, reduction="sum")


def _scored_nats(model: nn.Module, hidden_ND: Tensor, targets_N: Tensor, chunk_rows: int) -> Tensor:
    total = torch.zeros((), device=hidden_ND.device)
    for hidden_nD, targets_n in zip(hidden_ND.split(chunk_rows), targets_N.split(chunk_rows), strict=True):
        total += _sum_nats(model.head(hidden_nD), targets_n)
    return total


class FusedHeadLoss(torch.autograd.Function):
    """Sum of nats of head(hidden), holding the logits of one chunk of rows at a time.

    The loss is a sum, so a chunk's gradient is known as soon as its logits are: softmax minus one-hot. Taking it there
    and then costs no recomputation; `backward` only scales it. Idea: Liger Kernel (arXiv 2410.10989), Cut
    Cross-Entropy (arXiv 2411.09009).
    """

    @staticmethod
    def forward(ctx, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, softcap: float, chunk_rows: int):
        kind = hidden_ND.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight_VD.dtype
        want_hidden, want_weight = ctx.needs_input_grad[:2]
        grad_hidden_ND = torch.empty_like(hidden_ND) if want_hidden else None
        grad_weight_VD = torch.zeros_like(weight_VD) if want_weight else None
        total = torch.zeros((), device=hidden_ND.device)
        with torch.autocast(kind, enabled=False):
            cast_ND, cast_VD = hidden_ND.to(dtype), weight_VD.to(dtype)
            for start in range(0, hidden_ND.shape[0], chunk_rows):
                rows = slice(start, start + chunk_rows)
                nats, slope_nV = _nats_and_slope(cast_ND[rows] @ cast_VD.T, targets_N[rows], softcap)
                total += nats
                slope_nV = slope_nV.to(dtype)
                if want_hidden:
                    grad_hidden_ND[rows] = slope_nV @ cast_VD
                if want_weight and dtype == weight_VD.dtype:
                    grad_weight_VD.addmm_(slope_nV.T, cast_ND[rows])
                elif want_weight:
                    grad_weight_VD += slope_nV.T @ cast_ND[rows]
        ctx.save_for_backward(grad_hidden_ND, grad_weight_VD)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        grad_hidden_ND, grad_weight_VD = ctx.saved_tensors
        scaled = (None if g is None else g * grad.to(g.dtype) for g in (grad_hidden_ND, grad_weight_VD))
        return *scaled, None, None, None


def _nats_and_slope(logits_nV: Tensor, targets_n: Tensor, softcap: float) -> tuple[Tensor, Tensor]:
    """A chunk's sum of nats and its gradient with respect to the uncapped logits, in float32, in the logits' memory."""
    logits_nV = logits_nV.float()
    if softcap:
        logits_nV.div_(softcap).tanh_()
        # d/dx of cap * tanh(x / cap) is 1 - tanh^2.
        bend_nV = 1 - logits_nV.square()
        logits_nV.mul_(softcap)
    scored_n = targets_n != IGNORED
    targets_n1 = targets_n.clamp_min(0)[:, None]
    log_sum_n1 = logits_nV.logsumexp(-1, keepdim=True)
    nats_n1 = log_sum_n1 - logits_nV.gather(1, targets_n1)
    slope_nV = logits_nV.sub_(log_sum_n1).exp_()
    slope_nV.scatter_add_(1, targets_n1, torch.full_like(targets_n1, -1, dtype=slope_nV.dtype))
    slope_nV.mul_(scored_n[:, None])
    if softcap:
        slope_nV.mul_(bend_nV)
    return (nats_n1.squeeze(1) * scored_n).sum(), slope_nV
