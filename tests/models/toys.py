"""Models and tokens for the tests of this room."""

import torch

from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig


def build_open(config: GPTConfig, vocabulary_size: int, seed: int = 0):
    """A model none of whose parts starts at nothing: n-gram tables are zero at the start, which would hide a leak."""
    model = build_model(config, vocabulary_size, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".tables." in name or name.endswith("bias"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def draw_tokens(rows: int, length: int, vocabulary_size: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, vocabulary_size, (rows, length), generator=torch.Generator().manual_seed(seed))
