"""Intervals are judged by drawing samples from known laws and counting how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from idiolect.evaluate.metrics import accuracy, macro_f1
from idiolect.evaluate.statistics import (
    bootstrap_cells,
    bootstrap_mean,
    clustered_standard_error,
    ratio_interval,
    t_quantile,
    verdict,
    wilson,
)


def holds(interval, truth):
    return interval["low"] <= truth <= interval["high"]


@pytest.mark.parametrize("degrees", [1, 2, 3, 6, 10, 30, 200, 5000])
def test_student_quantile_equals_scipy(degrees):
    assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=2e-3 if degrees < 6 else 1e-3)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (812, 872)])
def test_wilson_equals_scipy(successes, n):
    interval = wilson(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (interval["low"], interval["high"]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval["value"] == successes / n and interval["n"] == n


@pytest.mark.parametrize(("share", "n"), [(0.5, 50), (0.9, 100), (0.97, 200)])
def test_wilson_covers(share, n):
    draws = np.random.default_rng(0).binomial(n, share, 4000)
    assert np.mean([holds(wilson(int(k), n), share) for k in draws]) == pytest.approx(0.95, abs=0.025)


def correlated_clusters(random, n_clusters=60):
    """Documents of 5 to 400 tokens whose mean nats differ by document: (sums, sizes), true mean 2."""
    sizes = random.integers(5, 400, n_clusters)
    sums = sizes * (2 + random.normal(0, 0.5, n_clusters)) + random.normal(0, 1, n_clusters) * np.sqrt(sizes)
    return sums, sizes


def test_clustered_interval_covers_and_the_naive_one_does_not():
    random = np.random.default_rng(1)
    covered = naive = 0
    for _ in range(1500):
        sums, sizes = correlated_clusters(random)
        covered += holds(ratio_interval(sums, sizes, int(sizes.sum())), 2.0)
        # The negative control: a standard error that counts every token as independent.
        error = np.sqrt(1 + 0.5**2) / np.sqrt(sizes.sum())
        naive += abs(sums.sum() / sizes.sum() - 2) <= 1.96 * error
    assert covered / 1500 == pytest.approx(0.95, abs=0.03)
    assert naive / 1500 < 0.5


def test_clusters_of_one_give_the_ordinary_standard_error():
    values = np.random.default_rng(2).normal(size=400)
    expected = values.std(ddof=1) / np.sqrt(len(values))
    assert clustered_standard_error(values, np.ones(400)) == pytest.approx(expected, rel=1e-12)


def test_one_cluster_claims_no_spread():
    assert ratio_interval([6.0], [3], 3) == {"value": 2.0, "low": 2.0, "high": 2.0, "n": 3}


def test_bootstrap_mean_covers():
    random = np.random.default_rng(3)
    covered = [holds(bootstrap_mean(random.exponential(1, 80), n_resamples=400, seed=i), 1.0) for i in range(800)]
    assert np.mean(covered) == pytest.approx(0.94, abs=0.03)  # percentile intervals fall a little short when skewed


def test_bootstrap_of_cells_equals_the_bootstrap_of_examples():
    random = np.random.default_rng(4)
    right = random.random(500) < 0.8
    table = np.array([[right.sum(), 0], [0, 0]]) + np.array([[0, (~right).sum()], [0, 0]])
    by_cells = bootstrap_cells(table, accuracy, n_resamples=20_000)
    by_example = bootstrap_mean(right, n_resamples=20_000)
    assert by_cells["value"] == by_example["value"]
    assert (by_cells["low"], by_cells["high"]) == pytest.approx((by_example["low"], by_example["high"]), abs=0.004)


def test_bootstrap_of_macro_f1_covers():
    random = np.random.default_rng(5)
    cells = np.array([[0.4, 0.1, 0.02], [0.05, 0.2, 0.05], [0.03, 0.05, 0.1]])
    truth = macro_f1(cells)
    draws = random.multinomial(300, cells.ravel(), size=800).reshape(-1, 3, 3)
    covered = [holds(bootstrap_cells(t, macro_f1, n_resamples=400, seed=i), truth) for i, t in enumerate(draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_same_seed_same_interval_and_memory_is_bounded(monkeypatch):
    from idiolect.evaluate import statistics

    values = np.random.default_rng(6).normal(size=1000)
    whole = bootstrap_mean(values, seed=1)
    assert whole == bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)
    monkeypatch.setattr(statistics, "RESAMPLE_CHUNK", 1)
    assert bootstrap_mean(values, seed=1) == pytest.approx(whole, rel=1e-12)


def test_verdicts_are_sentences():
    better = {"value": 0.031, "low": 0.012, "high": 0.05, "n": 872}
    assert verdict(better, "TF-IDF") == "better than TF-IDF by 3.1 points (95 % 1.2 to 5.0, n = 872)"
    worse = {"value": -0.031, "low": -0.05, "high": -0.012, "n": 872}
    assert verdict(worse, "TF-IDF") == "worse than TF-IDF by 3.1 points (95 % 1.2 to 5.0, n = 872)"
    assert verdict(worse, "it", higher_is_better=False).startswith("better than it")
    nothing = {"value": 0.004, "low": -0.01, "high": 0.02, "n": 872}
    assert verdict(nothing, "TF-IDF") == "no difference from TF-IDF at n = 872 (+0.4 points, 95 % -1.0 to +2.0)"


def test_a_difference_too_small_to_write_is_none():
    same = {"value": 1e-8, "low": 5e-9, "high": 2e-8, "n": 10}
    assert verdict(same, "it", scale=1, digits=3).startswith("no difference")
    assert verdict(same | {"value": 1e-3, "high": 2e-3}, "it", scale=1, digits=3).startswith("better")
