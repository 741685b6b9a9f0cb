"""How the learning rate moves: pure functions of the step, so that resuming needs no state."""

import math

from idiolect.optim.config import ConstantConfig, CosineConfig, LinearConfig, WSDConfig


def factor(config: ConstantConfig | LinearConfig | CosineConfig | WSDConfig, step: int, total_steps: int) -> float:
    """Share of the peak rate for update number `step`, counted from 0; past the end it stays at the floor."""
    warmup_steps = round(config.warmup_share * total_steps)
    if step < warmup_steps:
        # From 1 / (warmup + 1), not from 0: a first update of nothing would waste a batch.
        return (step + 1) / (warmup_steps + 1)
    return _AFTER_WARMUP[config.kind](config, step, warmup_steps, total_steps)


def _constant(config: ConstantConfig, step: int, start: int, end: int) -> float:
    return 1.0


def _linear(config: LinearConfig, step: int, start: int, end: int) -> float:
    return 1.0 - (1.0 - config.floor) * _progress(step, start, end)


def _cosine(config: CosineConfig, step: int, start: int, end: int) -> float:
    return config.floor + (1.0 - config.floor) * 0.5 * (1.0 + math.cos(math.pi * _progress(step, start, end)))


def _wsd(config: WSDConfig, step: int, start: int, end: int) -> float:
    start = max(start, end - round(config.decay_share * end))
    gone = _progress(step, start, end) if step >= start else 0.0
    gone = math.sqrt(gone) if config.shape == "sqrt" else gone
    return 1.0 - (1.0 - config.floor) * gone


def _progress(step: int, start: int, end: int) -> float:
    """0 at `start`, 1 at `end` and after."""
    return min(1.0, (step - start) / (end - start)) if end > start else 1.0


_AFTER_WARMUP = {"constant": _constant, "linear": _linear, "cosine": _cosine, "wsd": _wsd}
