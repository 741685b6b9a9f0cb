"""Hidden states and targets in, what they cost out: the head and its loss, fused where logits are large.

The caller divides the sum once, by the whole step's count of scored targets. Micro-batches with few scored targets
(padding, short answers) would otherwise weigh as much as full ones.

Three roads to the same numbers, tested equal; none but the first ever holds all logits, a teacher's included:
    plain     autograd over all logits: fastest while they are small
    fused     a chunk of rows at a time, its gradient taken while its logits are there: no chunk is kept
    scoring   no gradient wanted: a chunk at a time, nothing kept
On a CPU (one core, 1,024 x 512 to 8,192 words and 2,048 x 256 to 16,384) the fused road took 0.9 and 0.85 of the plain
road's time. `F.linear_cross_entropy` (torch 2.13) is not among the roads: there it took 1.6 and 1.9 times the fused
road's time, and it knows no soft-cap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from idiolect.data.priced import Priced
from idiolect.train.config import LossConfig
from idiolect.train.pricing import IGNORED, PLAIN, Terms, price, price_and_slope

# Logits (rows x vocabulary) up to which the plain road is taken, and the chunk of the others, by kind of device. At
# 33,281 words 2^21 is 63 rows, too few for a good product: a step took 1.24 times as long as with 2^24.
PLAIN_LOGITS = {"cpu": 2**21, "cuda": 2**27}
CHUNK_LOGITS = {"cpu": 2**23, "cuda": 2**26}


@dataclass(frozen=True)
class Lesson:
    """What a teacher has to say of the rows: its hidden states and its head, from which logits are made by chunks."""

    head: Callable[[Tensor], Tensor]
    hidden_ND: Tensor

    def logits(self, rows: slice) -> Tensor:
        """The teacher's logits of these rows, without gradients."""
        with torch.no_grad():
            return self.head(self.hidden_ND[rows])


def listen(teacher: nn.Module, batch: Any) -> Lesson:
    """What the teacher has to say of a batch."""
    with torch.no_grad():
        return Lesson(teacher.head, teacher(**batch.inputs())[0].flatten(0, 1))


def build_loss(
    config: LossConfig, teacher: nn.Module | None = None, carrying: Callable[[Any], Any] | None = None
) -> Callable[[nn.Module, Any], Priced]:
    """What the loop calls as `loss_of(model, batch)`; `teacher` is the model that `config.teacher` names.

    `carrying` makes it read on from window to window (carry.py).
    """
    assert bool(config.teacher) == (teacher is not None), "a teacher is named and loaded, or neither"
    weight = config.teacher_weight if config.teacher else 0.0
    terms = Terms(config.label_smoothing, config.z_loss, weight, config.teacher_temperature if weight else 1.0)
    if terms.plain:
        return lm_loss
    heard = listen if carrying is None else carrying(listen)
    return partial(lm_loss, terms=terms, lesson_of=None if teacher is None else partial(heard, teacher))


def lm_loss(
    model: nn.Module, batch: Any, terms: Terms = PLAIN, lesson_of: Callable[[Any], Lesson] | None = None
) -> Priced:
    """The batch's scored targets priced, without waiting for the device; `lesson_of` asks a teacher about it.

    A model's `auxiliary_loss()` (a mean per token of its last forward pass, 0-d) is added, once for each target.
    """
    hidden_BTD, _ = model(**batch.inputs())
    lesson = None if lesson_of is None else lesson_of(batch)
    targets_N, scored_N = batch.targets_BT.flatten(), batch.loss_mask_BT.flatten()
    loss, nats = head_price(model, hidden_BTD.flatten(0, 1), targets_N, scored_N, terms, lesson)
    n_scored = scored_N.sum()
    auxiliary_loss = getattr(model, "auxiliary_loss", None)
    return Priced(loss if auxiliary_loss is None else loss + auxiliary_loss() * n_scored, n_scored, nats)


def head_price(
    model: nn.Module,
    hidden_ND: Tensor,
    targets_N: Tensor,
    scored_N: Tensor,
    terms: Terms = PLAIN,
    lesson: Lesson | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss and nats of the scored rows under the model's head: 0-d sums, the loss with gradients, the nats without."""
    kind = hidden_ND.device.type
    if kind == "cpu":
        # Rows that don't count cost nothing. On a GPU picking them would wait for the mask, so they are ignored there.
        if not scored_N.all():
            rows_N = scored_N.nonzero().squeeze(1)
            hidden_ND, targets_N = hidden_ND.index_select(0, rows_N), targets_N.index_select(0, rows_N)
            lesson = lesson and Lesson(lesson.head, lesson.hidden_ND.index_select(0, rows_N))
    else:
        targets_N = torch.where(scored_N, targets_N, IGNORED)
    # Not the head matrix's own shape: some models must put that matrix together first.
    n_vocabulary = model.vocabulary_size
    chunk_rows = max(1, CHUNK_LOGITS.get(kind, CHUNK_LOGITS["cpu"]) // n_vocabulary)
    if not torch.is_grad_enabled():
        return _scored_price(model, hidden_ND, targets_N, chunk_rows, terms, lesson)
    if hidden_ND.shape[0] * n_vocabulary <= PLAIN_LOGITS.get(kind, PLAIN_LOGITS["cpu"]):
        return price(model.head(hidden_ND), targets_N, terms, lesson and lesson.logits(slice(None)))
    return FusedHeadLoss.apply(
        hidden_ND, model.head_weight, targets_N, float(model.logit_softcap), chunk_rows, terms, lesson
    )


def _scored_price(
    model: nn.Module, hidden_ND: Tensor, targets_N: Tensor, chunk_rows: int, terms: Terms, lesson: Lesson | None
) -> tuple[Tensor, Tensor]:
    totals = torch.zeros(2, device=hidden_ND.device, dtype=_sum_type(hidden_ND))
    for start in range(0, hidden_ND.shape[0], chunk_rows):
        rows = slice(start, start + chunk_rows)
        teacher_nV = lesson and lesson.logits(rows)
        totals += torch.stack(price(model.head(hidden_ND[rows]), targets_N[rows], terms, teacher_nV))
    return totals[0], totals[1]


def _sum_type(hidden_ND: Tensor) -> torch.dtype:
    return torch.float64 if hidden_ND.dtype == torch.float64 else torch.float32


class FusedHeadLoss(torch.autograd.Function):
    """Loss and nats of head(hidden), holding the logits of one chunk of rows at a time, the teacher's too.

    The loss is a sum, so a chunk's gradient is known as soon as its logits are. Taking it there and then costs no
    recomputation; `backward` only scales it. Idea: Liger Kernel (arXiv 2410.10989), Cut Cross-Entropy (arXiv
    2411.09009).
    """

    @staticmethod
    def forward(
        ctx,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        softcap: float,
        chunk_rows: int,
        terms: Terms = PLAIN,
        lesson: Lesson | None = None,
    ):
        kind = hidden_ND.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight_VD.dtype
        want_hidden, want_weight = ctx.needs_input_grad[:2]
        grad_hidden_ND = torch.empty_like(hidden_ND) if want_hidden else None
        grad_weight_VD = torch.zeros_like(weight_VD) if want_weight else None
        loss, nats = torch.zeros(2, device=hidden_ND.device, dtype=_sum_type(hidden_ND)).unbind()
        cast_ND, cast_VD = hidden_ND.to(dtype), weight_VD.to(dtype)
        for start in range(0, hidden_ND.shape[0], chunk_rows):
            rows = slice(start, start + chunk_rows)
            # Under the caller's autocast: the teacher's hidden states may be rougher than its head.
            teacher_nV = lesson and lesson.logits(rows)
            with torch.autocast(kind, enabled=False):
                found = price_and_slope(cast_ND[rows] @ cast_VD.T, targets_N[rows], softcap, terms, teacher_nV)
                loss, nats, slope_nV = loss + found[0], nats + found[1], found[2].to(dtype)
                if want_hidden:
                    grad_hidden_ND[rows] = slope_nV @ cast_VD
                if want_weight and dtype == weight_VD.dtype:
                    grad_weight_VD.addmm_(slope_nV.T, cast_ND[rows])
                elif want_weight:
                    grad_weight_VD += slope_nV.T @ cast_ND[rows]
        ctx.save_for_backward(grad_hidden_ND, grad_weight_VD)
        ctx.mark_non_differentiable(nats)
        return loss, nats

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _nats: Tensor):
        grad_hidden_ND, grad_weight_VD = ctx.saved_tensors
        scaled = (None if g is None else g * grad.to(g.dtype) for g in (grad_hidden_ND, grad_weight_VD))
        return *scaled, None, None, None, None, None
