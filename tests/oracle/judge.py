"""The suite's assertions: a model comes near the exact value and never falls below it.

Near: the mean difference, model minus exact, in nats a token is at most the tolerance.

Never below, in two ways. The mean difference is not negative by more than 4 standard errors, clustered by document.
And where both price the same things together, sharper and free of approximation: whatever q a model puts in place of
the truth p, the mean of q / p under p is at most 1, so by Markov's inequality (for sequences Ville's, 1939)

    P( sum of (exact nats - model nats) >= ln(1 / alpha) ) <= alpha

over all held-out tokens at once. With alpha = 1e-6 a whole split may be beaten by 13.8 nats in all, on 10,000 tokens
0.0014 nats each. A model that was fitted without the held-out text and beats that has seen its answers.
"""

import math
from dataclasses import dataclass

import numpy as np

from idiolect.evaluate.statistics import clustered_standard_error
from tests.oracle.path import Measured

ERRORS = 4.0
LUCK = math.log(1e6)


@dataclass(frozen=True)
class Gap:
    """Nats a token by which a model is above the exact value, with its standard error; `lead` is the sum below it."""

    value: float
    error: float
    lead: float
    exact: float
    n: int

    def __str__(self) -> str:
        return f"exact {self.exact:.4f}, model {self.value:+.4f} +- {self.error:.4f} nats a token (n = {self.n:,})"


def gap_of(measured: Measured) -> Gap:
    """The paired difference."""
    difference_N = measured.model_N - measured.exact_N
    assert np.isfinite(difference_N).all(), "a price is not finite"
    cluster_N = np.unique(measured.cluster_N, return_inverse=True)[1]
    sums_C = np.bincount(cluster_N, difference_N)
    weights_C = np.bincount(cluster_N, measured.weight_N)
    total = weights_C.sum()
    return Gap(
        value=float(sums_C.sum() / total),
        error=clustered_standard_error(sums_C, weights_C),
        lead=float(-sums_C.sum()) if measured.joint else -math.inf,
        exact=float(measured.exact_N.sum() / total),
        n=int(total),
    )


def check(measured: Measured, tolerance: float) -> Gap:
    """Raise AssertionError unless the model is near the exact value and not below it."""
    gap = gap_of(measured)
    assert gap.value >= -ERRORS * gap.error and gap.lead < LUCK, f"below the exact entropy, so something leaks: {gap}"
    assert gap.value <= tolerance, f"not within {tolerance} of the exact entropy: {gap}"
    return gap


def check_reported(nats: float, measured: Measured) -> None:
    """Raise AssertionError unless a mean that was reported for these very tokens is that of their prices."""
    mean = float(measured.model_N.sum() / measured.weight_N.sum())
    assert abs(nats - mean) < 1e-3, f"reported {nats:.4f} nats a token, the tokens cost {mean:.4f}"
