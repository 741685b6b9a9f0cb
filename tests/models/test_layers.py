"""The pieces with a backward pass of their own, against autograd and closed forms."""

import math

import pytest
import torch

from idiolect.models.config import GPTConfig
from idiolect.models.layers import SquaredReLU
from idiolect.models.positions import RotaryTable, Rotate, SinusoidalPositions
from tests.models.settings import OPEN, VARIANTS, V
from tests.models.toys import build_open, draw_tokens


def test_squared_relu_gradient():
    x = torch.randn(50, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(SquaredReLU(), (x,))
    assert torch.equal(SquaredReLU()(x), x.clamp(min=0) ** 2)


def test_rotation_gradient_and_meaning():
    table = RotaryTable(16, 8, 100.0)(torch.arange(5)[None])
    table = tuple(part.double() for part in table)
    x = torch.randn(1, 5, 2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Rotate()(x, table), (x,))
    turned = Rotate()(x, table)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    # Channel k and k + 4 turn by position x 100^(-k / 4).
    angle = 3 * 100.0 ** (-1 / 4)
    expected = math.cos(angle) * x[0, 3, 1, 1] - math.sin(angle) * x[0, 3, 1, 5]
    assert turned[0, 3, 1, 1].item() == pytest.approx(expected.item(), abs=1e-6)


def test_rotary_scores_depend_on_distance_alone():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(8, generator=generator), torch.randn(8, generator=generator)
    cos, sin = RotaryTable(32, 8, 10_000.0)(torch.arange(32)[None])
    turned_q = Rotate()(q.expand(1, 32, 1, 8), (cos, sin))[0, :, 0]
    turned_k = Rotate()(k.expand(1, 32, 1, 8), (cos, sin))[0, :, 0]
    scores = turned_q @ turned_k.T
    for distance in (0, 1, 7):
        diagonal = scores.diagonal(-distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=1e-4)
    assert (scores[5, 5] - scores[6, 5]).abs() > 1e-3


def test_sinusoids():
    x = SinusoidalPositions(4)(torch.zeros(1, 3, 4), torch.arange(3)[None])[0, 2]
    torch.testing.assert_close(x, torch.tensor([math.sin(2), math.sin(0.02), math.cos(2), math.cos(0.02)]))


def test_soft_cap_bounds_logits():
    model = build_open(VARIANTS["soft cap, untied"], V)
    hidden = 1000 * torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    logits = model.head(hidden)
    assert logits.abs().max() <= 3.0 and logits.shape == (2, 5, V)
    assert model.head_weight is model.unembed.weight and model.logit_softcap == 3.0


def test_tied_head_is_one_parameter():
    model = build_open(VARIANTS["default"], V)
    assert model.head_weight is model.embed.weight
    assert sum(parameter is model.embed.weight for parameter in model.parameters()) == 1
    assert "unembed.weight" not in model.state_dict()


def test_dropout_only_when_training():
    model = build_open(GPTConfig(**OPEN, dropout=0.5), V)
    tokens = draw_tokens(2, 8, V)
    torch.manual_seed(0)
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


def test_bfloat16_stays_close():
    model = build_open(VARIANTS["default"], V).eval()
    tokens = draw_tokens(2, 16, V)
    with torch.no_grad():
        exact = model(tokens)[0]
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(tokens)[0]
    assert rough.dtype == torch.float32 or rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.15, rtol=0.1)
