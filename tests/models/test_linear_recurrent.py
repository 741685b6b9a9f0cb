"""The state-space layer equals stock Mamba-2's on the same weights, and its start is as the table says."""

import math

import pytest
import torch
import torch.nn.functional as F

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.config import Mamba2Config
from idiolect.models.linear_recurrent import StateSpace
from idiolect.models.short_convolution import ShortConvolution
from tests.models.carried_settings import MAMBA, V
from tests.models.toys import build_open


def test_the_layer_equals_transformers_mamba2():
    transformers = pytest.importorskip("transformers")
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    config = Mamba2Config(**MAMBA, bias=True, d_inner=64)
    ours: StateSpace = build_open(config, V).blocks[0].mixing
    settings = transformers.Mamba2Config(
        num_heads=8, head_dim=8, hidden_size=32, state_size=5, expand=2, n_groups=1, conv_kernel=4, use_bias=True,
        use_conv_bias=True, chunk_size=4, layer_norm_epsilon=config.norm_epsilon, time_step_limit=(0.0, math.inf),
    )  # fmt: skip
    theirs = Mamba2Mixer(settings, layer_idx=0)
    with torch.no_grad():
        ours.norm.weight.uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
        taps = torch.stack(list(ours.convolution.taps))
        copied = {
            "in_proj.weight": ours.into.weight, "in_proj.bias": ours.into.bias, "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias, "conv1d.weight": taps.flip(0).t()[:, None],
            "conv1d.bias": ours.convolution.bias, "A_log": ours.log_rate, "dt_bias": ours.step_bias, "D": ours.skip,
            "norm.weight": ours.norm.weight,
        }  # fmt: skip
        theirs.load_state_dict({name: value.clone() for name, value in copied.items()})
        x_BTD = torch.randn(2, 19, 32, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(ours(x_BTD, None, None), theirs(x_BTD), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("length", [1, 2, 3, 11])
@pytest.mark.parametrize("bias", [True, False])
def test_the_short_convolution_equals_torchs(length, bias):
    ours, theirs = ShortConvolution(6, 4, bias).double(), torch.nn.Conv1d(6, 6, 4, groups=6, bias=bias).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        theirs.weight.copy_(torch.stack(list(ours.taps)).flip(0).t()[:, None])
        if bias:
            theirs.bias.copy_(ours.bias)
    x = torch.randn(2, length, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, length, 6, generator=generator, dtype=torch.float64)
    y, expected = ours(x), F.silu(theirs(F.pad(x.transpose(1, 2), (3, 0)))).transpose(1, 2)
    torch.testing.assert_close(y, expected)
    found = torch.autograd.grad((y * weight).sum(), [x, *ours.parameters()])
    wanted = torch.autograd.grad((expected * weight).sum(), [x, *theirs.parameters()])
    torch.testing.assert_close(found[0], wanted[0])
    by_name = dict(zip([name for name, _ in ours.named_parameters()], found[1:], strict=True))
    taps = torch.stack([by_name[f"taps.{back}"] for back in range(4)])
    torch.testing.assert_close(taps.flip(0).t()[:, None], wanted[1])
    if bias:
        torch.testing.assert_close(by_name["bias"], wanted[2])


def test_heads_start_with_unlike_memories():
    model = build_model(Mamba2Config(d_model=256, n_layers=2, context_length=16), V, 0)
    mixing = model.blocks[1].mixing
    steps, rates = F.softplus(mixing.step_bias.double()), mixing.log_rate.double().exp()
    assert 0.001 <= steps.min() < 0.003 and 0.03 < steps.max() <= 0.1
    assert 1 <= rates.min() < 3 and 14 < rates.max() <= 16
    memories = 1 / (steps * rates)
    assert memories.max() > 10 * memories.min()
    weights = dict(model.named_parameters())
    assert weights["blocks.0.mixing.into.weight"].std().item() == pytest.approx(0.02, rel=0.03)
    assert weights["blocks.0.mixing.convolution.taps.2"].abs().max() <= 0.5
    assert (weights["blocks.0.mixing.out.weight"] == 0).all() and (weights["blocks.0.mixing.skip"] == 1).all()


def test_steps_too_small_for_a_float_write_nothing_and_stay_finite():
    model = build_open(Mamba2Config(**MAMBA), V)
    with torch.no_grad():
        for block in model.blocks:
            block.mixing.step_bias.fill_(-1e4)
    hidden, _ = model(torch.arange(12)[None])
    hidden.sum().backward()
    assert torch.isfinite(hidden).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"d_inner": 100}, "--model.d_inner=64, or --model.d_inner=128"),
        ({"step_min": 0.5}, "--model.step_min=0.1 --model.step_max=0.5"),
    ],
)
def test_what_cannot_be_is_refused_with_a_fix(changes, fix):
    with pytest.raises(RecipeError) as caught:
        Mamba2Config(**changes)
    assert caught.value.fix == fix
