"""The one training loop, for pre-training and fine-tuning: a function over a small state, with probes.

    boundary    a checkpoint if one is due, then the probes that are due, then the line of metrics.jsonl
    update      the next batch, one step of the optimiser

Start at `train`. A boundary comes before the update that follows it, so a run that is taken up again begins with the
boundary it died in.
"""

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any

import torch

from idiolect import distributed
from idiolect.data.loader import Loader
from idiolect.errors import RecipeError
from idiolect.train import guard
from idiolect.train.best import out_of_patience
from idiolect.train.boundary import boundary, stop_if_asked
from idiolect.train.config import TrainConfig
from idiolect.train.figures import shown
from idiolect.train.frozen import hold
from idiolect.train.resume import take_up
from idiolect.train.state import Interval, Outcome, Session, State, Training
from idiolect.train.step import StepResult, take_step

# The bar is repainted this often, whatever the length of a step.
PAINT_SECONDS = 0.2
# A time budget first decides the number of steps here, and again each time the count has doubled; steps so slow that
# this share of it is gone by then decide it sooner, each anew.
FIT_BUDGET_AT = 25
FIT_BUDGET_BY = 0.1
# Fewer than these end in the warm-up of most schedules.
FEW_STEPS = 100


def train(training: Training) -> Outcome:
    """Train until the steps, the time budget or the patience run out; takes up the newest valid checkpoint if any.

    Raises Stopped (saved) on SIGTERM or SIGINT, NumericsError instead of an update that isn't finite, CheckpointError,
    ResourceError, and RecipeError when a changed setting makes resuming impossible.
    """
    session = Session(training, State(total_steps=training.config.steps))
    with session.flag.listening():
        take_up(session)
        training.model.train()
        with contextlib.closing(iter(_loader(session))) as batches:
            reason = _run(session, batches)
        if distributed.world_size() == 1:
            # A signal during the last save came after the last look for one; the work behind us must not go on.
            stop_if_asked(session)
    state, store = session.state, training.checkpoints
    last = store.path(session.saved_step) if store is not None and session.saved_step else None
    return Outcome(state.step, reason, state.best_step, state.best_value, state.n_tokens, state.seconds, last)


def _run(session: Session, batches: Iterator[tuple[int, Any]]) -> str:
    state, config = session.state, session.training.config
    began, first, painted = time.perf_counter() - state.elapsed_seconds, state.step, 0.0
    with session.training.progress.bar("training", max(0, state.total_steps - first), "steps") as bar:
        while True:
            state.elapsed_seconds = time.perf_counter() - began
            if config.budget_seconds:
                _fit_budget(session)
            reason = _reason_to_end(session)
            boundary(session, last=bool(reason))
            if not reason and out_of_patience(session):
                reason = "patience"
            if reason or time.perf_counter() - painted > PAINT_SECONDS:
                painted = time.perf_counter()
                expected = state.step if reason else _steps_expected(session)
                bar.total = max(1, expected - first)
                bar.update(state.step - first, step=f"{state.step:,}/{expected:,}", **shown(session))
            if reason:
                return reason
            _update(session, batches)


def _update(session: Session, batches: Iterator[tuple[int, Any]]) -> None:
    training, state, began = session.training, session.state, time.perf_counter()
    training.optimiser.set_learning_rate_factor(training.schedule(state.step, state.total_steps))
    hold(training.bare_model, training.frozen, state.step)
    position, batch = next(batches)
    result = take_step(
        training.model,
        training.optimiser,
        batch,
        loss_of=training.loss_of,
        device=training.device,
        micro_samples=training.micro_samples,
        stop=session.flag.requested,
    )
    if not result.applied:
        _refuse(session, result, batch)
    if training.average is not None:
        training.average.update()
    session.stop_agreed = result.stop
    state.step += 1
    state.position = position
    state.n_tokens += result.n_tokens
    seconds = time.perf_counter() - began
    state.seconds += seconds
    seen, rates = state.interval, training.optimiser.learning_rates()
    state.interval = Interval(
        seen.sum_nats + result.sum_nats,
        seen.n_scored + result.n_scored,
        seen.n_tokens + result.n_tokens,
        seen.seconds + seconds,
        rates.get("matrices", max(rates.values())),
        result.grad_norm,
    )


def _refuse(session: Session, result: StepResult, batch: Any) -> None:
    training, store = session.training, session.training.checkpoints
    steps = store.steps() if store is not None else []
    guard.refuse(
        step=session.state.step + 1,
        sum_nats=result.sum_nats,
        grad_norm=result.grad_norm,
        model=training.bare_model,
        batch=batch,
        first_sample=session.state.position,
        n_samples=training.batch_samples,
        folder=store.folder.parent if store is not None else None,
        last_checkpoint=store.path(steps[-1]) if steps else None,
    )


def _reason_to_end(session: Session) -> str:
    state, config = session.state, session.training.config
    if state.step >= state.total_steps:
        return "steps"
    return "time" if config.budget_seconds and state.elapsed_seconds >= config.budget_seconds else ""


def _fit_budget(session: Session) -> None:
    """Fit the number of steps, and with it the schedule, to the time that is left, from the pace so far.

    A run under a time budget depends on the clock, so two of them differ, and so do a resumed and an unbroken one.
    """
    state, config = session.state, session.training.config
    if distributed.world_size() > 1:
        # Ranks that disagreed on the time would disagree on the last step.
        clock = torch.tensor([state.elapsed_seconds], device=session.training.device.torch)
        state.elapsed_seconds = distributed.broadcast(clock).item()
    doublings, rest = divmod(state.step, FIT_BUDGET_AT)
    late = 0 < state.step < FIT_BUDGET_AT and state.elapsed_seconds > FIT_BUDGET_BY * config.budget_seconds
    if late or (rest == 0 and doublings and doublings & (doublings - 1) == 0):
        first, state.total_steps = state.total_steps == config.steps, _steps_within(config, state)
        if first and state.total_steps < min(FEW_STEPS, config.steps):
            session.training.progress.say(
                f"at this pace {config.budget_seconds:g} s hold about {state.total_steps} steps, which teach a model "
                "little: a smaller one learns more in the time, and `idiolect plan` names its size"
            )


def _steps_within(config: TrainConfig, state: State) -> int:
    """Steps that the time budget holds at the pace so far."""
    fitting = math.ceil(state.step * config.budget_seconds / state.elapsed_seconds)
    return min(config.steps, max(state.step + 1, fitting))


def _steps_expected(session: Session) -> int:
    """Where the run will end, for whoever watches: a budget is known from the first step, the schedule follows."""
    state, config = session.state, session.training.config
    timed = config.budget_seconds and state.step
    return min(state.total_steps, _steps_within(config, state)) if timed else state.total_steps


def _loader(session: Session) -> Loader:
    training = session.training
    return Loader(
        training.source,
        training.batch_samples,
        session.state.position,
        distributed.rank(),
        distributed.world_size(),
        training.prefetch,
        training.device.torch.type == "cuda",
    )


def batch_shape(config: TrainConfig, context_length: int, n_ranks: int = 1) -> tuple[int, int]:
    """Samples a step over all ranks, and samples that go through a rank's model at once.

    Raises RecipeError when the batch holds no whole sample for each rank.
    """
    samples = config.batch_tokens // context_length
    if samples < n_ranks:
        raise RecipeError(
            f"train.batch_tokens = {config.batch_tokens} is too small",
            why=f"a sample is {context_length} tokens (the context length) and each of {n_ranks} process(es) needs one",
            fix=f"--train.batch_tokens={context_length * n_ranks}, or a smaller context_length",
        )
    share = -(-samples // n_ranks)
    micro = max(1, config.micro_batch_tokens // context_length) if config.micro_batch_tokens else share
    return samples, min(micro, share)
