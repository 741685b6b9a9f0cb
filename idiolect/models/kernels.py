"""Which kernel does the heavy work, chosen by measurement; PyTorch's usual one where nothing better is known.

Attention. For bfloat16 on a CPU torch 2.13's takes 7.3 ms forward and backward at 12 x 4 heads x 64 x 32, and 46 ms at
8 x 6 x 256 x 64, on one core; five batched products take 1.4 and 26 (and float32 through PyTorch's 1.7 and 38). In
float32 the products win only while the scores are few: 1.0 ms against 1.5 at 12 x 4 x 64 x 32, 23 against 21 at 8 x 6 x
256 x 64 (two cores).

Linear maps. In float32 on a CPU torch multiplies with MKL; oneDNN, which it carries as well, does the products of the
forward pass and of the input's gradient 5 to 12 % faster (217 against 196 GFLOP/s at 1024 x 512 x 2048, two AMD
cores), and the weight's gradient slower.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from idiolect.models.masks import Reach

# Beyond this many scores a head the whole matrix no longer pays, in memory first.
_MOST_SCORES = 1024 * 1024
_FEW_SCORES = 64 * 64
# Below this many multiplications the two are equal (50M: 204 against 197 GFLOP/s) and the usual road is shorter.
_LEAST_PRODUCTS = 1 << 27


def attend(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, reach: Reach, scale: float, dropout: float = 0.0) -> Tensor:
    """Attended values (B, H, T, K); `dropout` is the share of attention weights dropped, 0 outside training."""
    if q_BHTK.device.type == "cpu" and not dropout and q_BHTK.shape[2] > 1:
        most = _MOST_SCORES if q_BHTK.dtype is torch.bfloat16 else _FEW_SCORES
        if q_BHTK.shape[2] * k_BGSK.shape[2] <= most:
            return _attend_by_products(q_BHTK, k_BGSK, v_BGSK.to(q_BHTK.dtype), reach, scale)
    return F.scaled_dot_product_attention(
        q_BHTK,
        k_BGSK,
        v_BGSK,
        attn_mask=_as_added(reach.attention_mask, q_BHTK.dtype),
        dropout_p=dropout,
        is_causal=reach.is_causal,
        scale=scale,
        enable_gqa=q_BHTK.shape[1] != k_BGSK.shape[1],
    )


def _attend_by_products(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, reach: Reach, scale: float) -> Tensor:
    n_shared = q_BHTK.shape[1] // k_BGSK.shape[1]
    if n_shared > 1:
        k_BGSK, v_BGSK = k_BGSK.repeat_interleave(n_shared, 1), v_BGSK.repeat_interleave(n_shared, 1)
    return _AttendByProducts.apply(q_BHTK, k_BGSK, v_BGSK, _forbidden(q_BHTK, k_BGSK, reach), scale)


def _as_added(attention_mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A mask as PyTorch's kernel takes it: booleans as they are, numbers in the type of the queries."""
    return attention_mask if attention_mask is None or attention_mask.dtype is torch.bool else attention_mask.to(dtype)


def _forbidden(q_BHTK: Tensor, k_BHSK: Tensor, reach: Reach) -> Tensor | None:
    """What is added to the scores, -inf where a query may not attend, (B or 1, H or 1, T, S); None: nothing."""
    allowed = reach.attention_mask
    if allowed is None:
        if not reach.is_causal:
            return None
        return _above_diagonal(q_BHTK.shape[2], k_BHSK.shape[2], q_BHTK.dtype)
    if allowed.dtype is not torch.bool:
        return allowed
    return q_BHTK.new_zeros(allowed.shape).masked_fill_(~allowed, -torch.inf)


@functools.lru_cache(maxsize=8)
def _above_diagonal(n_targets: int, n_sources: int, dtype: torch.dtype) -> Tensor:
    """-inf above the diagonal, 0 elsewhere, (1, 1, T, S): the same for every layer and every step."""
    # Made outside inference mode and autograd, since training and scoring share it.
    with torch.inference_mode(False), torch.no_grad():
        return torch.full((n_targets, n_sources), -torch.inf, dtype=dtype).triu(1)[None, None]


class _AttendByProducts(torch.autograd.Function):
    """softmax(scale * q k^T) v with five batched products, one for all heads; the probabilities are kept."""

    @staticmethod
    def forward(ctx, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, forbidden: Tensor | None, scale: float):
        n_rows, n_heads = q_BHTK.shape[:2]
        q_NTK, k_NSK, v_NSK = q_BHTK.flatten(0, 1), k_BHSK.flatten(0, 1), v_BHSK.flatten(0, 1)
        scores_NTS = torch.bmm(q_NTK * scale, k_NSK.mT)
        if forbidden is not None:
            scores_NTS.view(n_rows, n_heads, *scores_NTS.shape[1:]).add_(forbidden)
        share_NTS = scores_NTS.softmax(dim=-1)
        ctx.save_for_backward(q_NTK, k_NSK, v_NSK, share_NTS)
        ctx.heads, ctx.scale = (n_rows, n_heads), scale
        ctx.added = None if forbidden is None else (forbidden.shape, forbidden.dtype)
        return torch.bmm(share_NTS, v_NSK).unflatten(0, ctx.heads)

    @staticmethod
    def backward(ctx, gradient_BHTK: Tensor):
        q_NTK, k_NSK, v_NSK, share_NTS = ctx.saved_tensors
        gradient_NTK = gradient_BHTK.flatten(0, 1)
        v_gradient = torch.bmm(share_NTS.mT, gradient_NTK)
        share_gradient = torch.bmm(gradient_NTK, v_NSK.mT)
        scores_gradient = torch._softmax_backward_data(share_gradient, share_NTS, -1, share_NTS.dtype)
        added_gradient = None
        if ctx.needs_input_grad[3]:
            shape, dtype = ctx.added
            added_gradient = scores_gradient.unflatten(0, ctx.heads).to(dtype).sum_to_size(shape)
            # Where nothing was summed this is the same memory.
            scores_gradient = scores_gradient * ctx.scale
        else:
            scores_gradient.mul_(ctx.scale)
        q_gradient = torch.bmm(scores_gradient, k_NSK)
        k_gradient = torch.bmm(scores_gradient.mT, q_NTK)
        return *(part.unflatten(0, ctx.heads) for part in (q_gradient, k_gradient, v_gradient)), added_gradient, None


def linear(x: Tensor, weight_FD: Tensor, bias_F: Tensor | None) -> Tensor:
    """x W^T + b over the last dimension, (..., D) to (..., F)."""
    on_cpu = x.device.type == "cpu" and x.dtype is torch.float32 and weight_FD.dtype is torch.float32
    if not on_cpu or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling() or not _has_onednn():
        return F.linear(x, weight_FD, bias_F)
    if x.numel() * weight_FD.shape[0] < _LEAST_PRODUCTS:
        return F.linear(x, weight_FD, bias_F)
    return _OneDNNLinear.apply(x, weight_FD, bias_F)


@functools.cache
def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _OneDNNLinear(torch.autograd.Function):
    """oneDNN forward and for the input's gradient; the usual product for the weight's."""

    @staticmethod
    def forward(ctx, x: Tensor, weight_FD: Tensor, bias_F: Tensor | None):
        ctx.save_for_backward(x, weight_FD)
        ctx.has_bias = bias_F is not None
        return torch.ops.mkldnn._linear_pointwise(x, weight_FD, bias_F, "none", [], "")

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight_FD = ctx.saved_tensors
        gradient_NF = gradient.flatten(0, -2)
        x_gradient = weight_gradient = bias_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = torch.ops.mkldnn._linear_pointwise(gradient, weight_FD.t(), None, "none", [], "")
        if ctx.needs_input_grad[1]:
            weight_gradient = gradient_NF.t() @ x.flatten(0, -2)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            bias_gradient = gradient_NF.sum(0)
        return x_gradient, weight_gradient, bias_gradient
