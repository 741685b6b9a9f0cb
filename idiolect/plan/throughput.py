"""Tokens a second, from real training steps of a real model on this machine: no table, no guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from idiolect.data.batch import Batch
from idiolect.data.config import AutoObjective, resolve_objective
from idiolect.data.objectives import Objective, build_objective
from idiolect.data.priced import Priced
from idiolect.device import Device
from idiolect.models.build import build_model
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import OptimConfig
from idiolect.plan.operations import operations_per_token
from idiolect.train.loss import lm_loss
from idiolect.train.step import take_step

WARM_STEPS = 2


def measure_training(
    config: Any,
    vocabulary_size: int,
    batch_tokens: int,
    device: Device,
    optim: OptimConfig | None = None,
    seconds: float = 2.0,
    least_steps: int = 3,
    objective: Any = None,
    loss_of: Callable[[nn.Module, Any], Priced] = lm_loss,
) -> dict[str, float]:
    """Time training steps on random tokens for about `seconds`: the median and the middle half of tokens per second.

    Steps include the data's copy, forward, backward, clipping and the update, as `take_step` does them. The first two
    are not counted: they allocate, and choose kernels. Returns tokens_per_second, low, high (quartiles), steps,
    seconds_per_step, flops_per_second, flops_per_token and peak_memory_bytes.
    """
    optim = optim or OptimConfig()
    model = build_model(config, vocabulary_size, seed=0).to(device.torch)
    optimiser = build_optimiser(optim, model)
    rows = max(1, batch_tokens // config.context_length)
    built, _ = random_objective(config, vocabulary_size, objective)
    batch = random_batch(rows, config, vocabulary_size, objective)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < WARM_STEPS + least_steps or time.perf_counter() - began < seconds:
        device.synchronise()
        start = time.perf_counter()
        take_step(model, optimiser, batch, loss_of=loss_of, device=device)
        device.synchronise()
        times.append(time.perf_counter() - start)
    speeds = sorted(rows * config.context_length / one for one in times[WARM_STEPS:])
    last = len(speeds) - 1
    median = speeds[last // 2] if last % 2 == 0 else (speeds[last // 2] + speeds[last // 2 + 1]) / 2
    # Speeds are in tokens of text, as budgets are; operations are counted by tokens read, of which a source adds some.
    n_read = batch.tokens_BT.numel() + (0 if batch.source_BS is None else batch.source_BS.numel())
    flops = operations_per_token(config, built, vocabulary_size)["training"]
    return {
        "tokens_per_second": median,
        "low": speeds[last // 4],
        "high": speeds[last - last // 4],
        "steps": len(speeds),
        "seconds_per_step": rows * config.context_length / median,
        "flops_per_token": flops,
        "flops_per_second": median * flops * n_read / (rows * config.context_length),
        "peak_memory_bytes": device.memory_bytes(),
    }


def random_objective(config: Any, vocabulary_size: int, objective: Any = None) -> tuple[Objective, int]:
    """The family's objective, or the given one, built for ids without a tokenizer; and how many of them are text."""
    resolved = resolve_objective(objective or AutoObjective(), config.reads, config.kind)
    of_text = vocabulary_size - resolved.n_extra_ids(config.context_length)
    built = build_objective(
        resolved, context_length=config.context_length, vocabulary_size=of_text, end_id=0, boundaries="open", seed=0,
        reads=config.reads,
    )  # fmt: skip
    return built, of_text


def random_batch(rows: int, config: Any, vocabulary_size: int, objective: Any = None) -> Batch:
    """Tokens drawn evenly from the vocabulary, made into rows of the family's (or the given) objective."""
    built, of_text = random_objective(config, vocabulary_size, objective)
    window_BW = torch.randint(of_text, (rows, built.window), generator=torch.Generator().manual_seed(0))
    return built.batch(window_BW, np.arange(rows))


def speed_profile(
    configs: list[Any], vocabulary_size: int, batch_tokens: int, device: Device, seconds: float = 1.5
) -> dict[int, float]:
    """Effective FLOP/s by width, for a few sizes that a plan reads the others from."""
    return {
        config.d_model: measure_training(config, vocabulary_size, batch_tokens, device, seconds=seconds)[
            "flops_per_second"
        ]
        for config in configs
    }
