"""Norms: RMSNorm with a backward pass of its own, and PyTorch's LayerNorm, which has a fused one."""

import torch
from torch import Tensor, nn

from idiolect.models.config import GPTConfig


class _Normalise(torch.autograd.Function):
    """x / rms(x). The result itself is all the backward pass needs, with one number a row.

    PyTorch 2.13's rms_norm falls back to autograd over its single steps on a CPU: 1.4 to 1.7 times the time
    (docs/log.md).
    """

    @staticmethod
    def forward(ctx, x: Tensor, epsilon: float) -> Tensor:
        inverse = _inverse_rms(x, epsilon)
        y = x * inverse
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        y, inverse = ctx.saved_tensors
        along = (gradient * y).sum(dim=-1, keepdim=True).div_(-y.shape[-1])
        return torch.addcmul(gradient, y, along).mul_(inverse), None


class _NormaliseAndScale(torch.autograd.Function):
    """x / rms(x) * scale; sums over channels are matrix products, which beat reductions over short rows."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, epsilon: float) -> Tensor:
        inverse = _inverse_rms(x, epsilon)
        y = x * inverse
        scale = scale.to(x.dtype)
        ctx.save_for_backward(y, inverse, scale)
        return y * scale

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        y, inverse, scale = ctx.saved_tensors
        product = (gradient * y).flatten(0, -2)
        along = product.mv(scale).div_(-y.shape[-1]).view(inverse.shape)
        gradient_scale = product.sum(dim=0, dtype=torch.promote_types(product.dtype, torch.float32))
        return (gradient * scale).addcmul_(y, along).mul_(inverse), gradient_scale, None


def _inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    """1 / rms of each row, in x's type but summed in float32 at least: 8 bits do not hold a sum of squares."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    return norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_().to(x.dtype)


class RMSNorm(nn.RMSNorm):
    """x / rms(x) * scale over the last axis (arXiv 1910.07467)."""

    def forward(self, x: Tensor) -> Tensor:
        return _NormaliseAndScale.apply(x, self.weight, self.eps)


class UnscaledRMSNorm(nn.RMSNorm):
    """x / rms(x) over the last axis; nothing learned."""

    def forward(self, x: Tensor) -> Tensor:
        return _Normalise.apply(x, self.eps)


def build_norm(config: GPTConfig, width: int) -> nn.Module:
    """The norm the config asks for."""
    if config.norm == "layer":
        scale = config.norm_scale
        return nn.LayerNorm(width, eps=config.norm_epsilon, elementwise_affine=scale, bias=config.bias)
    kind = RMSNorm if config.norm_scale else UnscaledRMSNorm
    return kind(width, eps=config.norm_epsilon, elementwise_affine=config.norm_scale)
