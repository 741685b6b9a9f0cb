"""Parameters and FLOPs counted from the config equal the module's."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from idiolect.models.build import build_model
from idiolect.models.measure import flops_per_token, parameters
from tests.models.settings import VARIANTS, V
from tests.models.toys import draw_tokens


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_equal_the_modules(name):
    config = VARIANTS[name]
    model = build_model(config, V, 0)
    assert parameters(config, V)["total"] == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("length", [24, 10])
def test_forward_flops_equal_torchs_count(name, length):
    config = VARIANTS[name]
    model = build_model(config, V, 0)
    tokens = draw_tokens(2, length, V)
    # The plain kernel is made of products that torch's counter sees; it sees nothing of the fused one on a CPU.
    backend = torch.nn.attention.SDPBackend.MATH
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(backend), torch.no_grad():
        model.head(model(tokens)[0])
    assert counter.get_total_flops() == flops_per_token(config, V, length)["forward"] * tokens.numel()


def test_training_is_three_forwards():
    config = VARIANTS["llama"]
    model = build_model(config, V, 0)
    tokens = draw_tokens(2, 24, V)
    backend = torch.nn.attention.SDPBackend.MATH
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(backend):
        model.head(model(tokens)[0]).sum().backward()
    assert counter.get_total_flops() == flops_per_token(config, V)["training"] * tokens.numel()


def test_counts_of_a_known_model():
    """GPT-2 small, whose 124,439,808 parameters anybody can check."""
    from idiolect.models.config import gpt2_like

    assert parameters(gpt2_like(), 50257)["total"] == 124_439_808
