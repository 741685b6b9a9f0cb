"""Our T5 as stock T5, v1.0 and v1.1: one class there, whose config decides between a tied head and its own.

Our fused matrices come apart: keys, values; gate, up. The biases for positions, one table a stack, stand in its first
block there. A tied head is fed hidden states divided by sqrt(d_model) by both.
"""

from typing import Any

import torch

from idiolect.export.gpt2 import readable
from idiolect.models.config import T5Config

ACTIVATIONS = {
    "relu": "relu", "geglu_tanh": "gated-gelu", "swiglu": "gated-silu", "gelu": "gelu", "gelu_tanh": "gelu_new",
    "relu2": "relu2",
}  # fmt: skip
_READABLE = {stock: ours for ours, stock in ACTIVATIONS.items()}


def wants(config: T5Config) -> dict[str, tuple]:
    """Values of each key that stock T5 can express."""
    return {
        "positions": ("relative",),
        "mlp": ("geglu_tanh", *(name for name in ACTIVATIONS if name != "geglu_tanh")),
        "attention_scale": (1.0,),
        "qk_norm": (False,),
    }


def settings(config: T5Config) -> dict[str, Any]:
    """T5Config's values there."""
    return dict(
        d_model=config.d_model, d_kv=config.resolved_d_head, d_ff=config.resolved_d_ff, num_layers=config.n_layers,
        num_decoder_layers=config.resolved_n_decoder_layers, num_heads=config.n_heads,
        relative_attention_num_buckets=config.n_buckets, relative_attention_max_distance=config.max_distance,
        dropout_rate=config.dropout, layer_norm_epsilon=config.norm_epsilon, initializer_factor=config.init_scale,
        feed_forward_proj=ACTIVATIONS[config.mlp], tie_word_embeddings=config.tied_head,
        n_positions=config.context_length,
    )  # fmt: skip


def to_stock(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """T5's tensors by their names there."""
    ours, stock = model.state_dict(), {}
    for name, (parts, rows) in _names(model.config).items():
        pieces = ours[name].split(rows) if rows else [ours[name]]
        stock |= dict(zip(parts, pieces, strict=True))
    return stock


def from_settings(stock: Any) -> dict[str, Any]:
    """Our settings from a stock T5Config. Raises RecipeError for what ours can't express."""
    return dict(
        # Not part of the architecture there; the released models were trained on 512 positions.
        context_length=getattr(stock, "n_positions", None) or 512,
        n_layers=stock.num_layers, n_decoder_layers=stock.num_decoder_layers, d_model=stock.d_model,
        n_heads=stock.num_heads, d_head=stock.d_kv, d_ff=stock.d_ff,
        mlp=readable(stock, "feed_forward_proj", _READABLE), norm_epsilon=float(stock.layer_norm_epsilon),
        positions="relative", n_buckets=stock.relative_attention_num_buckets,
        max_distance=stock.relative_attention_max_distance, dropout=float(stock.dropout_rate),
        tied_head=bool(stock.scale_decoder_outputs), init_scale=float(stock.initializer_factor),
        bias_slope=0.0,
    )  # fmt: skip


def from_stock(stock: dict[str, torch.Tensor], config: T5Config) -> dict[str, torch.Tensor]:
    """Our tensors from T5's."""
    return {name: torch.cat([stock[part] for part in parts]) for name, (parts, _) in _names(config).items()}


def _names(config: T5Config) -> dict[str, tuple[list[str], list[int]]]:
    """Each tensor of ours: those it is made of there, one above the other, and the rows of each (none: one alone)."""
    names = {
        "embed.weight": (["shared.weight"], []),
        "encoder_norm.weight": (["encoder.final_layer_norm.weight"], []),
        "decoder_norm.weight": (["decoder.final_layer_norm.weight"], []),
    }
    if not config.tied_head:
        names["unembed.weight"] = (["lm_head.weight"], [])
    for stack, n_layers in (("encoder", config.n_layers), ("decoder", config.resolved_n_decoder_layers)):
        bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        names[f"{stack}_bias.table.weight"] = ([bias], [])
        for layer in range(n_layers):
            here, there = f"{stack}.{layer}", f"{stack}.block.{layer}.layer"
            names |= _attention(config, here, f"{there}.0", "attention", "SelfAttention")
            if stack == "decoder":
                names |= _attention(config, here, f"{there}.1", "cross", "EncDecAttention")
            names |= _mlp(config, here, f"{there}.{2 if stack == 'decoder' else 1}")
    return names


def _attention(config: T5Config, here: str, there: str, name: str, stock_name: str) -> dict:
    width = config.n_heads * config.resolved_d_head
    return {
        f"{here}.norm_{name}.weight": ([f"{there}.layer_norm.weight"], []),
        f"{here}.{name}.q.weight": ([f"{there}.{stock_name}.q.weight"], []),
        f"{here}.{name}.kv.weight": ([f"{there}.{stock_name}.{part}.weight" for part in "kv"], [width, width]),
        f"{here}.{name}.out.weight": ([f"{there}.{stock_name}.o.weight"], []),
    }


def _mlp(config: T5Config, here: str, there: str) -> dict:
    inner, ff = f"{there}.DenseReluDense", config.resolved_d_ff
    gated = {f"{here}.mlp.gate_up.weight": ([f"{inner}.wi_0.weight", f"{inner}.wi_1.weight"], [ff, ff])}
    plain = {f"{here}.mlp.up.weight": ([f"{inner}.wi.weight"], [])}
    return {
        f"{here}.norm_mlp.weight": ([f"{there}.layer_norm.weight"], []),
        f"{here}.mlp.down.weight": ([f"{inner}.wo.weight"], []),
    } | (gated if config.gated_mlp else plain)
