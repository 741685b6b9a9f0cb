"""Parameters and operations of a config, and the ladder of sizes that a plan chooses from."""

from __future__ import annotations

from idiolect.models import measure
from idiolect.models.config import GPTConfig

WIDTHS = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048,
          2560, 3072, 4096)  # fmt: skip


def count(config: GPTConfig, vocabulary_size: int) -> dict:
    """Parameters by part, operations per token by part, and how long a step's arithmetic is."""
    return {
        "parameters": measure.parameters(config, vocabulary_size),
        "flops_per_token": measure.flops_per_token(config, vocabulary_size),
    }


def shape(d_model: int, context_length: int) -> GPTConfig:
    """The GPT of this width: about one layer for 64 channels, as nanochat's ladder has it, and at least four.

    Heads have 64 channels where they divide the width, else 32 or 16.
    """
    d_head = next(size for size in (64, 32, 16) if d_model % size == 0 and (d_model >= 4 * size or size == 16))
    return GPTConfig(
        n_layers=max(4, round(d_model / 64)), d_model=d_model, n_heads=d_model // d_head, context_length=context_length
    )


def ladder(context_length: int) -> list[GPTConfig]:
    """Every size on offer, the smallest first."""
    return [shape(width, context_length) for width in WIDTHS]
