"""Causal self-attention: queries, keys and values from one matrix, one kernel, an optional cache."""

from dataclasses import dataclass

from torch import Tensor, nn

from idiolect.models.cache import KeyValueCache
from idiolect.models.config import GPTConfig
from idiolect.models.kernels import attend
from idiolect.models.layers import Linear, build_dropout
from idiolect.models.masks import Reach
from idiolect.models.norms import build_norm
from idiolect.models.positions import build_rotation
from idiolect.models.values import build_values


@dataclass(frozen=True)
class Shared:
    """What all layers of one forward pass share."""

    tokens_BT: Tensor
    positions_BT: Tensor
    rotary: tuple[Tensor, Tensor] | None
    reach: dict[int, Reach]  # by window
    cache: KeyValueCache | None


class Attention(nn.Module):
    """Multi-head attention, or grouped: n_heads queries share n_kv_heads keys and values (arXiv 2305.13245)."""

    def __init__(self, config: GPTConfig, layer: int, vocabulary_size: int):
        super().__init__()
        self.layer, self.window = layer, config.windows[layer]
        self.n_heads, self.n_kv_heads = config.n_heads, config.resolved_n_kv_heads
        self.d_head = config.resolved_d_head
        width = self.n_heads * self.d_head
        self.qkv = Linear(config.d_model, width + 2 * self.n_kv_heads * self.d_head, bias=config.bias)
        self.norm_q = build_norm(config, self.d_head) if config.qk_norm else nn.Identity()
        self.norm_k = build_norm(config, self.d_head) if config.qk_norm else nn.Identity()
        self.rotate = build_rotation(config)
        self.values = build_values(config, layer, vocabulary_size)
        self.out = Linear(width, config.d_model, bias=config.bias)
        self.scale, self.dropout = config.resolved_attention_scale, config.dropout
        self.residual_dropout = build_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, shared: Shared) -> Tensor:
        qkv_BTXK = self.qkv(x_BTD).unflatten(-1, (-1, self.d_head))
        q_BTHK, k_BTGK, v_BTGK = qkv_BTXK.split((self.n_heads, self.n_kv_heads, self.n_kv_heads), dim=2)
        q_BHTK = self.rotate(self.norm_q(q_BTHK), shared.rotary).transpose(1, 2)
        k_BGSK = self.rotate(self.norm_k(k_BTGK), shared.rotary).transpose(1, 2)
        v_BGSK = self.values(v_BTGK, shared.tokens_BT).transpose(1, 2)
        if shared.cache is not None:
            k_BGSK, v_BGSK = shared.cache.extend(self.layer, k_BGSK, v_BGSK, shared.positions_BT)
        reach = shared.reach[self.window]
        attended_BHTK = attend(q_BHTK, k_BGSK, v_BGSK, reach, self.scale, self.dropout if self.training else 0.0)
        return self.residual_dropout(self.out(attended_BHTK.transpose(1, 2).flatten(2)))
