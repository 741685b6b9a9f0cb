"""Our BERT as stock BERT: norms after each addition, positions and token types added to the embeddings.

Stock BERT adds an embedding of a token's type (first or second sentence) to every token. We know one type: coming in,
its row is added to every position's; going out, it is zero. Our fused matrix comes apart: queries, keys, values.
"""

from typing import Any

import torch

from idiolect.export.gpt2 import readable, refuse_others
from idiolect.models.config import BertConfig

ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu2": "relu2"}
_READABLE = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu2": "relu2"}
_EMBEDDINGS = "bert.embeddings."
_HEAD = "cls.predictions."
_MATRICES = {"attention.out": "attention.output.dense", "mlp.up": "intermediate.dense", "mlp.down": "output.dense"}
_NORMS = {"norm_attention": "attention.output.LayerNorm", "norm_mlp": "output.LayerNorm"}
_QKV = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
_OUTER_NORMS = {"embedding_norm": f"{_EMBEDDINGS}LayerNorm", "transform.norm": f"{_HEAD}transform.LayerNorm"}


def wants(config: BertConfig) -> dict[str, tuple]:
    """Values of each key that BERT can express."""
    return {
        "norm": ("layer",),
        "norm_at": ("after",),
        "embedding_norm": (True,),
        "positions": ("learned", "sinusoidal", "none"),
        "mlp": tuple(ACTIVATIONS),
        "qk_norm": (False,),
        "sliding_window": (0, *((config.sliding_window,) if not any(config.windows) else ())),
    }


def settings(config: BertConfig) -> dict[str, Any]:
    """stock BertConfig's values."""
    return dict(
        max_position_embeddings=config.context_length, hidden_size=config.d_model, num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads, intermediate_size=config.resolved_d_ff, hidden_act=ACTIVATIONS[config.mlp],
        hidden_dropout_prob=config.dropout, attention_probs_dropout_prob=config.dropout,
        layer_norm_eps=config.norm_epsilon, initializer_range=config.init_std, tie_word_embeddings=config.tied_head,
    )  # fmt: skip


def to_stock(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """BERT's tensors by their names there; no bias is a bias of zeros, a norm without scale has a scale of ones."""
    config, ours = model.config, model.state_dict()
    d = config.d_model
    positions_1T = torch.arange(config.context_length)[None]
    with torch.no_grad():
        # Whatever is added to an embedding of zeros is the table.
        table_1TD = model.positions(torch.zeros(1, config.context_length, d), positions_1T)
    stock = {
        f"{_EMBEDDINGS}word_embeddings.weight": ours["embed.weight"],
        f"{_EMBEDDINGS}position_embeddings.weight": table_1TD[0],
        f"{_EMBEDDINGS}token_type_embeddings.weight": torch.zeros(2, d),
        f"{_HEAD}bias": ours.get("to_logits.bias", torch.zeros(model.vocabulary_size)),
    }
    norms, linears = dict(_OUTER_NORMS), {"transform.dense": f"{_HEAD}transform.dense"}
    for layer in range(config.n_layers):
        here, there = f"blocks.{layer}.", f"bert.encoder.layer.{layer}."
        norms |= {here + name: there + stock_name for name, stock_name in _NORMS.items()}
        linears |= {here + name: there + stock_name for name, stock_name in _MATRICES.items()}
        weight, bias = (ours.get(f"{here}attention.qkv.{leaf}", torch.zeros(3 * d)) for leaf in ("weight", "bias"))
        for name, its_weight, its_bias in zip(_QKV, weight.chunk(3), bias.chunk(3), strict=True):
            stock |= {f"{there}{name}.weight": its_weight, f"{there}{name}.bias": its_bias}
    for name, stock_name in linears.items():
        weight = ours[f"{name}.weight"]
        stock[f"{stock_name}.weight"] = weight
        stock[f"{stock_name}.bias"] = ours.get(f"{name}.bias", torch.zeros(len(weight)))
    for name, stock_name in norms.items():
        stock[f"{stock_name}.weight"] = ours.get(f"{name}.weight", torch.ones(d))
        stock[f"{stock_name}.bias"] = ours.get(f"{name}.bias", torch.zeros(d))
    if not config.tied_head:
        stock[f"{_HEAD}decoder.weight"] = ours["unembed.weight"]
        stock[f"{_HEAD}decoder.bias"] = stock[f"{_HEAD}bias"]
    return stock


def from_settings(stock: Any) -> dict[str, Any]:
    """Our settings from a stock BertConfig. Raises RecipeError for what our BERT can't express."""
    refuse_others(stock, {"is_decoder": False, "add_cross_attention": False})
    return dict(
        context_length=stock.max_position_embeddings, n_layers=stock.num_hidden_layers, d_model=stock.hidden_size,
        n_heads=stock.num_attention_heads, d_ff=stock.intermediate_size, mlp=readable(stock, "hidden_act", _READABLE),
        norm="layer", norm_epsilon=float(stock.layer_norm_eps), norm_at="after", embedding_norm=True,
        positions="learned", bias=True, head_bias=True, dropout=float(stock.hidden_dropout_prob),
        tied_head=bool(stock.tie_word_embeddings),
    )  # fmt: skip


def from_stock(stock: dict[str, torch.Tensor], config: BertConfig) -> dict[str, torch.Tensor]:
    """Our tensors from BERT's; the first files call a norm's scale and shift gamma and beta."""
    leaves = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
    for old, new in leaves.items():
        stock = {name.replace(old, new): tensor for name, tensor in stock.items()}
    ours = {
        "embed.weight": stock[f"{_EMBEDDINGS}word_embeddings.weight"],
        "positions.weight": stock[f"{_EMBEDDINGS}position_embeddings.weight"]
        + stock[f"{_EMBEDDINGS}token_type_embeddings.weight"][0],
        # Where both are there and the head is untied, they may differ, and the decoder's is the one that is added.
        "to_logits.bias": stock.get(f"{_HEAD}decoder.bias", stock.get(f"{_HEAD}bias")),
    }
    names = _OUTER_NORMS | {"transform.dense": f"{_HEAD}transform.dense"}
    for layer in range(config.n_layers):
        here, there = f"blocks.{layer}.", f"bert.encoder.layer.{layer}."
        names |= {here + name: there + stock_name for name, stock_name in (_NORMS | _MATRICES).items()}
        for leaf in ("weight", "bias"):
            ours[f"{here}attention.qkv.{leaf}"] = torch.cat([stock[f"{there}{name}.{leaf}"] for name in _QKV])
    for name, stock_name in names.items():
        for leaf in ("weight", "bias"):
            ours[f"{name}.{leaf}"] = stock[f"{stock_name}.{leaf}"]
    if not config.tied_head:
        ours["unembed.weight"] = stock[f"{_HEAD}decoder.weight"]
    return ours
