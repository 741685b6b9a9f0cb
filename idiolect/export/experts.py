"""Our GPT with a mixture of experts as stock Mixtral, or as Qwen 3 MoE, which has normalised queries and keys.

Around the experts both are Llama (llama.py). Ours lie one above the other in one matrix, theirs in files of one each;
what only training knows, the losses' factors, is written down as the stock config's own.
"""

from typing import Any

import torch

from idiolect.export import llama
from idiolect.export.gpt2 import refuse_others
from idiolect.models.config import GPTConfig

Tensors = dict[str, torch.Tensor]

# Where a layer's experts and router lie there: gate, up, down of expert {n}.
_MIXTRAL = ("block_sparse_moe.experts.{n}.w1", "block_sparse_moe.experts.{n}.w3", "block_sparse_moe.experts.{n}.w2")
_QWEN = ("mlp.experts.{n}.gate_proj", "mlp.experts.{n}.up_proj", "mlp.experts.{n}.down_proj")
_ROUTERS = {_MIXTRAL: "block_sparse_moe.gate", _QWEN: "mlp.gate"}


def wants_mixtral(config: GPTConfig) -> dict[str, tuple]:
    """Values of each key that Mixtral can express."""
    return llama.wants(config) | _wants(config) | {"expert_layers": ("all",), "expert_gate": ("chosen",)}


def wants_qwen(config: GPTConfig) -> dict[str, tuple]:
    """Values of each key that Qwen 3 MoE can express: experts in some layers alone, and weights over all of them."""
    return llama.wants_normed(config) | _wants(config) | {"sliding_window": llama.wants(config)["sliding_window"]}


def _wants(config: GPTConfig) -> dict[str, tuple]:
    # Stock code's grouped product (torch 2.13) wants rows of whole 16 bytes.
    width = config.resolved_expert_d_ff
    widths = (-(-width // 4) * 4,) if width % 4 else (config.expert_d_ff,)
    return {"n_experts": (config.n_experts or 8,), "shared_d_ff": (0,), "bias": (False,), "expert_d_ff": widths}


def settings_mixtral(config: GPTConfig) -> dict[str, Any]:
    """MixtralConfig's values."""
    experts = {"num_local_experts": config.n_experts, "intermediate_size": config.resolved_expert_d_ff}
    return llama.settings_shared(config) | _settings(config) | experts


def settings_qwen(config: GPTConfig) -> dict[str, Any]:
    """Qwen3MoeConfig's values."""
    without = [layer for layer in range(config.n_layers) if layer not in config.expert_layer_numbers]
    return llama.settings_shared(config) | _settings(config) | {
        "num_experts": config.n_experts, "moe_intermediate_size": config.resolved_expert_d_ff,
        "norm_topk_prob": config.expert_gate == "chosen", "decoder_sparse_step": 1, "mlp_only_layers": without,
        "attention_bias": False, "use_sliding_window": False,
    }  # fmt: skip


def _settings(config: GPTConfig) -> dict[str, Any]:
    return {
        "num_experts_per_tok": config.experts_per_token, "router_aux_loss_coef": config.balance_loss,
        "router_jitter_noise": 0.0, "sliding_window": None,
    }  # fmt: skip


def to_mixtral(model: torch.nn.Module) -> Tensors:
    """Mixtral's tensors by their names there."""
    return _to_stock(model, _MIXTRAL)


def to_qwen(model: torch.nn.Module) -> Tensors:
    """Qwen 3 MoE's tensors by their names there."""
    return _to_stock(model, _QWEN)


def _to_stock(model: torch.nn.Module, names: tuple[str, str, str]) -> Tensors:
    config, ours, stock = model.config, model.state_dict(), llama.to_stock(model)
    for layer in config.expert_layer_numbers:
        here, there = f"blocks.{layer}.mlp.", f"model.layers.{layer}."
        stock[f"{there}{_ROUTERS[names]}.weight"] = ours[f"{here}router.weight"]
        ups, downs = (ours[f"{here}{part}.weight"].chunk(config.n_experts) for part in ("up", "down"))
        for n, (up, down) in enumerate(zip(ups, downs, strict=True)):
            for name, part in zip(names, (*up.chunk(2), down), strict=True):
                stock[f"{there}{name.format(n=n)}.weight"] = part
    return stock


def from_settings_mixtral(stock: Any) -> dict[str, Any]:
    """Our settings from a MixtralConfig. Raises RecipeError for what our GPT can't express."""
    refuse_others(stock, {"sliding_window": None})
    return llama.from_settings_shared(stock) | _from_settings(stock) | {
        "qk_norm": False, "n_experts": stock.num_local_experts, "expert_d_ff": stock.intermediate_size,
    }  # fmt: skip


def from_settings_qwen(stock: Any) -> dict[str, Any]:
    """Our settings from a Qwen3MoeConfig. Raises RecipeError for what our GPT can't express."""
    refuse_others(stock, {"use_sliding_window": False, "attention_bias": False})
    n, n_layers = stock.num_experts, stock.num_hidden_layers
    step, without = stock.decoder_sparse_step, set(stock.mlp_only_layers or ())
    layers = tuple(k for k in range(n_layers) if k not in without and (k + 1) % step == 0)
    for pattern in ("all", "alternate"):
        ours = {"n_experts": n, "expert_layers": pattern, "experts_per_token": stock.num_experts_per_tok}
        if GPTConfig(n_layers=n_layers, expert_gate="all", **ours).expert_layer_numbers == layers:
            return llama.from_settings_shared(stock) | _from_settings(stock) | ours | {
                "qk_norm": True, "expert_d_ff": stock.moe_intermediate_size,
                "expert_gate": "chosen" if stock.norm_topk_prob else "all",
            }  # fmt: skip
    refuse_others(stock, {"mlp_only_layers": [], "decoder_sparse_step": 1})
    raise AssertionError("experts in every layer are ours, too")


def _from_settings(stock: Any) -> dict[str, Any]:
    balance_loss = float(stock.router_aux_loss_coef)
    return {"experts_per_token": stock.num_experts_per_tok, "bias": False, "balance_loss": balance_loss}


def from_mixtral(stock: Tensors, config: GPTConfig) -> Tensors:
    """Our tensors from Mixtral's."""
    return _from_stock(stock, config, _MIXTRAL)


def from_qwen(stock: Tensors, config: GPTConfig) -> Tensors:
    """Our tensors from Qwen 3 MoE's."""
    return _from_stock(stock, config, _QWEN)


def _from_stock(stock: Tensors, config: GPTConfig, names: tuple[str, str, str]) -> Tensors:
    ours = llama.from_stock(stock, config)
    for layer in config.expert_layer_numbers:
        here, there = f"blocks.{layer}.mlp.", f"model.layers.{layer}."
        ours[f"{here}router.weight"] = stock[f"{there}{_ROUTERS[names]}.weight"]
        of_each = [[stock[f"{there}{name.format(n=n)}.weight"] for name in names] for n in range(config.n_experts)]
        ours[f"{here}up.weight"] = torch.cat([part for gate, up, _ in of_each for part in (gate, up)])
        ours[f"{here}down.weight"] = torch.cat([down for _, _, down in of_each])
    return ours
