"""Scores of several runs each -> means, differences with intervals, and verdicts in words.

Runs with different seeds are what is compared, so an interval says how far another seed might fall; how far another
text might fall is a second, paired interval over the same tokens, which the caller may add. Start at `compare`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from idiolect.evaluate.statistics import LEVEL, estimate, student_quantile, student_tail

UNIT = "bits per byte"


@dataclass(frozen=True)
class Pair:
    """Two contenders: `difference` is the second's score minus the first's, so above zero the first is better.

    `low` and `high` are Welch's 95 % interval over seeds, `p` its two-sided probability, `adjusted_p` Holm's over all
    pairs; None where one seed alone gives no spread. `text` is the paired interval over the text, if there is one.
    """

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    verdict: str
    text: dict | None = None


def mean_interval(values: Sequence[float], level: float = LEVEL) -> dict:
    """The mean of independent runs with Student's interval; a single run has no spread: low = high = value."""
    value = fmean(values)
    if len(values) < 2:
        return estimate(value, value, value, len(values))
    half = student_quantile(len(values) - 1, level) * stdev(values) / math.sqrt(len(values))
    return estimate(value, value - half, value + half, len(values))


def welch(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> tuple[float, float, float] | None:
    """(low, high, p) of mean(second) - mean(first) without assuming equal spreads (Welch 1947); None without spread.

    A side that holds one value is a fixed number (a model that counts has no seed): the other side alone varies.
    """
    spreads = [stdev(side) ** 2 / len(side) if len(side) > 1 else 0.0 for side in (first, second)]
    error = math.sqrt(sum(spreads))
    difference = fmean(second) - fmean(first)
    if len(first) < 2 and len(second) < 2:
        return None
    if error == 0:
        # Runs equal to the last bit: nothing is left to chance.
        return difference, difference, float(difference == 0)
    degrees = sum(spreads) ** 2 / sum(
        s**2 / (len(side) - 1) for s, side in zip(spreads, (first, second), strict=True) if s
    )
    half = student_quantile(degrees, level) * error
    return difference - half, difference + half, student_tail(difference / error, degrees)


def holm(values: Sequence[float]) -> list[float]:
    """Probabilities adjusted for having looked at all of them (Holm 1979): below 0.05, at most 1 in 20 looks errs."""
    adjusted, running = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = running
    return adjusted


def compare(
    scores: Mapping[str, Sequence[float]],
    *,
    fixed: Sequence[str] = (),
    text: Callable[[str, str], dict | None] = lambda first, second: None,
    level: float = LEVEL,
    unit: str = UNIT,
) -> list[Pair]:
    """Every pair, the better one first, pairs of the best contenders first. Lower scores are better.

    `fixed` are contenders without a seed, whose one score is exact. `text(first, second)` gives the paired interval
    of second minus first over the scored text.
    """
    order = sorted(scores, key=lambda name: fmean(scores[name]))
    pairs = list(itertools.combinations(order, 2))
    found = [
        welch(scores[a], scores[b], level)
        if all(len(scores[name]) > 1 or name in fixed for name in (a, b)) and not {a, b} <= set(fixed)
        else None
        for a, b in pairs
    ]
    known = [index for index, one in enumerate(found) if one is not None]
    adjusted = dict(zip(known, holm([found[index][2] for index in known]), strict=True))
    return [
        judged(pair, scores, one, adjusted.get(index), len(known), set(pair) <= set(fixed), text(*pair), level, unit)
        for index, (pair, one) in enumerate(zip(pairs, found, strict=True))
    ]


def judged(
    pair: tuple[str, str],
    scores: Mapping[str, Sequence[float]],
    found: tuple[float, float, float] | None,
    adjusted: float | None,
    n_pairs: int,
    exact: bool,
    text: dict | None,
    level: float,
    unit: str,
) -> Pair:
    """One pair with its verdict in words."""
    first, second = pair
    difference = fmean(scores[second]) - fmean(scores[first])
    low, high, p = found or (None, None, None)
    words = wording(first, second, difference, found, adjusted, n_pairs, exact, level, unit)
    if text is not None and found is not None and low > 0 and adjusted < 1 - level and text["low"] <= 0:
        words += f"; on other text of this kind it may not hold ({interval(text)} over this one)"
    return Pair(first, second, difference, low, high, p, adjusted, words, text)


def wording(first, second, difference, found, adjusted, n_pairs, exact, level, unit) -> str:
    """The verdict: who is better by how much, or why nobody is."""
    if exact:
        return f"{first} better than {second} by {difference:.3f} {unit} (both count, neither has a seed)"
    if found is None:
        return (
            f"{first} is ahead of {second} by {difference:.3f} {unit} with one seed: that can be luck, so there is "
            "no winner"
        )
    low, high, p = found
    digits = places(high - difference)
    margin = f"{difference:.{digits}f} ± {high - difference:.{digits}f} {unit}"
    if low <= 0 <= high:
        return f"no difference at this budget: {first} and {second} ({margin})"
    if adjusted >= 1 - level:
        return (
            f"no difference at this budget that is sure: {first} and {second} ({margin}; p = {p:.2g}, but "
            f"{adjusted:.2g} by Holm for {n_pairs} pairs: more seeds would tell)"
        )
    return f"{first} better than {second} by {margin}"


def places(half: float) -> int:
    """Digits after the point that an interval of this half-width deserves: two of its own, at least two in all."""
    return min(6, max(2, 1 - math.floor(math.log10(half)))) if half > 0 else 3


def interval(score: dict) -> str:
    """The interval of a score as text."""
    return f"{score['low']:+.3f} to {score['high']:+.3f}"


def at_common_points(curves: Sequence[Sequence[tuple[float, float]]], n_points: int = 40) -> dict[str, list[float]]:
    """Curves of several seeds at common places: mean and Student band, `{"x", "mean", "low", "high"}`.

    Each curve is (compute, score) points in order. Places are evenly spaced on the logarithm of compute, where
    learning curves are near straight, over the stretch that all curves cover; between points a line is drawn.
    """
    curves = [[(x, y) for x, y in curve if x > 0] for curve in curves]
    curves = [curve for curve in curves if curve]
    if not curves:
        return {"x": [], "mean": [], "low": [], "high": []}
    start, stop = max(curve[0][0] for curve in curves), min(curve[-1][0] for curve in curves)
    if stop <= start:
        xs = [min(start, stop)]
    else:
        step = math.log(stop / start) / (n_points - 1)
        xs = [start, *(start * math.exp(step * index) for index in range(1, n_points - 1)), stop]
    bands = [mean_interval([value_at(curve, x) for curve in curves]) for x in xs]
    return {"x": xs} | {name: [band[key] for band in bands]
                        for name, key in (("mean", "value"), ("low", "low"), ("high", "high"))}  # fmt: skip


def value_at(curve: Sequence[tuple[float, float]], x: float) -> float:
    """The curve's value at x, between its points on the logarithm of x, level outside."""
    after = next((index for index, (place, _) in enumerate(curve) if place >= x), len(curve) - 1)
    (x1, y1) = curve[after]
    if after == 0 or x1 <= x:
        return y1
    (x0, y0) = curve[after - 1]
    share = math.log(x / x0) / math.log(x1 / x0) if x1 > x0 else 1.0
    return y0 + share * (y1 - y0)
