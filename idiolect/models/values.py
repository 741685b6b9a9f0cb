"""Embeddings of the token mixed into attention's values."""

import torch
from torch import Tensor, nn

from idiolect.models.config import GPTConfig
from idiolect.models.layers import Embedding


class PlainValues(nn.Module):
    """Attention's values as they are."""

    def forward(self, v_BTGK: Tensor, tokens_BT: Tensor) -> Tensor:
        return v_BTGK


class EmbeddedValues(nn.Module):
    """own * values + other * embedding of the token, both scalars learned (arXiv 2410.17897; modded-nanogpt)."""

    def __init__(self, vocabulary_size: int, n_kv_heads: int, d_head: int):
        super().__init__()
        self.shape = (n_kv_heads, d_head)
        self.table = Embedding(vocabulary_size, n_kv_heads * d_head)
        self.mix = nn.Parameter(torch.empty(2))

    def forward(self, v_BTGK: Tensor, tokens_BT: Tensor) -> Tensor:
        own, other = self.mix
        return own * v_BTGK + other * self.table(tokens_BT).unflatten(-1, self.shape)


def build_values(config: GPTConfig, layer: int, vocabulary_size: int) -> nn.Module:
    """What a layer does to its values."""
    if layer not in config.value_embedding_layers:
        return PlainValues()
    return EmbeddedValues(vocabulary_size, config.resolved_n_kv_heads, config.resolved_d_head)
