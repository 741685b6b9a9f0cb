"""Verdicts: what they say of simulated runs whose truth is known, and how often they err."""

import math

import numpy as np
import pytest

from idiolect.evaluate.statistics import student_quantile, student_tail
from idiolect.tune.compare import at_common_points, compare, holm, mean_interval, value_at, welch

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("degrees", [0.7, 1, 1.3, 2, 2.9, 4, 30, 500, 1e5])
def test_student_is_scipys(degrees):
    for t in (0.0, 0.01, 0.5, 2.0, 12.0, 300.0):
        assert student_tail(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), rel=1e-8, abs=1e-15)
    assert student_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-8)


def test_welch_is_scipys():
    random = np.random.default_rng(0)
    for sizes in ((2, 2), (3, 3), (3, 8), (20, 5)):
        first, second = random.normal(0, 1, sizes[0]), random.normal(0.4, 3, sizes[1])
        low, high, p = welch(list(first), list(second))
        theirs = stats.ttest_ind(second, first, equal_var=False)
        interval = theirs.confidence_interval()
        assert (low, high, p) == pytest.approx((interval.low, interval.high, theirs.pvalue), rel=1e-8)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_a_clear_difference_is_a_winner():
    pair = compare({"LSTM": [2.11, 2.12, 2.10], "GPT": [2.00, 2.01, 1.99]})[0]
    assert (pair.first, pair.second) == ("GPT", "LSTM")
    assert pair.verdict == "GPT better than LSTM by 0.110 ± 0.023 bits per byte"
    assert pair.low < 0.11 < pair.high and pair.adjusted_p == pair.p < 0.001


def test_an_interval_that_holds_zero_is_no_difference():
    pair = compare({"a": [2.0, 2.2, 2.1], "b": [2.05, 2.3, 2.0]})[0]
    assert pair.verdict.startswith("no difference at this budget: a and b")


def test_one_seed_never_wins():
    pair = compare({"a": [1.0], "b": [9.0]})[0]
    assert "no winner" in pair.verdict and pair.p is None
    mixed = compare({"a": [1.0], "b": [9.0, 9.1, 9.2]})[0]
    assert "no winner" in mixed.verdict and mixed.p is None


def test_what_counts_has_one_exact_score():
    found = compare({"GPT": [2.0, 2.01, 1.99], "5-gram": [2.3], "4-gram": [2.4]}, fixed=["5-gram", "4-gram"])
    said = {(pair.first, pair.second): pair.verdict for pair in found}
    assert said["GPT", "5-gram"].startswith("GPT better than 5-gram by 0.300 ±")
    assert "both count" in said["5-gram", "4-gram"]


def test_a_win_that_other_text_may_undo_is_said():
    scores = {"a": [2.0, 2.001, 1.999], "b": [2.01, 2.011, 2.009]}
    doubtful = compare(scores, text=lambda *_: {"value": 0.01, "low": -0.02, "high": 0.04, "n": 9})[0]
    assert doubtful.verdict.startswith("a better than b") and "may not hold" in doubtful.verdict
    assert (
        "may not" not in compare(scores, text=lambda *_: {"value": 0.01, "low": 0.005, "high": 0.02, "n": 9})[0].verdict
    )


def test_runs_equal_to_the_last_bit():
    assert "no difference" in compare({"a": [2.0, 2.0], "b": [2.0, 2.0]})[0].verdict
    assert "better" in compare({"a": [2.0, 2.0], "b": [3.0, 3.0]})[0].verdict


def false_winners(n_contenders: int, n_seeds: int, trials: int, adjust: bool) -> float:
    """Share of comparisons of equals that name a winner."""
    random, wrong = np.random.default_rng(3), 0
    for _ in range(trials):
        scores = {str(k): list(random.normal(2.0, 0.02, n_seeds)) for k in range(n_contenders)}
        pairs = compare(scores)
        wrong += any(pair.adjusted_p < 0.05 if adjust else pair.p < 0.05 for pair in pairs)
    return wrong / trials


def test_equals_are_told_apart_seldom():
    n = 300
    margin = 3 * math.sqrt(0.05 * 0.95 / n)
    assert false_winners(2, 3, n, adjust=True) <= 0.05 + margin
    assert false_winners(5, 3, n, adjust=True) <= 0.05 + margin
    # The negative control: without Holm, ten pairs of equals yield a winner far too often.
    assert false_winners(5, 3, n, adjust=False) > 0.15


def test_intervals_of_means_hold_the_truth():
    random = np.random.default_rng(4)
    found = [mean_interval(list(random.normal(2, 0.1, 3))) for _ in range(2000)]
    share = np.mean([one["low"] <= 2 <= one["high"] for one in found])
    assert abs(share - 0.95) < 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_curves_meet_at_common_points():
    curves = [[(1, 4.0), (10, 3.0), (100, 2.0)], [(2, 5.0), (20, 4.0), (90, 3.0)]]
    band = at_common_points(curves, 11)
    assert band["x"][0] == 2 and band["x"][-1] == 90 and len(band["x"]) == 11
    # On the logarithm of compute the first curve is a straight line.
    assert value_at(curves[0], 31.6227766) == pytest.approx(2.5)
    assert band["mean"][0] == pytest.approx((4 - math.log10(2) + 5) / 2)
    assert all(low <= mean <= high for low, mean, high in zip(band["low"], band["mean"], band["high"], strict=True))


def test_curves_that_share_nothing_still_yield_a_point():
    assert at_common_points([])["x"] == []
    assert at_common_points([[(1, 2.0)], [(5, 3.0)]], 5)["x"] == [1]
