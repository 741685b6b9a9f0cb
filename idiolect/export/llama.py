"""Our GPT as stock Llama, or as Qwen 3, which is Llama with normalised queries and keys and sliding windows.

Both pair the halves of a head in rotary positions, as ours does, so no row changes its place; Meta's own files pair
neighbours, and are not read here. Our fused matrices come apart: queries, keys, values; gate, up.
"""

from typing import Any

import torch

from idiolect.export.gpt2 import readable, refuse_others, without_extras
from idiolect.models.config import GPTConfig

ACTIVATIONS = {"swiglu": "silu", "geglu": "gelu"}
_READABLE = {"silu": "swiglu", "swish": "swiglu", "gelu": "geglu"}
_PLAIN = {"attention.out": "self_attn.o_proj", "mlp.down": "mlp.down_proj"}
_NORMS = {"norm_attention": "input_layernorm", "norm_mlp": "post_attention_layernorm"}
_HEAD_NORMS = {"attention.norm_q": "self_attn.q_norm", "attention.norm_k": "self_attn.k_norm"}


def wants(config: GPTConfig) -> dict[str, tuple]:
    """Values of each key that Llama can express."""
    return {
        "norm": ("rms",),
        "positions": ("rotary",),
        "mlp": tuple(ACTIVATIONS),
        "n_heads": (_divisor(config.d_model, config.n_heads),),
        "qk_norm": (False,),
    } | without_extras(config)


def wants_normed(config: GPTConfig) -> dict[str, tuple]:
    """Values of each key that Qwen 3 can express: any window, but no biases in its MLP."""
    return wants(config) | {
        "qk_norm": (True,), "n_heads": (config.n_heads,), "sliding_window": (config.sliding_window,), "bias": (False,),
    }  # fmt: skip


def settings(config: GPTConfig) -> dict[str, Any]:
    """LlamaConfig's values."""
    return settings_shared(config) | {"attention_bias": config.bias, "mlp_bias": config.bias}


def settings_normed(config: GPTConfig) -> dict[str, Any]:
    """Qwen3Config's values."""
    sliding = any(config.windows)
    return settings_shared(config) | {
        "attention_bias": False, "use_sliding_window": sliding,
        "sliding_window": config.sliding_window if sliding else None,
        "layer_types": ["sliding_attention" if window else "full_attention" for window in config.windows],
    }  # fmt: skip


def settings_shared(config: GPTConfig) -> dict[str, Any]:
    return dict(
        max_position_embeddings=config.context_length, hidden_size=config.d_model,
        num_hidden_layers=config.n_layers, num_attention_heads=config.n_heads,
        num_key_value_heads=config.resolved_n_kv_heads, head_dim=config.resolved_d_head,
        intermediate_size=config.resolved_d_ff, hidden_act=ACTIVATIONS[config.mlp], rms_norm_eps=config.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tied_head, initializer_range=config.init_std, attention_dropout=config.dropout,
    )  # fmt: skip


def to_stock(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Llama's tensors by their names there; a norm without scale gets a scale of ones."""
    config, ours = model.config, model.state_dict()
    stock = {"model.embed_tokens.weight": ours["embed.weight"]}
    norms = {"final_norm": ("model.norm", config.d_model)}
    for layer in range(config.n_layers):
        here, there = f"blocks.{layer}.", f"model.layers.{layer}."
        plain, fused = _plain(config, layer), _fused(config, layer)
        norms |= {here + name: (there + stock_name, config.d_model) for name, stock_name in _NORMS.items()}
        if config.qk_norm:
            width = config.resolved_d_head
            norms |= {here + name: (there + stock_name, width) for name, stock_name in _HEAD_NORMS.items()}
        for suffix in ("weight", "bias") if config.bias else ("weight",):
            for name, stock_name in plain.items():
                stock[f"{there}{stock_name}.{suffix}"] = ours[f"{here}{name}.{suffix}"]
            for name, parts in fused.items():
                pieces = ours[f"{here}{name}.{suffix}"].split(list(parts.values()))
                stock |= {f"{there}{part}.{suffix}": piece for part, piece in zip(parts, pieces, strict=True)}
    for name, (stock_name, width) in norms.items():
        stock[f"{stock_name}.weight"] = ours.get(f"{name}.weight", torch.ones(width))
    if not config.tied_head:
        stock["lm_head.weight"] = ours["unembed.weight"]
    return stock


def from_settings(stock: Any) -> dict[str, Any]:
    """Our settings from a LlamaConfig. Raises RecipeError for what our GPT can't express."""
    refuse_others(stock, {"pretraining_tp": 1})
    return from_settings_shared(stock) | {"qk_norm": False, "bias": bool(stock.attention_bias or stock.mlp_bias)}


def from_settings_normed(stock: Any) -> dict[str, Any]:
    """Our settings from a Qwen3Config. Raises RecipeError for what our GPT can't express."""
    letters = "".join("S" if kind == "sliding_attention" else "L" for kind in stock.layer_types)
    windows = {"sliding_window": stock.sliding_window or 0, "window_pattern": letters}
    return from_settings_shared(stock) | {"qk_norm": True, "bias": bool(stock.attention_bias)} | windows


def from_settings_shared(stock: Any) -> dict[str, Any]:
    rope = dict(stock.rope_parameters)
    theta = float(rope.pop("rope_theta"))
    kept = {key: value for key, value in rope.items() if value is not None}
    if kept != {"rope_type": "default"}:
        refuse_others(stock, {"rope_parameters": {"rope_type": "default", "rope_theta": theta}})
    return dict(
        context_length=stock.max_position_embeddings, n_layers=stock.num_hidden_layers, d_model=stock.hidden_size,
        n_heads=stock.num_attention_heads, n_kv_heads=stock.num_key_value_heads, d_head=stock.head_dim or 0,
        d_ff=stock.intermediate_size, mlp=readable(stock, "hidden_act", _READABLE), norm="rms",
        norm_epsilon=float(stock.rms_norm_eps), positions="rotary", rope_theta=theta,
        tied_head=bool(stock.tie_word_embeddings), zero_init_projections=False,
    )  # fmt: skip


def from_stock(stock: dict[str, torch.Tensor], config: GPTConfig) -> dict[str, torch.Tensor]:
    """Our tensors from Llama's; a bias that only our model has is zero."""
    ours = {"embed.weight": stock["model.embed_tokens.weight"], "final_norm.weight": stock["model.norm.weight"]}
    for layer in range(config.n_layers):
        here, there = f"blocks.{layer}.", f"model.layers.{layer}."
        for name, stock_name in (_NORMS | (_HEAD_NORMS if config.qk_norm else {})).items():
            ours[f"{here}{name}.weight"] = stock[f"{there}{stock_name}.weight"]
        one_part = {name: {stock_name: config.d_model} for name, stock_name in _plain(config, layer).items()}
        for name, parts in (one_part | _fused(config, layer)).items():
            ours[f"{here}{name}.weight"] = torch.cat([stock[f"{there}{part}.weight"] for part in parts])
            if config.bias:
                biases = [stock.get(f"{there}{part}.bias", torch.zeros(rows)) for part, rows in parts.items()]
                ours[f"{here}{name}.bias"] = torch.cat(biases)
    if not config.tied_head:
        ours["unembed.weight"] = stock["lm_head.weight"]
    return ours


def _plain(config: GPTConfig, layer: int) -> dict[str, str]:
    """Matrices that are one in both; an expert layer's are in experts.py."""
    return {name: there for name, there in _PLAIN.items() if _has(config, layer, name)}


def _has(config: GPTConfig, layer: int, name: str) -> bool:
    return not name.startswith("mlp.") or layer not in config.expert_layer_numbers


def _fused(config: GPTConfig, layer: int) -> dict[str, dict[str, int]]:
    """Our matrices that hold several of theirs, with the rows of each."""
    ff, d_head = config.resolved_d_ff, config.resolved_d_head
    q, kv = config.n_heads * d_head, config.resolved_n_kv_heads * d_head
    fused = {
        "attention.qkv": {"self_attn.q_proj": q, "self_attn.k_proj": kv, "self_attn.v_proj": kv},
        "mlp.gate_up": {"mlp.gate_proj": ff, "mlp.up_proj": ff},
    }
    return {name: parts for name, parts in fused.items() if _has(config, layer, name)}


def _divisor(value: int, near: int) -> int:
    return min((d for d in range(1, value + 1) if value % d == 0), key=lambda d: abs(d - near))
