"""What a row of logits costs, in formulas: cross-entropy, smoothed or not, the pull on Z, the distance from a teacher.

For logits z of a row, its target y, p = softmax(z), Z = sum exp(z), and with a temperature q = softmax(z / T):

    nats        log Z - z_y                                                 what is reported, always
    smoothed    log Z - (1 - e) z_y - e mean(z)                             e = label_smoothing (Szegedy et al. 2016)
    pull        c (log Z)^2                                                 c = z_loss (PaLM, arXiv 2204.02311, 5)
    distance    T^2 sum q' (log q' - log q)                                 q' the teacher's (arXiv 1503.02531, 2)

    loss        (1 - w) smoothed + pull + w distance                        w = teacher_weight, 0 without a teacher
    slope       p (1 - w + 2 c log Z) - (1 - w) ((1 - e) [y] + e / V) + w T (q - q')       with respect to z

T^2 keeps the teacher's slope as large as the targets' whatever the temperature. `price` leaves slopes to autograd,
`price_and_slope` takes them at once; tests hold both against F.cross_entropy and F.kl_div.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100


@dataclass(frozen=True)
class Terms:
    """What is minimised besides the plain cross-entropy; nothing, by default."""

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    teacher_weight: float = 0.0
    teacher_temperature: float = 1.0

    @property
    def plain(self) -> bool:
        """Whether the loss is the cross-entropy itself."""
        return self == PLAIN


PLAIN = Terms()


def price(logits_NV: Tensor, targets_N: Tensor, terms: Terms, teacher_NV: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sums of loss and of nats over the rows whose target is not IGNORED; logits of either precision, sums precise."""
    logits_NV = precise(logits_NV)
    if terms.plain:
        nats = F.cross_entropy(logits_NV, targets_N, ignore_index=IGNORED, reduction="sum")
        return nats, nats.detach()
    scored_N = targets_N != IGNORED
    log_sum_N = logits_NV.logsumexp(-1)
    target_N = logits_NV.gather(1, targets_N.clamp_min(0)[:, None]).squeeze(1)
    e, w = terms.label_smoothing, terms.teacher_weight
    loss_N = (1 - w) * (log_sum_N - (1 - e) * target_N)
    if e:
        loss_N = loss_N - (1 - w) * e * logits_NV.mean(-1)
    if terms.z_loss:
        loss_N = loss_N + terms.z_loss * log_sum_N.square()
    if w:
        T = terms.teacher_temperature
        own_NV, other_NV = (logits_NV / T).log_softmax(-1), (precise(teacher_NV) / T).log_softmax(-1)
        loss_N = loss_N + w * T**2 * F.kl_div(own_NV, other_NV, reduction="none", log_target=True).sum(-1)
    # Not a product with the mask: an ignored row's infinity times nothing would be no number.
    return loss_N.where(scored_N, 0).sum(), (log_sum_N - target_N).detach().where(scored_N, 0).sum()


def price_and_slope(
    logits_nV: Tensor, targets_n: Tensor, softcap: float, terms: Terms, teacher_nV: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """A chunk's sums of loss and nats, and the loss's slope by the uncapped logits, in the logits' memory."""
    logits_nV = precise(logits_nV)
    if softcap:
        logits_nV.div_(softcap).tanh_()
        # d/dx of cap * tanh(x / cap) is 1 - tanh^2.
        bend_nV = 1 - logits_nV.square()
        logits_nV.mul_(softcap)
    scored_n1 = (targets_n != IGNORED)[:, None]
    targets_n1 = targets_n.clamp_min(0)[:, None]
    log_sum_n1 = logits_nV.logsumexp(-1, keepdim=True)
    nats_n1 = log_sum_n1 - logits_nV.gather(1, targets_n1)
    loss_n1, pull_nV = _teacher_terms(logits_nV, nats_n1, terms, teacher_nV)
    e, w = terms.label_smoothing, terms.teacher_weight
    if e:
        # log Z - (1 - e) z_y - e mean(z) is the nats and e times what the target's logit lies above the mean.
        above_n1 = log_sum_n1 - nats_n1 - logits_nV.mean(-1, keepdim=True)
        loss_n1 = loss_n1 + (1 - w) * e * above_n1
    if terms.z_loss:
        loss_n1 = loss_n1 + terms.z_loss * log_sum_n1.square()
    slope_nV = logits_nV.sub_(log_sum_n1).exp_()
    if w or terms.z_loss:
        slope_nV.mul_(1 - w + 2 * terms.z_loss * log_sum_n1)
    if e:
        slope_nV.sub_((1 - w) * e / slope_nV.shape[1])
    slope_nV.scatter_add_(1, targets_n1, torch.full_like(targets_n1, -(1 - w) * (1 - e), dtype=slope_nV.dtype))
    if pull_nV is not None:
        slope_nV.add_(pull_nV)
    slope_nV.mul_(scored_n1)
    if softcap:
        slope_nV.mul_(bend_nV)
    return loss_n1.where(scored_n1, 0).sum(), nats_n1.where(scored_n1, 0).sum(), slope_nV


def _teacher_terms(
    logits_nV: Tensor, nats_n1: Tensor, terms: Terms, teacher_nV: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The nats mixed with the distance from the teacher, and the slope of the distance: nothing without one."""
    w, T = terms.teacher_weight, terms.teacher_temperature
    if not w:
        return nats_n1, None
    own_nV, other_nV = (logits_nV / T).log_softmax(-1), (precise(teacher_nV) / T).log_softmax(-1)
    share_nV = other_nV.exp()
    distance_n1 = (share_nV * (other_nV - own_nV)).sum(-1, keepdim=True)
    return (1 - w) * nats_n1 + w * T**2 * distance_n1, own_nV.exp_().sub_(share_nV).mul_(w * T)


def precise(x: Tensor) -> Tensor:
    """At least float32: a sum over a vocabulary needs it."""
    return x if x.dtype == torch.float64 else x.float()
