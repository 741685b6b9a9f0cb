"""A short causal convolution, each channel by itself, and SiLU: what a recurrent layer reads its neighbours with.

    y_t = silu(bias + sum over i of tap_i * x_t-i)

Written as sums of shifted products over (B, T, channels), which need no transposition to channels-first and back.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from idiolect.models.carried import History


class ShortConvolution(nn.Module):
    """`taps.0` weighs the position itself, `taps.1` the one before, ...; vectors, so no optimiser of matrices."""

    def __init__(self, channels: int, width: int, bias: bool):
        super().__init__()
        self.taps = nn.ParameterList(nn.Parameter(torch.empty(channels)) for _ in range(width))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None

    def forward(self, x_BTC: Tensor, history: History | None = None, piece_BT: Tensor | None = None) -> Tensor:
        """silu of the convolution, (B, T, channels); `history` holds the width - 1 inputs before these.

        `piece_BT` counts boundaries: a tap that would reach across one reads nothing.
        """
        if history is None and piece_BT is None:
            return _ConvolveAndSiLU.apply(x_BTC, self.bias, *self.taps)
        n_past, T = len(self.taps) - 1, x_BTC.shape[1]
        before_BSC = F.pad(x_BTC, (0, 0, n_past, 0)) if history is None else history.extend(x_BTC, piece_BT)
        if piece_BT is None and T > n_past:
            return _ConvolveAndSiLU.apply(before_BSC, self.bias, *self.taps)[:, n_past:]
        # What came before the window belongs to the piece numbered 0.
        piece_BS = None if piece_BT is None else F.pad(piece_BT, (n_past, 0))
        sum_BTC = x_BTC * self.taps[0].to(x_BTC.dtype)
        for back, tap_C in enumerate(self.taps[1:], 1):
            place = slice(n_past - back, n_past - back + T)
            shifted_BTC = before_BSC[:, place]
            if piece_BS is not None:
                shifted_BTC = shifted_BTC * (piece_BS[:, place] == piece_BT)[..., None]
            sum_BTC = torch.addcmul(sum_BTC, shifted_BTC, tap_C.to(x_BTC.dtype))
        return F.silu(sum_BTC if self.bias is None else sum_BTC + self.bias.to(x_BTC.dtype))


class _ConvolveAndSiLU(torch.autograd.Function):
    """One pass over the input a tap, in place, and one for SiLU; the sum before SiLU is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x_BTC: Tensor, bias_C: Tensor | None, *taps: Tensor) -> Tensor:
        taps = tuple(tap_C.to(x_BTC.dtype) for tap_C in taps)
        sum_BTC = x_BTC * taps[0]
        for back, tap_C in enumerate(taps[1 : x_BTC.shape[1]], 1):
            sum_BTC[:, back:].addcmul_(x_BTC[:, :-back], tap_C)
        if bias_C is not None:
            sum_BTC.add_(bias_C)
        ctx.save_for_backward(x_BTC, sum_BTC, *taps)
        ctx.has_bias = bias_C is not None
        return F.silu(sum_BTC)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_BTC: Tensor):
        x_BTC, sum_BTC, *taps = ctx.saved_tensors
        dsum_BTC = torch.ops.aten.silu_backward(dy_BTC, sum_BTC)
        dx_BTC = dsum_BTC * taps[0]
        dtaps = [_along_time(dsum_BTC, x_BTC)]
        for back, tap_C in enumerate(taps[1:], 1):
            if back >= x_BTC.shape[1]:
                dtaps.append(torch.zeros_like(dtaps[0]))
                continue
            dx_BTC[:, :-back].addcmul_(dsum_BTC[:, back:], tap_C)
            dtaps.append(_along_time(dsum_BTC[:, back:], x_BTC[:, :-back]))
        dbias_C = dsum_BTC.sum((0, 1), dtype=dtaps[0].dtype) if ctx.has_bias else None
        return dx_BTC, dbias_C, *dtaps


def _along_time(p_BTC: Tensor, q_BTC: Tensor) -> Tensor:
    return (p_BTC * q_BTC).sum((0, 1), dtype=torch.promote_types(p_BTC.dtype, torch.float32))
