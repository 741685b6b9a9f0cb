"""What a family without a formula holds while it trains: measured on one row and on two, and drawn out from there.

What autograd keeps grows with the rows in a straight line, and the line's foot is what does not grow. Building the
model takes its weights' room, no more.
"""

from __future__ import annotations

import functools

import torch
from torch import nn

from idiolect.config import Config
from idiolect.models import family
from idiolect.models.build import build_model
from idiolect.optim.config import OptimConfig
from idiolect.optim.groups import assign_groups
from idiolect.plan.memory_gpt import remembered
from idiolect.plan.throughput import random_batch
from idiolect.train.loss import lm_loss


def parts_of(
    config: Config, vocabulary_size: int, batch_tokens: int, optim: OptimConfig, dtype: str, objective: Config
) -> dict[str, int]:
    """Bytes by part, as `memory_gpt.parts_of` gives them; the head's logits are among the activations."""
    one, two, weights, matrices = _kept(config, vocabulary_size, objective)
    rows = max(1, batch_tokens // config.context_length)
    activations = one + (rows - 1) * (two - one)
    muon = optim.optimiser.kind == "muon"
    return {
        "weights": weights,
        "gradients": weights,
        "moments": _moments(config, vocabulary_size, optim),
        "activations": activations,
        "logits": 0,
        # Newton-Schulz stacks the matrices of one shape: the stack, its update and one product.
        "workspace": 3 * matrices if muon else 0,
        "cast": matrices // 2 if dtype == "bfloat16" else 0,
    }


@functools.lru_cache(maxsize=8)
def _kept(config: Config, vocabulary_size: int, objective: Config) -> tuple[int, int, int, int]:
    """Bytes kept for the backward pass of one row and of two; bytes of all weights, and of the hidden matrices."""
    model = build_model(config, vocabulary_size, seed=0)
    weights = sum(p.nbytes for p in model.parameters())
    matrices = sum(p.nbytes for p in model.parameters() if p.ndim >= 2) - model.head_weight.nbytes
    one, two = (saved_bytes(model, random_batch(rows, config, vocabulary_size, objective)) for rows in (1, 2))
    return one, max(one, two), weights, max(0, matrices)


def saved_bytes(model: nn.Module, batch) -> int:
    """What autograd keeps of one forward pass and its loss, weights apart."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # The tensor is held with its size: a freed storage's address would be given to the next one.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor.detach()

    model.train()
    with torch.random.fork_rng([]), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        lm_loss(model, batch)
    return sum(size for size, _ in kept.values())


def _moments(config: Config, vocabulary_size: int, optim: OptimConfig) -> int:
    """Bytes the optimiser remembers, the running average included: from the groups of a model without memory."""
    with torch.device("meta"):
        model = family(config.kind).load()(config, vocabulary_size)
    groups = {name: sum(p.numel() for p in found.values()) for name, found in assign_groups(model).items()}
    sizes = {name: groups.pop(name) for name in ("matrices", "tables", "head_tables")}
    sizes["rest"] = sum(groups.values())
    # One number for each row and each column of a matrix, one for each entry of a vector.
    factors = sum(p.shape[0] + p[0].numel() if p.ndim > 1 else p.numel() for p in model.parameters())
    return remembered(sizes, factors, optim)
