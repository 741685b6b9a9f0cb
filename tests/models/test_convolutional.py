"""The gated convolution equals torch's own layers; its roads (image, product, history) are one."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.carried import History
from idiolect.models.config import CNNConfig
from idiolect.models.convolutional import GatedConvolution
from tests.models.carried_settings import V

D, OUT = 6, 5


def filled(width: int, dilation: int, weight_norm: bool = False) -> GatedConvolution:
    layer, generator = GatedConvolution(D, OUT, width, dilation, True, weight_norm).double(), torch.Generator()
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator.manual_seed(number), dtype=torch.float64))
    return layer


def draw(T: int = 11) -> torch.Tensor:
    return torch.randn(3, T, D, generator=torch.Generator().manual_seed(7), dtype=torch.float64, requires_grad=True)


def reference(layer: GatedConvolution, x_BTD: torch.Tensor, weight_norm: bool) -> nn.Conv1d:
    """torch's Conv1d with the same numbers."""
    conv = nn.Conv1d(D, 2 * OUT, layer.width, dilation=layer.dilation).double()
    weight = layer.filters.weight.detach().unflatten(1, (layer.width, D)).transpose(1, 2)
    with torch.no_grad():
        conv.weight.copy_(weight)
        conv.bias.copy_(layer.bias)
    if weight_norm:
        conv = nn.utils.parametrizations.weight_norm(conv)
        with torch.no_grad():
            conv.parametrizations.weight.original0.copy_(layer.filters.length[:, None, None])
    return conv


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize(("width", "dilation"), [(1, 1), (2, 1), (4, 1), (3, 4)])
def test_a_layer_equals_torchs_convolution_and_glu(width, dilation, weight_norm):
    layer, x = filled(width, dilation, weight_norm), draw()
    conv = reference(layer, x, weight_norm)
    y = layer(x)
    expected = F.glu(conv(F.pad(x.transpose(1, 2), (layer.n_past, 0))), 1).transpose(1, 2)
    torch.testing.assert_close(y, expected)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    ours = torch.autograd.grad((y * weight).sum(), [x, layer.filters.weight, layer.bias])
    original = conv.parametrizations.weight.original1 if weight_norm else conv.weight
    theirs = torch.autograd.grad((expected * weight).sum(), [x, original, conv.bias])
    torch.testing.assert_close(ours[0], theirs[0])
    torch.testing.assert_close(ours[1], theirs[1].transpose(1, 2).flatten(1))
    torch.testing.assert_close(ours[2], theirs[2])


@pytest.mark.parametrize(("width", "dilation"), [(2, 1), (4, 1), (3, 4)])
def test_every_road_gives_the_same(width, dilation):
    layer, x = filled(width, dilation), draw().detach()
    whole = layer(x)
    one_piece = layer(x, None, torch.zeros(3, 11, dtype=torch.int64))
    torch.testing.assert_close(one_piece, whole)
    history = History(x.new_zeros(3, layer.n_past, D))
    torch.testing.assert_close(torch.cat([layer(part, history) for part in x.split([4, 1, 1, 5], 1)], 1), whole)


@pytest.mark.parametrize("width", [1, 3])
def test_the_start_keeps_the_inputs_size(width):
    """As the paper on initialisation reckons: what a gated layer gives is of its input's variance."""
    config = CNNConfig(d_model=256, n_layers=1, kernel_width=max(width, 2), context_length=64, norm_scale=False)
    block = build_model(config, V, 0).blocks[0]
    x = torch.randn(4, 64, 256, generator=torch.Generator().manual_seed(0))
    assert block.convolutions[0](x)[:, 8:].std().item() == pytest.approx(1, rel=0.25)


def test_blocks_together_start_of_the_inputs_size():
    config = CNNConfig(d_model=128, n_layers=16, context_length=64, weight_norm=True)
    model = build_model(config, V, 0)
    x = torch.randn(4, 64, 128, generator=torch.Generator().manual_seed(0))
    for block in model.blocks:
        x = block(x, None, None)
    assert 0.8 < x.std().item() < 2.5


def test_dilations_repeat_and_add_up():
    config = CNNConfig(n_layers=5, kernel_width=3, dilations=(1, 2, 4))
    assert config.layer_dilations == (1, 2, 4, 1, 2) and config.receptive_field == 1 + 2 * 10
    assert CNNConfig(n_layers=6, kernel_width=4).receptive_field == 19


@pytest.mark.parametrize("dilations", [(), (0,), (1, 2**17)])
def test_senseless_dilations_are_refused(dilations):
    with pytest.raises(RecipeError, match="model.dilations"):
        CNNConfig(dilations=dilations)
