"""Which evaluation was the best so far, and how many in a row were not."""

import math

from idiolect import distributed
from idiolect.errors import NumericsError
from idiolect.train.state import Session


def out_of_patience(session: Session) -> bool:
    """Whether the evaluations have failed to improve as often as the recipe allows."""
    patience = session.training.config.patience
    return bool(patience) and session.state.n_stale >= patience


def judge(session: Session, found: dict[str, float]) -> None:
    """Mark the best checkpoint; count evaluations without improvement. Raises NumericsError when the score is NaN."""
    training, state = session.training, session.state
    value = found.get(training.best_by)
    if value is None:
        return
    if not math.isfinite(value):
        raise NumericsError(
            f"{training.best_by} after step {state.step} is {value}",
            why="the weights are finite, but what they compute on held-out text is not",
            fix="a lower learning rate; the best checkpoint so far stands",
        )
    better = value - state.best_value if state.best_value is not None else math.inf
    if state.best_value is not None and not training.best_is_high:
        better = -better
    if better > training.config.min_improvement:
        state.best_value, state.best_step, state.n_stale = value, state.step, 0
        if training.checkpoints is not None and session.saved_step == state.step and distributed.is_main():
            training.checkpoints.mark_best(state.step, training.best_by, value)
    else:
        state.n_stale += 1
