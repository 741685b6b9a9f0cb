"""What it takes to write a model as one of the stock architectures of `transformers`, and to read one back.

A stock kind is a value: which settings it can express, its config, and its tensors by name. `KINDS` is the whole list,
the plainest first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from idiolect.config import Config
from idiolect.errors import RecipeError
from idiolect.export import bert, experts, gpt2, llama, modernbert, t5

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Kind:
    """One stock architecture.

    `wants` maps a key of `[model]` to the values that can be expressed; `settings` gives the stock config's own values,
    `to_stock` and `from_stock` rename and reshape tensors, `from_settings` reads a stock config back. `family` is ours,
    `auto_class` the one of `transformers` that loads such a folder with its head.
    """

    name: str
    config_class: str
    model_class: str
    wants: Callable[[Config], dict[str, tuple]]
    settings: Callable[[Config], dict[str, Any]]
    to_stock: Callable[[torch.nn.Module], Tensors]
    from_settings: Callable[[Any], dict[str, Any]]
    from_stock: Callable[[Tensors, Config], Tensors]
    family: str = "gpt"
    auto_class: str = "AutoModelForCausalLM"

    def offending(self, config: Config) -> dict[str, tuple]:
        """The settings that stock code can't express, with what it can."""
        return {key: values for key, values in self.wants(config).items() if getattr(config, key) not in values}


KINDS = (
    Kind(
        "gpt2", "GPT2Config", "GPT2LMHeadModel",
        gpt2.wants, gpt2.settings, gpt2.to_stock, gpt2.from_settings, gpt2.from_stock,
    ),
    Kind(
        "llama", "LlamaConfig", "LlamaForCausalLM",
        llama.wants, llama.settings, llama.to_stock, llama.from_settings, llama.from_stock,
    ),
    Kind(
        "qwen3", "Qwen3Config", "Qwen3ForCausalLM",
        llama.wants_normed, llama.settings_normed, llama.to_stock, llama.from_settings_normed, llama.from_stock,
    ),
    Kind(
        "mixtral", "MixtralConfig", "MixtralForCausalLM",
        experts.wants_mixtral, experts.settings_mixtral, experts.to_mixtral, experts.from_settings_mixtral,
        experts.from_mixtral,
    ),
    Kind(
        "qwen3_moe", "Qwen3MoeConfig", "Qwen3MoeForCausalLM",
        experts.wants_qwen, experts.settings_qwen, experts.to_qwen, experts.from_settings_qwen, experts.from_qwen,
    ),
    Kind(
        "bert", "BertConfig", "BertForMaskedLM",
        bert.wants, bert.settings, bert.to_stock, bert.from_settings, bert.from_stock, "bert", "AutoModelForMaskedLM",
    ),
    Kind(
        "modernbert", "ModernBertConfig", "ModernBertForMaskedLM",
        modernbert.wants, modernbert.settings, modernbert.to_stock, modernbert.from_settings, modernbert.from_stock,
        "bert", "AutoModelForMaskedLM",
    ),
    Kind(
        "t5", "T5Config", "T5ForConditionalGeneration",
        t5.wants, t5.settings, t5.to_stock, t5.from_settings, t5.from_stock, "t5", "AutoModelForSeq2SeqLM",
    ),
)  # fmt: skip


def kind_for(config: Config) -> Kind:
    """The first kind that expresses every setting. Raises RecipeError naming each key in the way of the nearest one."""
    kinds = [kind for kind in KINDS if kind.family == config.kind]
    if not kinds:
        raise RecipeError(
            f'stock transformers has no architecture for model.kind = "{config.kind}"',
            why="an export holds no code, so somebody else's must be able to compute what this model does",
            fix="train with " + " or ".join(f"--model.kind={name}" for name in sorted({kind.family for kind in KINDS})),
        )
    # Of two that lack one setting each, the one that would give up the experts is farther.
    nearest = min(kinds, key=lambda kind: (len(kind.offending(config)), "n_experts" in kind.offending(config)))
    offending = nearest.offending(config)
    if not offending:
        return nearest
    found = ", ".join(f"model.{key} = {_toml(getattr(config, key))}" for key in offending)
    raise RecipeError(
        f"stock transformers can't express {found}",
        why=f"the nearest architecture there, {nearest.name}, has no such setting, and an export holds no code",
        fix="train with " + " ".join(f"--model.{key}={_toml(values[0])}" for key, values in offending.items()),
    )


def kind_named(model_type: str | None) -> Kind:
    """The kind of a stock folder's `model_type`. Raises RecipeError when we can't read it."""
    for kind in KINDS:
        if kind.name == model_type:
            return kind
    raise RecipeError(
        f'model_type = "{model_type}" can\'t be read into a model of ours',
        why=f"what we read: {', '.join(kind.name for kind in KINDS)}",
        fix="use a folder of one of these architectures",
    )


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
