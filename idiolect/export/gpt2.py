"""Our GPT as stock GPT-2: LayerNorm, positions added to the embeddings, one matrix after the other.

What our model leaves out, GPT-2 can hold as a constant: no bias is a bias of zeros, a norm without scale has a scale of
ones, sinusoids are a table of positions, and so are none (zeros). Its matrices are stored transposed (`Conv1D`).
"""

from typing import Any

import torch

from idiolect.errors import RecipeError
from idiolect.models.config import GPTConfig

ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu": "gelu", "relu2": "relu2"}
_READABLE = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu2": "relu2"}
_TRANSPOSED = {
    "attention.qkv": "attn.c_attn", "attention.out": "attn.c_proj", "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj",
}  # fmt: skip
_NORMS = {"norm_attention": "ln_1", "norm_mlp": "ln_2"}


def wants(config: GPTConfig) -> dict[str, tuple]:
    """Values of each key that GPT-2 can express."""
    return {
        "norm": ("layer",),
        "positions": ("learned", "sinusoidal", "none"),
        "mlp": tuple(ACTIVATIONS),
        "n_kv_heads": (0, config.n_heads),
        "d_head": (0, config.d_model / config.n_heads),
        "qk_norm": (False,),
    } | without_extras(config)


def without_extras(config: GPTConfig) -> dict[str, tuple]:
    """Values of the keys that neither GPT-2 nor Llama has anything for."""
    return {
        "sliding_window": (0, *((config.sliding_window,) if not any(config.windows) else ())),
        "embedding_norm": (False,),
        "logit_softcap": (0.0,),
        "attention_scale": (0.0,),
        "ngram_orders": ((),),
        "ngram_head_orders": ((),),
        "value_embeddings": ("none",),
        "n_experts": (0,),
    }


def settings(config: GPTConfig) -> dict[str, Any]:
    """GPT2Config's values."""
    return dict(
        n_positions=config.context_length, n_embd=config.d_model, n_layer=config.n_layers, n_head=config.n_heads,
        n_inner=config.resolved_d_ff, activation_function=ACTIVATIONS[config.mlp],
        layer_norm_epsilon=config.norm_epsilon, tie_word_embeddings=config.tied_head, initializer_range=config.init_std,
        resid_pdrop=config.dropout, embd_pdrop=config.dropout, attn_pdrop=config.dropout,
    )  # fmt: skip


def to_stock(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """GPT-2's tensors by their names there."""
    config, ours = model.config, model.state_dict()
    positions_1T = torch.arange(config.context_length)[None]
    with torch.no_grad():
        # Whatever is added to an embedding of zeros is the table.
        table_1TD = model.positions(torch.zeros(1, config.context_length, config.d_model), positions_1T)
    stock = {"transformer.wte.weight": ours["embed.weight"], "transformer.wpe.weight": table_1TD[0]}
    norms = {"final_norm": "transformer.ln_f"}
    for layer in range(config.n_layers):
        here, there = f"blocks.{layer}.", f"transformer.h.{layer}."
        norms |= {here + name: there + stock_name for name, stock_name in _NORMS.items()}
        for name, stock_name in _TRANSPOSED.items():
            weight = ours[f"{here}{name}.weight"]
            stock[f"{there}{stock_name}.weight"] = weight.T
            stock[f"{there}{stock_name}.bias"] = ours.get(f"{here}{name}.bias", torch.zeros(len(weight)))
    for name, stock_name in norms.items():
        stock[f"{stock_name}.weight"] = ours.get(f"{name}.weight", torch.ones(config.d_model))
        stock[f"{stock_name}.bias"] = ours.get(f"{name}.bias", torch.zeros(config.d_model))
    if not config.tied_head:
        stock["lm_head.weight"] = ours["unembed.weight"]
    return stock


def from_settings(stock: Any) -> dict[str, Any]:
    """Our settings from a GPT2Config. Raises RecipeError for what our GPT can't express."""
    fixed = {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}
    refuse_others(stock, fixed)
    return dict(
        context_length=stock.n_positions, n_layers=stock.n_layer, d_model=stock.n_embd, n_heads=stock.n_head,
        d_ff=stock.n_inner or 4 * stock.n_embd, mlp=readable(stock, "activation_function", _READABLE),
        norm="layer", norm_epsilon=float(stock.layer_norm_epsilon), positions="learned", bias=True, qk_norm=False,
        dropout=float(stock.resid_pdrop), tied_head=bool(stock.tie_word_embeddings), zero_init_projections=False,
    )  # fmt: skip


def from_stock(stock: dict[str, torch.Tensor], config: GPTConfig) -> dict[str, torch.Tensor]:
    """Our tensors from GPT-2's; the prefix `transformer.`, which the oldest files lack, may be missing."""
    stock = {name.removeprefix("transformer."): tensor for name, tensor in stock.items()}
    ours = {"embed.weight": stock["wte.weight"], "positions.weight": stock["wpe.weight"]}
    for suffix in ("weight", "bias"):
        ours[f"final_norm.{suffix}"] = stock[f"ln_f.{suffix}"]
    for layer in range(config.n_layers):
        here, there = f"blocks.{layer}.", f"h.{layer}."
        for name, stock_name in _TRANSPOSED.items():
            ours[f"{here}{name}.weight"] = stock[f"{there}{stock_name}.weight"].T
            ours[f"{here}{name}.bias"] = stock[f"{there}{stock_name}.bias"]
        for name, stock_name in _NORMS.items():
            for suffix in ("weight", "bias"):
                ours[f"{here}{name}.{suffix}"] = stock[f"{there}{stock_name}.{suffix}"]
    if not config.tied_head:
        ours["unembed.weight"] = stock["lm_head.weight"]
    return ours


def refuse_others(stock: Any, fixed: dict[str, Any]) -> None:
    """Raises RecipeError when a stock config asks for more than our models do."""
    for key, value in fixed.items():
        if getattr(stock, key) != value:
            raise RecipeError(
                f"{key} = {getattr(stock, key)} of {stock.model_type} can't be read into a model of ours",
                why=f"our models have no such setting; they compute what {key} = {value} does",
                fix="use a folder without it",
            )


def readable(stock: Any, key: str, names: dict[str, str]) -> str:
    """Our name of a stock activation. Raises RecipeError when we have none."""
    if getattr(stock, key) not in names:
        raise RecipeError(
            f'{key} = "{getattr(stock, key)}" of {stock.model_type} can\'t be read into a model of ours',
            why=f"our MLPs know: {', '.join(names)}",
            fix="use a folder with one of these",
        )
    return names[getattr(stock, key)]
