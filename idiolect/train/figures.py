"""The numbers of a line of metrics.jsonl, and those beside the progress bar."""

from typing import Any

from idiolect.train.state import Session

NAMES = (
    "step",
    "train_nats",
    "train_bits_per_byte",
    "learning_rate",
    "grad_norm",
    "tokens",
    "tokens_per_second",
    "seconds",
    "memory_bytes",
    "mfu",
)


def figures(session: Session) -> dict[str, Any]:
    """Means over the steps since the last line, weighted by scored targets; None where unknown.

    `learning_rate` is the matrices' where the optimiser tells them apart, `seconds` the time spent on updates.
    """
    training, state, seen = session.training, session.state, session.state.interval
    nats = seen.sum_nats / seen.n_scored
    speed = seen.n_tokens / seen.seconds if seen.seconds else None
    bits, flops, peak = training.bits_per_byte_per_nat, training.flops_per_token, training.peak_flops
    used = speed * flops / peak if speed and flops and peak else None
    if used is not None and used > 1:
        used = None  # the peak was timed beside other work, and is none
    values = (
        state.step,
        nats,
        nats * bits if bits else None,
        seen.learning_rate,
        seen.grad_norm,
        state.n_tokens,
        speed,
        state.seconds,
        training.device.memory_bytes(),
        used,
    )
    return dict(zip(NAMES, values, strict=True))


def shown(session: Session) -> dict[str, Any]:
    """What stands beside the bar: the loss in bits per byte where bytes are known, speed, rate, norm, memory, MFU."""
    if session.state.interval.n_scored:
        session.latest = figures(session)
    now = session.latest
    if not now:
        return {}
    score = {"bits_per_byte": now["train_bits_per_byte"]} if now["train_bits_per_byte"] else {"nats": now["train_nats"]}
    names = ("tokens_per_second", "learning_rate", "grad_norm", "mfu")
    return score | {name: now[name] for name in names} | {"memory_mb": now["memory_bytes"] / 1e6}
