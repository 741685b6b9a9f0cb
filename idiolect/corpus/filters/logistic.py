"""Logistic regression with an L2 penalty on sparse features, by L-BFGS: deterministic, numpy alone.

Minimises  sum_i softplus(-s_i (x_i w + b)) + l2 / 2 |w|^2  (scikit-learn's C = 1 / l2; the bias goes unpunished).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

HISTORY = 10
# Enough for weights that agree with scikit-learn's to 0.002 (tests); scores are read to two digits.
MOST_STEPS, TOLERANCE = 100, 1e-4


@dataclass(frozen=True)
class Rows:
    """A sparse matrix by rows: row i holds columns[offsets[i]:offsets[i+1]] with those values."""

    columns: np.ndarray
    values: np.ndarray
    offsets: np.ndarray
    n_columns: int

    @cached_property
    def row_of(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def take(self, rows: np.ndarray) -> "Rows":
        """Some of the rows, in the order asked for."""
        n = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(n)])
        at = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - self.offsets[rows], n)
        return Rows(self.columns[at], self.values[at], offsets, self.n_columns)

    def times(self, w: np.ndarray) -> np.ndarray:
        return np.bincount(self.row_of, self.values * w[self.columns], len(self.offsets) - 1)

    def transposed_times(self, r: np.ndarray) -> np.ndarray:
        return np.bincount(self.columns, self.values * r[self.row_of], self.n_columns)


def fit(rows: Rows, targets: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    """Weights and bias for targets between 0 and 1."""

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        w = theta[:-1]
        z = rows.times(w) + theta[-1]
        # Cross-entropy of a logit against a soft target: softplus(z) - t z.
        value = float((np.logaddexp(0, z) - targets * z).sum() + l2 / 2 * (w @ w))
        slope = sigmoid(z) - targets
        return value, np.append(rows.transposed_times(slope) + l2 * w, slope.sum())

    theta = minimise(loss, np.zeros(rows.n_columns + 1))
    return theta[:-1], float(theta[-1])


def minimise(loss, theta: np.ndarray) -> np.ndarray:
    """L-BFGS with halved steps until the loss falls enough (Nocedal and Wright 2006, algorithms 7.4 and 3.1)."""
    value, slope = loss(theta)
    first = np.abs(slope).max()
    pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
    for _ in range(MOST_STEPS):
        if np.abs(slope).max() <= TOLERANCE * max(first, 1.0):
            break
        direction = -_inverse_times(slope, pairs)
        descent = direction @ slope
        step = 1.0 if pairs else min(1.0, 1.0 / np.abs(slope).sum())
        for _ in range(60):
            new = theta + step * direction
            new_value, new_slope = loss(new)
            if new_value <= value + 1e-4 * step * descent:
                break
            step /= 2
        else:
            # Not a bit lower in any direction we know: as exact as float64 gets.
            break
        moved, turned = new - theta, new_slope - slope
        if (curve := moved @ turned) > 1e-12:
            pairs = [*pairs[-HISTORY + 1 :], (moved, turned, curve)]
        theta, value, slope = new, new_value, new_slope
    return theta


def _inverse_times(slope: np.ndarray, pairs: list) -> np.ndarray:
    q, shares = slope.copy(), []
    for moved, turned, curve in reversed(pairs):
        shares.append((moved @ q) / curve)
        q -= shares[-1] * turned
    if pairs:
        _, turned, curve = pairs[-1]
        q *= curve / (turned @ turned)
    for (moved, turned, curve), share in zip(pairs, reversed(shares), strict=True):
        q += (share - (turned @ q) / curve) * moved
    return q


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)) without overflow."""
    return np.exp(-np.logaddexp(0, -z))
