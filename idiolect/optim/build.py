"""A config and a model become an optimiser with named groups."""

import torch
from torch import nn
from torch.optim import Optimizer

from idiolect.optim.config import AdamWConfig, OptimConfig, RowAdagradConfig, RowAdamConfig
from idiolect.optim.groups import GROUPS, Group, assign_groups, fused_rows
from idiolect.optim.lion import Lion
from idiolect.optim.muon import Muon
from idiolect.optim.optimiser import Optimiser
from idiolect.optim.rows import RowAdagrad, RowAdam
from idiolect.optim.sgd import SGD


def build_optimiser(config: OptimConfig, model: nn.Module) -> Optimiser:
    """The optimiser the config asks for, over every parameter that wants a gradient."""
    groups = tuple(_build_groups(config, model))
    by_name = {group.name: group for group in groups}
    rules = []
    for name in ("tables", "head_tables"):
        tables = by_name.pop(name, None)
        if tables:
            rules.append(_build_rows(_rule_for(config, name), tables))
    matrices = by_name.pop("matrices", None) if config.optimiser.kind == "muon" else None
    if matrices:
        rules.append(_build_muon(config, matrices, fused_rows(model)))
    rest = config.optimiser.rest if config.optimiser.kind == "muon" else config.optimiser
    if by_name:
        rules.append(_BUILD[rest.kind](rest, [_torch_group(group) for group in by_name.values()]))
    return Optimiser(rules, groups, config.clip_norm)


def _build_groups(config: OptimConfig, model: nn.Module):
    for name, parameters in assign_groups(model).items():
        if parameters:
            rule = _rule_for(config, name)
            decayed = name == "matrices" or (config.decay_embeddings and name in ("embeddings", "head"))
            rate = rule.learning_rate * getattr(config.multipliers, name)
            yield Group(name, parameters, rate, rule.weight_decay if decayed else 0.0)


def _rule_for(config: OptimConfig, name: str):
    assert name in GROUPS, name
    if name in ("tables", "head_tables"):
        return getattr(config, name)
    if config.optimiser.kind == "muon" and name != "matrices":
        return config.optimiser.rest
    return config.optimiser


def _torch_group(group: Group) -> dict:
    return {
        "name": group.name,
        "params": list(group.parameters.values()),
        "peak": group.learning_rate,
        "lr": group.learning_rate,
        "weight_decay": group.weight_decay,
    }


def _build_muon(config: OptimConfig, matrices: Group, fused: dict[str, tuple[int, ...]]) -> Optimizer:
    rows = [fused.get(name, (parameter.shape[0],)) for name, parameter in matrices.parameters.items()]
    rule = config.optimiser
    group = _torch_group(matrices) | {"rows": rows}
    return Muon([group], rule)


def _build_rows(rule: RowAdamConfig | RowAdagradConfig, tables: Group) -> Optimizer:
    if rule.kind == "adagrad":
        return RowAdagrad([_torch_group(tables)], rule.squares == "row", rule.epsilon)
    return RowAdam([_torch_group(tables)], rule.beta1, rule.beta2, rule.epsilon)


def _build_adam(kind: type[Optimizer], rule: AdamWConfig, groups: list[dict]) -> Optimizer:
    # Fused: one pass over the moments, threaded; 0.6 ms at 4 layers x 128, where foreach takes 1.6, the loop 2.0.
    return kind(groups, betas=(rule.beta1, rule.beta2), eps=rule.epsilon, fused=True)


_BUILD = {
    "sgd": lambda rule, groups: SGD(
        groups, lr=1.0, momentum=rule.momentum, nesterov=rule.nesterov and rule.momentum > 0, fused=True
    ),
    "adam": lambda rule, groups: _build_adam(torch.optim.Adam, rule, groups),
    "adamw": lambda rule, groups: _build_adam(torch.optim.AdamW, rule, groups),
    "adafactor": lambda rule, groups: torch.optim.Adafactor(
        groups, beta2_decay=rule.beta2_decay, d=rule.clip_threshold, foreach=True
    ),
    "rmsprop": lambda rule, groups: torch.optim.RMSprop(
        groups, alpha=rule.alpha, eps=rule.epsilon, momentum=rule.momentum, foreach=True
    ),
    "lion": lambda rule, groups: Lion(groups, rule.beta1, rule.beta2),
}
