"""Our BERT as stock ModernBERT (arXiv 2412.13663): norms before, rotary positions, gated MLPs, local layers.

Both hold queries, keys and values in one matrix and gate and up in another, in the same order, and both leave out the
first block's first norm, so every tensor goes over as it is.
"""

from typing import Any

import torch

from idiolect.export.gpt2 import readable, refuse_others
from idiolect.models.config import BertConfig

ACTIVATIONS = {"geglu": "gelu", "swiglu": "silu"}
_READABLE = {"gelu": "geglu", "silu": "swiglu", "swish": "swiglu"}
_EMBED = "model.embeddings.tok_embeddings.weight"
_MATRICES = {"attention.qkv": "attn.Wqkv", "attention.out": "attn.Wo", "mlp.gate_up": "mlp.Wi", "mlp.down": "mlp.Wo"}
_NORMS = {"norm_attention": "attn_norm", "norm_mlp": "mlp_norm"}
_OUTER_NORMS = {
    "embedding_norm": "model.embeddings.norm",
    "final_norm": "model.final_norm",
    "transform.norm": "head.norm",
}


def wants(config: BertConfig) -> dict[str, tuple]:
    """Values of each key that ModernBERT can express."""
    return {
        "norm": ("layer",),
        "norm_at": ("before",),
        "embedding_norm": (True,),
        "positions": ("rotary",),
        "mlp": tuple(ACTIVATIONS),
        "qk_norm": (False,),
    }


def settings(config: BertConfig) -> dict[str, Any]:
    """ModernBertConfig's values."""
    kinds = {True: "sliding_attention", False: "full_attention"}
    thetas = {kinds[sliding]: config.theta_of(config.sliding_window if sliding else 0) for sliding in kinds}
    return dict(
        max_position_embeddings=config.context_length, hidden_size=config.d_model, num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads, intermediate_size=config.resolved_d_ff,
        hidden_activation=ACTIVATIONS[config.mlp], classifier_activation=ACTIVATIONS[config.mlp],
        norm_eps=config.norm_epsilon, norm_bias=config.bias, attention_bias=config.bias, mlp_bias=config.bias,
        classifier_bias=config.bias, decoder_bias=config.head_bias, initializer_range=config.init_std,
        layer_types=[kinds[bool(window)] for window in config.windows], local_attention=config.sliding_window or 128,
        rope_parameters={kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in thetas.items()},
        embedding_dropout=config.dropout, attention_dropout=config.dropout, mlp_dropout=0.0,
        tie_word_embeddings=config.tied_head, cls_token_id=None, sep_token_id=None,
    )  # fmt: skip


def to_stock(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """ModernBERT's tensors by their names there; a norm without scale gets a scale of ones."""
    config, ours = model.config, model.state_dict()
    stock = {_EMBED: ours["embed.weight"]}
    for name, stock_name in _linears(config).items():
        for leaf in ("weight", "bias") if config.bias else ("weight",):
            stock[f"{stock_name}.{leaf}"] = ours[f"{name}.{leaf}"]
    for name, stock_name in _norms(config).items():
        stock[f"{stock_name}.weight"] = ours.get(f"{name}.weight", torch.ones(config.d_model))
        if config.bias:
            stock[f"{stock_name}.bias"] = ours.get(f"{name}.bias", torch.zeros(config.d_model))
    if config.head_bias:
        stock["decoder.bias"] = ours["to_logits.bias"]
    if not config.tied_head:
        stock["decoder.weight"] = ours["unembed.weight"]
    return stock


def from_settings(stock: Any) -> dict[str, Any]:
    """Our settings from a ModernBertConfig. Raises RecipeError for what our BERT can't express."""
    refuse_others(stock, {"classifier_activation": stock.hidden_activation})
    thetas = {}
    for kind in ("full_attention", "sliding_attention"):
        rope = dict(stock.rope_parameters[kind])
        thetas[kind] = float(rope.pop("rope_theta"))
        if {key: value for key, value in rope.items() if value is not None} != {"rope_type": "default"}:
            refuse_others(stock, {"rope_parameters": {kind: {"rope_type": "default", "rope_theta": thetas[kind]}}})
    letters = "".join("S" if kind == "sliding_attention" else "L" for kind in stock.layer_types)
    biases = (stock.attention_bias, stock.mlp_bias, stock.norm_bias, stock.classifier_bias)
    return dict(
        context_length=stock.max_position_embeddings, n_layers=stock.num_hidden_layers, d_model=stock.hidden_size,
        n_heads=stock.num_attention_heads, d_ff=stock.intermediate_size,
        mlp=readable(stock, "hidden_activation", _READABLE), norm="layer", norm_epsilon=float(stock.norm_eps),
        norm_at="before", embedding_norm=True, positions="rotary", rope_theta=thetas["full_attention"],
        local_rope_theta=thetas["sliding_attention"], sliding_window=stock.local_attention if "S" in letters else 0,
        window_pattern=letters, bias=any(biases), head_bias=bool(stock.decoder_bias),
        dropout=float(stock.attention_dropout), tied_head=bool(stock.tie_word_embeddings),
    )  # fmt: skip


def from_stock(stock: dict[str, torch.Tensor], config: BertConfig) -> dict[str, torch.Tensor]:
    """Our tensors from ModernBERT's; a bias that only our model has is zero."""
    ours = {"embed.weight": stock[_EMBED]}
    for name, stock_name in (_linears(config) | _norms(config)).items():
        weight = stock[f"{stock_name}.weight"]
        ours[f"{name}.weight"] = weight
        if config.bias:
            ours[f"{name}.bias"] = stock.get(f"{stock_name}.bias", torch.zeros(len(weight)))
    if config.head_bias:
        ours["to_logits.bias"] = stock["decoder.bias"]
    if not config.tied_head:
        ours["unembed.weight"] = stock["decoder.weight"]
    return ours


def _linears(config: BertConfig) -> dict[str, str]:
    """Our linear layers' names and theirs."""
    inner = {
        f"blocks.{layer}.{name}": f"model.layers.{layer}.{stock_name}"
        for layer in range(config.n_layers)
        for name, stock_name in _MATRICES.items()
    }
    return inner | {"transform.dense": "head.dense"}


def _norms(config: BertConfig) -> dict[str, str]:
    """Our norms' names and theirs."""
    inner = {
        f"blocks.{layer}.{name}": f"model.layers.{layer}.{stock_name}"
        for layer in range(config.n_layers)
        for name, stock_name in _NORMS.items()
        if layer > 0 or name != "norm_attention"
    }
    return inner | _OUTER_NORMS
