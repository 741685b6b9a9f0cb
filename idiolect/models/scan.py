"""The recurrence of a state-space layer over a whole sequence, as matrix products: state-space duality.

    h_t = exp(log_decay_t) h_t-1 + step_t x_t b_t^T        a state of K x R numbers a head
    y_t = h_t c_t + skip x_t

(arXiv 2405.21060, sections 6 and 7.) Within a chunk of Q positions this is attention with decaying weights, a few
products; between chunks the states are handed on, J = T / Q small steps. Every exponent is a sum of logarithms of
decays, never positive but for the step's own size, so nothing overflows however long the sequence.

Letters of this file:  J chunks   Q positions of a chunk   R state numbers a channel   E = H K inner width
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Signals(NamedTuple):
    """What drives the recurrence: x (B, T, H, K), log_decay and log_step (B, T, H, float32), b and c (B, T, R)."""

    x_BTHK: Tensor
    log_decay_BTH: Tensor
    log_step_BTH: Tensor
    b_BTR: Tensor
    c_BTR: Tensor

    def part(self, start: int, stop: int) -> "Signals":
        """Positions [start, stop), sharing memory."""
        return Signals(*(signal[:, start:stop] for signal in self))


def scan(
    signals: Signals, skip_H: Tensor, state_BHKR: Tensor | None, piece_BT: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor]:
    """y (B, T, H, K) and the state after the last position (B, H, K, R, float32).

    `state_BHKR` is the state before the first position (None: zero). `piece_BT` counts the boundaries up to and with
    each position: nothing is read across one, the state before the first included where a row's first count is not 0.
    """
    B, T, H, K = signals.x_BTHK.shape
    if state_BHKR is None:
        state_BHKR = signals.log_decay_BTH.new_zeros(B, H, K, signals.b_BTR.shape[-1])
    whole = T - T % chunk
    parts, before_B = [], None
    for start, stop, length in ((0, whole, chunk), (whole, T, T - whole)):
        if start == stop:
            continue
        piece = None if piece_BT is None else piece_BT[:, start:stop]
        if piece is not None and before_B is not None:
            piece = piece - before_B[:, None]
        y, state_BHKR = _Duality.apply(*signals.part(start, stop), skip_H, state_BHKR, piece, length)
        parts.append(y)
        before_B = None if piece_BT is None else piece_BT[:, stop - 1]
    return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)), state_BHKR


def step(signals: Signals, skip_H: Tensor, state_BHKR: Tensor) -> tuple[Tensor, Tensor]:
    """`scan` for one position, without gradient in mind: y (B, 1, H, K) and the next state."""
    kind = state_BHKR.dtype
    x_BHK = signals.x_BTHK[:, 0].to(kind)
    decay_BH11 = signals.log_decay_BTH[:, 0, :, None, None].exp()
    new_BHK1 = (x_BHK * signals.log_step_BTH[:, 0, :, None].exp())[..., None]
    state_BHKR = torch.addcmul(state_BHKR * decay_BH11, new_BHK1, signals.b_BTR[:, 0, None, None].to(kind))
    y_BHK = (state_BHKR @ signals.c_BTR[:, 0, None, :, None].to(kind)).squeeze(-1)
    return torch.addcmul(y_BHK, x_BHK, skip_H[:, None]).to(signals.x_BTHK.dtype)[:, None], state_BHKR


def state_at(signals: Signals, state_BHKR: Tensor, lengths_B: Tensor) -> Tensor:
    """Each row's state after its first `lengths_B` positions (B, H, K, R): for rows that were padded on the right."""
    T = signals.x_BTHK.shape[1]
    # In float64: the sum runs over the whole prompt here, and differences of large sums are taken.
    sum_BTH = signals.log_decay_BTH.double().cumsum(1)
    inside_BT1 = (torch.arange(T, device=lengths_B.device) < lengths_B[:, None])[..., None]
    last_B = (lengths_B - 1).clamp(min=0)[:, None, None].expand(-1, 1, sum_BTH.shape[2])
    total_B1H = sum_BTH.gather(1, last_B) * (lengths_B > 0)[:, None, None]
    exponent_BTH = (total_B1H - sum_BTH + signals.log_step_BTH).masked_fill(~inside_BT1, -torch.inf)
    kind = state_BHKR.dtype
    weighted_BTHK = signals.x_BTHK.to(kind) * exponent_BTH.exp().to(kind)[..., None]
    added_BHKR = torch.einsum("bthk,btr->bhkr", weighted_BTHK, signals.b_BTR.to(kind))
    return added_BHKR + state_BHKR * total_B1H.squeeze(1).exp().to(kind)[..., None, None]


class _Decays(NamedTuple):
    """Factors by which things reach other things: exponentials of sums of log-decays; 0 across a boundary."""

    inside_BJHQQ: Tensor  # position s, with its step, in t of the same chunk
    to_end_BJQH: Tensor  # position s, with its step, in the state after the chunk
    from_start_BJQH: Tensor  # the state before the chunk in position t
    across_BJH: Tensor  # the state before the chunk in the state after it


def _decays(log_decay_BTH: Tensor, log_step_BTH: Tensor, piece_BT: Tensor | None, chunk: int) -> _Decays:
    shape = (log_decay_BTH.shape[0], -1, chunk, log_decay_BTH.shape[2])
    sum_BJQH = _up_to_here(log_decay_BTH.reshape(shape), piece_BT)
    log_step_BJQH = log_step_BTH.reshape(shape)
    key_BJQH = sum_BJQH - log_step_BJQH
    end_BJ1H = sum_BJQH[:, :, -1:]
    # A later position's exponent is positive and may overflow: it is struck out before the exponential.
    above_QQ = torch.full((chunk, chunk), -torch.inf, dtype=sum_BJQH.dtype, device=sum_BJQH.device).triu(1)
    inside = sum_BJQH.transpose(2, 3)[..., :, None] - key_BJQH.transpose(2, 3)[..., None, :]
    inside.add_(above_QQ)
    # Sums of strong decays are large, and so is the rounding of their differences: where it is known, it is not taken.
    inside.diagonal(dim1=-2, dim2=-1).copy_(log_step_BJQH.transpose(2, 3))
    to_end, from_start, across = end_BJ1H - sum_BJQH + log_step_BJQH, sum_BJQH, end_BJ1H.squeeze(2)
    if piece_BT is not None:
        piece_BJQ = piece_BT.reshape(shape[0], -1, chunk)
        before_BJ = torch.cat([piece_BJQ.new_zeros(shape[0], 1), piece_BJQ[:, :-1, -1]], 1)
        apart_BJQQ = piece_BJQ[..., :, None] != piece_BJQ[..., None, :]
        inside.masked_fill_(apart_BJQQ[:, :, None], -torch.inf)
        to_end = to_end.masked_fill((piece_BJQ != piece_BJQ[..., -1:])[..., None], -torch.inf)
        from_start = from_start.masked_fill((piece_BJQ != before_BJ[..., None])[..., None], -torch.inf)
        across = across.masked_fill((piece_BJQ[..., -1] != before_BJ)[..., None], -torch.inf)
    return _Decays(inside.exp_(), to_end.exp(), from_start.exp(), across.exp())


class _Duality(torch.autograd.Function):
    """`scan` over whole chunks, backward written out.

    Every term of y_t carries exp(sum of log-decays up to t) and every use of x_s its inverse, so the gradient by that
    sum is dy_t . y_t - x_t . dx_t: two inner products instead of a walk back through the Q x Q weights. (The terms of
    `skip` are in both and cancel.) The two are large and their difference may be small: where y has only 8 bits, the
    gradient of a decay was off by 2 % at 512 positions, and pair by pair (`_pairwise`) by 0.4 %.
    """

    @staticmethod
    def forward(ctx: Any, x_BTHK, log_decay_BTH, log_step_BTH, b_BTR, c_BTR, skip_H, state_BHKR, piece_BT, chunk: int):
        B, T, H, K = x_BTHK.shape
        J, E, R = T // chunk, H * K, b_BTR.shape[-1]
        decays = _decays(log_decay_BTH, log_step_BTH, piece_BT, chunk)
        b_NQR, c_NQR = b_BTR.reshape(B * J, chunk, R), c_BTR.reshape(B * J, chunk, R)
        x_BJQHK = x_BTHK.reshape(B, J, chunk, H, K)
        weights_BJHQQ, x_BJHQK = _weights(decays, b_NQR, c_NQR, skip_H, x_BTHK.dtype), _by_head(x_BJQHK)
        near_BJHQK = weights_BJHQQ @ x_BJHQK
        aged_NQE = (x_BJQHK * decays.to_end_BJQH[..., None].to(x_BTHK.dtype)).reshape(B * J, chunk, E)
        added_BJHKR = torch.bmm(aged_NQE.mT, b_NQR).view(B, J, H, K, R).to(state_BHKR.dtype)
        state_BJHKR = _hand_on(state_BHKR, added_BJHKR, decays.across_BJH)
        start_NER = state_BJHKR[:, :-1].reshape(B * J, E, R).to(c_BTR.dtype)
        far_BJQHK = torch.bmm(c_NQR, start_NER.mT).view(B, J, chunk, H, K)
        reach = decays.from_start_BJQH[..., None].to(x_BTHK.dtype)
        # Into the memory of `far`: the result would otherwise lie head by head, and be copied.
        y_BTHK = torch.addcmul(near_BJHQK.transpose(2, 3), far_BJQHK, reach, out=far_BJQHK).view(B, T, H, K)
        ctx.save_for_backward(x_BTHK, b_BTR, c_BTR, skip_H, y_BTHK, state_BJHKR, piece_BT, *decays)
        ctx.chunk = chunk
        return y_BTHK, state_BJHKR[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_BTHK: Tensor, dstate_BHKR: Tensor):
        x_BTHK, b_BTR, c_BTR, skip_H, y_BTHK, state_BJHKR, piece_BT, *rest = ctx.saved_tensors
        decays, chunk = _Decays(*rest), ctx.chunk
        B, T, H, K = x_BTHK.shape
        J, E, R, kind = T // chunk, H * K, b_BTR.shape[-1], x_BTHK.dtype
        b_NQR, c_NQR = b_BTR.reshape(B * J, chunk, R), c_BTR.reshape(B * J, chunk, R)
        x_BJQHK, dy_BJQHK = x_BTHK.reshape(B, J, chunk, H, K), dy_BTHK.reshape(B, J, chunk, H, K)
        to_end, from_start = (part[..., None].to(kind) for part in (decays.to_end_BJQH, decays.from_start_BJQH))

        # Through the states, from the last chunk to the first.
        dfar_NQE = (dy_BJQHK * from_start).reshape(B * J, chunk, E)
        dstart_BJHKR = torch.bmm(dfar_NQE.mT, c_NQR).view(B, J, H, K, R).to(dstate_BHKR.dtype)
        dend_BJHKR = _hand_on(dstate_BHKR, dstart_BJHKR.flip(1), decays.across_BJH.flip(1)).flip(1)
        dfirst_BHKR, dend_BJHKR = dend_BJHKR[:, 0], dend_BJHKR[:, 1:]
        dend_NER = dend_BJHKR.reshape(B * J, E, R).to(kind)
        start_NER = state_BJHKR[:, :-1].reshape(B * J, E, R).to(kind)
        aged_NQE = (x_BJQHK * to_end).reshape(B * J, chunk, E)
        late_BJQHK = torch.bmm(b_NQR, dend_NER.mT).view(B, J, chunk, H, K)
        db_NQR, dc_NQR = torch.bmm(aged_NQE, dend_NER), torch.bmm(dfar_NQE, start_NER)

        # Within the chunks.
        weights_BJHQQ = _weights(decays, b_NQR, c_NQR, skip_H, kind)
        x_BJHQK, dy_BJHQK = _by_head(x_BJQHK), _by_head(dy_BJQHK)
        dnear_BJQHK = (weights_BJHQQ.mT @ dy_BJHQK).transpose(2, 3)
        dx_BJQHK = torch.addcmul(dnear_BJQHK, late_BJQHK, to_end, out=torch.empty_like(late_BJQHK))
        dx_BTHK = dx_BJQHK.view(B, T, H, K)
        dweights_BJHQQ = (dy_BJHQK @ x_BJHQK.mT).mul_(decays.inside_BJHQQ)
        dscores_NQQ = dweights_BJHQQ.sum(2).flatten(0, 1)
        db_NQR.baddbmm_(dscores_NQQ.mT, c_NQR)
        dc_NQR.baddbmm_(dscores_NQQ, b_NQR)

        # By the logarithms.
        xy_BTH = _inner(x_BTHK, dy_BTHK)
        if kind.itemsize < 4:
            scores_BJ1QQ = torch.bmm(c_NQR, b_NQR.mT).view(B, J, 1, chunk, chunk)
            far_NQE = torch.bmm(c_NQR, start_NER.mT)
            yy_BJQH = _inner(*(part.view(B, J, chunk, H, K) for part in (dfar_NQE, far_NQE)))
            xx_BJQH = _inner(aged_NQE.view(B, J, chunk, H, K), late_BJQHK)
            through_BJH = (dend_BJHKR * state_BJHKR[:, :-1]).sum((-1, -2)) * decays.across_BJH
            pairs_BJHQQ = dweights_BJHQQ.float() * scores_BJ1QQ
            dlog_decay_BJQH, dlog_step_BJQH = _pairwise(pairs_BJHQQ, yy_BJQH, xx_BJQH, through_BJH, piece_BT)
            dlog_step_BTH = dlog_step_BJQH.reshape(B, T, H)
        else:
            yy_BTH, xx_BTH = _inner(dy_BTHK, y_BTHK), _inner(x_BTHK, dx_BTHK)
            dsum_BJQH = (yy_BTH - xx_BTH).view(B, J, chunk, H)
            dsum_BJQH[:, :, -1] += (dend_BJHKR * state_BJHKR[:, 1:]).sum((-1, -2))
            dlog_decay_BJQH = _from_here_on(dsum_BJQH, piece_BT)
            dlog_step_BTH = xx_BTH - skip_H * xy_BTH
        by_b_and_c = db_NQR.view(b_BTR.shape), dc_NQR.view(c_BTR.shape)
        by_logarithms = dlog_decay_BJQH.reshape(B, T, H), dlog_step_BTH
        return dx_BTHK, *by_logarithms, *by_b_and_c, xy_BTH.sum((0, 1)), dfirst_BHKR, None, None


def _hand_on(first_BHKR: Tensor, added_BJHKR: Tensor, across_BJH: Tensor) -> Tensor:
    """The states before each chunk and after the last, (B, J + 1, H, K, R)."""
    states = [first_BHKR]
    for added_BHKR, across_BH in zip(added_BJHKR.unbind(1), across_BJH.unbind(1), strict=True):
        states.append(torch.addcmul(added_BHKR, states[-1], across_BH[..., None, None]))
    return torch.stack(states, 1)


def _pairwise(
    pairs_BJHQQ: Tensor, yy_BJQH: Tensor, xx_BJQH: Tensor, through_BJH: Tensor, piece_BT: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients by log-decays and log-steps, (B, J, Q, H), summed over what each decay lies between.

    Of a chunk's pairs those with s < here <= t (rows less columns, from here on: both sums of the same numbers, so
    their rounding cancels, too), the far terms from here on, what reaches the next state from before here, and what
    passes through.
    """
    by_key_BJQH = pairs_BJHQQ.sum(-2).transpose(2, 3)
    near_BJQH = pairs_BJHQQ.sum(-1).transpose(2, 3) - by_key_BJQH
    between_BJQH = _from_here_on(near_BJQH, piece_BT) + _from_here_on(yy_BJQH, None)
    return between_BJQH + (xx_BJQH.cumsum(2) - xx_BJQH) + through_BJH[:, :, None], by_key_BJQH + xx_BJQH


def _up_to_here(values_BJQH: Tensor, piece_BT: Tensor | None) -> Tensor:
    """Each position's sum from the start of its chunk, or of its piece: exactly nothing of another piece is in it."""
    if piece_BT is None:
        return values_BJQH.cumsum(2)
    return _same_piece(piece_BT, values_BJQH).tril() @ values_BJQH


def _from_here_on(values_BJQH: Tensor, piece_BT: Tensor | None) -> Tensor:
    """Each position's sum to the end of its chunk, or of its piece."""
    if piece_BT is None:
        return values_BJQH.flip(2).cumsum(2).flip(2)
    return _same_piece(piece_BT, values_BJQH).triu() @ values_BJQH


def _same_piece(piece_BT: Tensor, like_BJQH: Tensor) -> Tensor:
    """1 where two positions of a chunk are of one piece, (B, J, Q, Q)."""
    piece_BJQ = piece_BT.reshape(like_BJQH.shape[:3])
    return (piece_BJQ[..., :, None] == piece_BJQ[..., None, :]).to(like_BJQH.dtype)


def _weights(decays: _Decays, b_NQR: Tensor, c_NQR: Tensor, skip_H: Tensor, dtype: torch.dtype) -> Tensor:
    """How much of x_s is in y_t by way of the chunk alone, (B, J, H, Q, Q)."""
    inside_BJHQQ = decays.inside_BJHQQ
    scores_BJ1QQ = torch.bmm(c_NQR, b_NQR.mT).unflatten(0, inside_BJHQQ.shape[:2])[:, :, None]
    weights_BJHQQ = inside_BJHQQ * scores_BJ1QQ
    weights_BJHQQ.diagonal(dim1=-2, dim2=-1).add_(skip_H[:, None])
    return weights_BJHQQ.to(dtype)


def _by_head(x_BJQHK: Tensor) -> Tensor:
    """(B, J, H, Q, K), contiguous: what a batch of products wants."""
    return x_BJQHK.transpose(2, 3).contiguous()


def _inner(p_BTHK: Tensor, q_BTHK: Tensor) -> Tensor:
    return (p_BTHK.float() * q_BTHK.float() if p_BTHK.dtype is torch.bfloat16 else p_BTHK * q_BTHK).sum(-1)
