"""Between two updates: a checkpoint if one is due, then the probes that are due, then the line of metrics.jsonl.

The checkpoint comes first, so that an evaluation that fails costs nothing, and it holds what the line is made of, so
that a run killed in between writes it all the same.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from idiolect import distributed
from idiolect.errors import NumericsError, ResourceError, Stopped
from idiolect.train.best import judge, out_of_patience
from idiolect.train.figures import figures
from idiolect.train.guard import non_finite
from idiolect.train.resume import snapshot
from idiolect.train.signals import Interrupted
from idiolect.train.state import Interval, Probe, Session


def boundary(session: Session, last: bool) -> None:
    """Do what is due after `state.step` updates; after the last of them, everything is. Raises Stopped if asked to."""
    stop_if_asked(session)
    training, state = session.training, session.state
    step, every = state.step, training.config.save_every_steps
    due = [p for p in training.probes if step and (last or (p.every_steps and step % p.every_steps == 0))]
    if session.probed_step == step:
        due = []
    if step and (last or (every and step % every == 0) or any(p.save_first for p in due)):
        save(session)
    found: dict[str, float] = {}
    if due:
        found = _run_probes(session, due)
        judge(session, found)
        if not last and out_of_patience(session):
            save(session)
            found |= _run_probes(session, [p for p in training.probes if p not in due])
        session.probed_step = step
    # An interval is empty when this boundary's line was written before the run died here.
    if state.interval.n_scored and (found or last or step % training.config.log_every_steps == 0):
        session.latest = figures(session) | found
        if training.metrics is not None and distributed.is_main():
            training.metrics.write(session.latest)
        state.interval = Interval()


def save(session: Session) -> None:
    """Save this step's checkpoint, once. Every rank calls it; the main one writes."""
    training, step = session.training, session.state.step
    store = training.checkpoints
    if store is None or session.saved_step == step:
        return
    bad = non_finite(training.bare_model)["weights"]
    if bad:
        raise NumericsError(
            f"after step {step} the weights are not finite, first in {bad[0]}",
            why="the update itself overflowed; this step is not saved, the checkpoints before it stand",
            fix="a lower learning rate or a longer warm-up; then the same command again",
        )
    state, tensors = snapshot(session), training.tensors()
    failed: Exception | None = None
    if distributed.is_main():
        try:
            store.save(step, tensors, state)
        except Exception as error:
            failed = error
    # The other ranks must learn of it: they would wait for ever in their next sum.
    n_failed = distributed.all_reduce_sum(torch.tensor([float(failed is not None)], device=training.device.torch))
    if failed is not None:
        raise failed
    if distributed.world_size() > 1 and n_failed.item():
        raise ResourceError(
            "the main process could not save a checkpoint",
            why="its own message says why",
            fix="follow the main process's message, then start all processes again",
        )
    session.saved_step = step


def stop_if_asked(session: Session) -> None:
    """Save and raise Stopped when a signal asked this process, or any other rank, to end.

    This step's probes and line are left to the run that goes on: its first boundary is this one.
    """
    flag, state = session.flag, session.state
    if not (flag.requested if distributed.world_size() == 1 else session.stop_agreed):
        return
    store = session.training.checkpoints
    saved = store is not None and state.step > 0
    if saved:
        save(session)
    raise Stopped(
        f"stopped after step {state.step:,} ({flag.name or 'a signal to another process'})",
        why=f"everything is saved in {store.path(state.step)}" if saved else "there was nothing to save",
        fix="the same command again goes on from here",
    )


def _run_probes(session: Session, due: list[Probe]) -> dict[str, float]:
    training = session.training
    found: dict[str, float] = {}
    device = training.device.torch
    # A rank that left alone would keep the others waiting, so only a lone process cuts its probes short.
    cut_short = session.flag.interruptible() if distributed.world_size() == 1 else contextlib.nullcontext()
    averaged = training.average.applied() if training.average is not None else contextlib.nullcontext()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), averaged, _evaluating(training.model):
            with cut_short, torch.no_grad():
                for probe in due:
                    found |= probe.function(training.model, session.state.step)
    except Interrupted:
        stop_if_asked(session)
    return found


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
