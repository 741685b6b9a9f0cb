"""Attention by products, and RMS norms with their own backward, against PyTorch's own in float64."""

import pytest
import torch
import torch.nn.functional as F

from idiolect.models import kernels
from idiolect.models.kernels import _attend_by_products, attend
from idiolect.models.masks import Reach, build_reach
from idiolect.models.norms import RMSNorm, UnscaledRMSNorm

POSITIONS = torch.arange(9)[None]
DOCUMENTS = torch.tensor([[0] * 4 + [1] * 5, [0] * 9])
REACHES = {
    "causal": Reach(None, True),
    "all": Reach(None, False),
    "sliding": build_reach(3, POSITIONS, 9, False, None),
    "documents": build_reach(0, POSITIONS, 9, False, DOCUMENTS),
}


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("name", REACHES)
@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
def test_attention_by_products_equals_pytorchs(name, n_kv_heads):
    reach = REACHES[name]
    q, k, v = draw(2, 4, 9, 6, seed=0), draw(2, n_kv_heads, 9, 6, seed=1), draw(2, n_kv_heads, 9, 6, seed=2)
    gradient = draw(2, 4, 9, 6, seed=3).detach()
    ours = _attend_by_products(q, k, v, reach, 0.3)
    found = torch.autograd.grad(ours, (q, k, v), gradient)
    theirs = attend(q, k, v, reach, 0.3)
    expected = torch.autograd.grad(theirs, (q, k, v), gradient)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_bfloat16_on_a_cpu_takes_the_products_and_stays_close():
    q, k, v = (draw(2, 4, 9, 6, seed=seed) for seed in range(3))
    rough = attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), REACHES["sliding"], 0.4)
    assert rough.grad_fn.name() == "_AttendByProductsBackward"
    torch.testing.assert_close(rough.double(), attend(q, k, v, REACHES["sliding"], 0.4), atol=0.03, rtol=0.03)


@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 4, 6)])
def test_rms_norms_equal_pytorchs(shape):
    x, scale = draw(*shape, seed=0), draw(shape[-1], seed=1)
    gradient = draw(*shape, seed=2).detach()
    scaled, plain = RMSNorm(shape[-1], eps=1e-3).double(), UnscaledRMSNorm(shape[-1], 1e-3, elementwise_affine=False)
    scaled.weight = torch.nn.Parameter(scale.detach().clone())
    found = torch.autograd.grad(scaled(x), (x, scaled.weight), gradient)
    expected = torch.autograd.grad(F.rms_norm(x, shape[-1:], scale, 1e-3), (x, scale), gradient)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(plain(x), F.rms_norm(x, shape[-1:], None, 1e-3))
    found = torch.autograd.grad(plain(x), x, gradient)[0]
    torch.testing.assert_close(found, torch.autograd.grad(F.rms_norm(x, shape[-1:], None, 1e-3), x, gradient)[0])


def test_rms_norm_of_nothing_is_nothing():
    x = torch.zeros(2, 4, requires_grad=True)
    y = UnscaledRMSNorm(4, 1e-5, elementwise_affine=False)(x)
    y.sum().backward()
    assert (y == 0).all() and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("shape", [(7, 320, 160), (2300, 160)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_faster_linear_equals_pytorchs(shape, bias):
    torch.manual_seed(0)
    x = torch.randn(shape, requires_grad=True)
    weight = torch.randn(384, 160, requires_grad=True)
    offset = torch.randn(384, requires_grad=True) if bias else None
    wanted = [t for t in (x, weight, offset) if t is not None]
    assert x.numel() * 384 >= kernels._LEAST_PRODUCTS and kernels._has_onednn()
    ours = kernels.linear(x, weight, offset)
    theirs = F.linear(x, weight, offset)
    assert type(ours.grad_fn).__name__ == "_OneDNNLinearBackward"
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
    gradient = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, wanted, gradient), torch.autograd.grad(theirs, wanted, gradient), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-4)
