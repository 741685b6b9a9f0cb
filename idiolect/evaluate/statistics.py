"""How sure a score is: intervals by Wilson, by clustered standard errors and by the bootstrap, and verdicts in words.

Every score leaves this room as `{"value", "low", "high", "n"}`, a 95 % interval. Start at `ratio_interval` (means of
correlated tokens) and `bootstrap_cells` (any metric of a table of counts). tests/evaluate/test_statistics.py draws
thousands of samples and counts how often each interval holds the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
N_RESAMPLES = 2000
# Resampled values held at once: bounds the bootstrap's scratch to about 64 MB.
RESAMPLE_CHUNK = 1 << 22


def estimate(value: float, low: float, high: float, n: int) -> dict:
    """A score as every part of the project passes it on."""
    return {"value": float(value), "low": float(low), "high": float(high), "n": int(n)}


def t_quantile(degrees: float, level: float = LEVEL) -> float:
    """Two-sided Student quantile: exact up to 2 degrees, then from the normal one (Abramowitz and Stegun 26.7.5).

    Within 0.2 % from 3 degrees of freedom on; written out so that a validation needs no scipy.
    """
    if degrees == 1:
        return math.tan(math.pi * level / 2)
    if degrees == 2:
        return level * math.sqrt(2 / (1 - level**2))
    z = NormalDist().inv_cdf(0.5 + level / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, 1))


def student_tail(t: float, degrees: float) -> float:
    """Probability that Student's t is further from 0 than `t`, exact for any degrees of freedom above zero.

    The regularised incomplete beta function at degrees / (degrees + t^2), by its continued fraction (Numerical
    Recipes, 3rd edition, 6.4, with Lentz's method).
    """
    a, b, x = degrees / 2, 0.5, degrees / (degrees + t * t)
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 1000):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + top * d or tiny)
            c = 1 + top / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return fraction


def student_quantile(degrees: float, level: float = LEVEL) -> float:
    """Two-sided Student quantile, exact for any degrees of freedom (Welch's are no whole number), by bisection."""
    low, high = 0.0, 1.0
    while student_tail(high, degrees) > 1 - level:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, degrees) > 1 - level else (low, middle)
    return (low + high) / 2


def wilson(successes: int, n: int, level: float = LEVEL) -> dict:
    """A share with Wilson's score interval (Wilson 1927), which stays inside 0..1 and holds for shares near either."""
    assert 0 <= successes <= n and n > 0, (successes, n)
    z, share = NormalDist().inv_cdf(0.5 + level / 2), successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def clustered_standard_error(numerators_C, denominators_C) -> float:
    """Standard error of sum(numerators) / sum(denominators) when whole clusters are what was drawn at random.

    The linearised ratio estimator (Cochran 1977, chapter 6): tokens of one document go up and down together, so the
    count of documents, not of tokens, is what makes a mean sure. NaN when there is only one cluster.
    """
    numerators_C, denominators_C = np.asarray(numerators_C, float), np.asarray(denominators_C, float)
    n_clusters = len(numerators_C)
    if n_clusters < 2:
        return float("nan")
    residual_C = numerators_C - numerators_C.sum() / denominators_C.sum() * denominators_C
    return float(np.sqrt(n_clusters / (n_clusters - 1) * (residual_C**2).sum()) / denominators_C.sum())


def ratio_interval(numerators_C, denominators_C, n: int, level: float = LEVEL) -> dict:
    """sum / sum over clusters with its clustered interval; a single cluster gives no spread, so low = high = value."""
    value = np.sum(numerators_C) / np.sum(denominators_C)
    error = clustered_standard_error(numerators_C, denominators_C)
    half = t_quantile(len(numerators_C) - 1, level) * error if np.isfinite(error) else 0.0
    return estimate(value, value - half, value + half, n)


def bootstrap_mean(values_N, *, n_resamples: int = N_RESAMPLES, seed: int = 0, level: float = LEVEL) -> dict:
    """The mean with its percentile bootstrap interval (Efron 1979). For a paired comparison give the differences."""
    values_N = np.asarray(values_N, float)
    random, n = np.random.default_rng(seed), len(values_N)
    means = np.empty(n_resamples)
    rows = max(1, RESAMPLE_CHUNK // n)
    for start in range(0, n_resamples, rows):
        stop = min(start + rows, n_resamples)
        means[start:stop] = values_N[random.integers(0, n, (stop - start, n))].mean(axis=1)
    return estimate(values_N.mean(), *np.quantile(means, [(1 - level) / 2, (1 + level) / 2]), n)


def bootstrap_cells(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict:
    """Percentile bootstrap of any statistic of a table of counts; `statistic` maps (R, *counts.shape) to (R,).

    Drawing n examples with replacement and tabulating them is one multinomial draw over the table's cells, so the
    cost does not grow with n. For a paired comparison, give the table of (label, one's answer, the other's answer).
    """
    counts = np.asarray(counts)
    n = int(counts.sum())
    assert n > 0, "an empty table has no interval"
    full = counts.ravel() > 0
    random = np.random.default_rng(seed)
    samples = []
    rows = max(1, RESAMPLE_CHUNK // counts.size)
    for start in range(0, n_resamples, rows):
        drawn = np.zeros((min(rows, n_resamples - start), counts.size), np.int64)
        drawn[:, full] = random.multinomial(n, counts.ravel()[full] / n, size=len(drawn))
        samples.append(statistic(drawn.reshape(-1, *counts.shape)))
    low, high = np.quantile(np.concatenate(samples), [(1 - level) / 2, (1 + level) / 2])
    return estimate(statistic(counts[None])[0], low, high, n)


def verdict(
    difference: dict, other: str, *, scale: float = 100, unit: str = "points", digits: int = 1, higher_is_better=True
) -> str:
    """A paired difference (ours minus the other's) as a sentence; an interval that holds 0 is no difference.

    Nor is one too small to be written with `digits`: two models that count the same text differ by rounding alone.
    """
    low, high, value = (scale * difference[key] for key in ("low", "high", "value"))
    if low <= 0 <= high or max(abs(low), abs(high)) < 0.5 * 10**-digits:
        interval = f"{value:+.{digits}f} {unit}, 95 % {low:+.{digits}f} to {high:+.{digits}f}"
        return f"no difference from {other} at n = {difference['n']:,} ({interval})"
    word = "better" if (value > 0) == higher_is_better else "worse"
    near, far = sorted((abs(low), abs(high)))
    interval = f"95 % {near:.{digits}f} to {far:.{digits}f}, n = {difference['n']:,}"
    return f"{word} than {other} by {abs(value):.{digits}f} {unit} ({interval})"
