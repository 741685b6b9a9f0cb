"""Metrics against scikit-learn, and paired differences against their own definition."""

import tracemalloc

import numpy as np
import pytest

from idiolect.evaluate.metrics import (
    accuracy,
    classification_scores,
    confusion,
    macro_f1,
    paired_differences,
    per_class,
)

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def answers(n, n_classes, seed, right=0.6):
    random = np.random.default_rng(seed)
    labels = random.integers(0, n_classes, n)
    return labels, np.where(random.random(n) < right, labels, random.integers(0, n_classes, n))


@pytest.mark.parametrize(("n", "n_classes"), [(1, 2), (7, 5), (500, 2), (500, 6)])
def test_equal_scikit_learn(n, n_classes):
    labels, predictions = answers(n, n_classes, seed=n)
    table = confusion(labels, predictions, n_classes)
    every = range(n_classes)
    np.testing.assert_array_equal(table, sklearn_metrics.confusion_matrix(labels, predictions, labels=every))
    assert accuracy(table) == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions))
    assert macro_f1(table) == pytest.approx(
        sklearn_metrics.f1_score(labels, predictions, average="macro", zero_division=0)
    )
    precision, recall, f1, count = sklearn_metrics.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=0
    )
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "n": count}.items():
        np.testing.assert_allclose(per_class(table)[name], expected)


def test_a_class_nobody_saw_or_named_does_not_count():
    table = confusion([0, 0, 1, 1], [0, 1, 1, 1], 3)
    assert macro_f1(table) == pytest.approx(sklearn_metrics.f1_score([0, 0, 1, 1], [0, 1, 1, 1], average="macro"))


def test_scores_carry_intervals_and_names():
    labels, predictions = answers(400, 3, seed=1)
    scores = classification_scores(labels, predictions, ["a", "b", "c"])
    for name in ("accuracy", "macro_f1"):
        score = scores[name]
        assert score["low"] < score["value"] < score["high"] and score["n"] == 400
    assert [entry["name"] for entry in scores["classes"]] == ["a", "b", "c"]
    assert sum(map(sum, scores["confusion"])) == 400


def test_paired_difference_of_equal_answers_is_exactly_zero():
    labels, predictions = answers(300, 4, seed=2)
    for difference in paired_differences(labels, predictions, predictions, 4).values():
        assert difference == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 300}


def test_pairing_narrows_the_interval():
    """Two models that err on nearly the same examples: their difference is surer than their scores."""
    random = np.random.default_rng(3)
    labels, theirs = answers(500, 2, seed=3)
    ours = np.where(random.random(500) < 0.1, labels, theirs)
    paired = paired_differences(labels, ours, theirs, 2)["accuracy"]
    alone = classification_scores(labels, ours, "01")["accuracy"]
    assert paired["value"] == pytest.approx(np.mean(ours == labels) - np.mean(theirs == labels))
    assert paired["high"] - paired["low"] < 0.6 * (alone["high"] - alone["low"])
    assert paired["low"] > 0


def test_paired_difference_has_five_percent_false_alarms():
    alarms = 0
    for seed in range(400):
        labels, ours = answers(200, 2, seed=2 * seed)
        other_labels, other = answers(200, 2, seed=2 * seed + 100_001)
        theirs = np.where(other == other_labels, labels, 1 - labels)  # as often right as ours, on other examples
        difference = paired_differences(labels, ours, theirs, 2, seed=seed)["accuracy"]
        alarms += not difference["low"] <= 0 <= difference["high"]
    assert alarms / 400 == pytest.approx(0.05, abs=0.035)


def test_paired_differences_are_those_of_the_tables():
    random = np.random.default_rng(4)
    labels, ours, theirs = random.integers(0, 5, (3, 80))
    found = paired_differences(labels, ours, theirs, 6)
    tables = [confusion(labels, answers, 6) for answers in (ours, theirs)]
    for name, metric in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        assert found[name]["value"] == pytest.approx(float(metric(tables[0]) - metric(tables[1])))
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


def test_many_classes_need_no_table_of_all_their_pairs():
    random = np.random.default_rng(5)
    labels, ours, theirs = random.integers(0, 600, (3, 500))
    tracemalloc.start()
    found = paired_differences(labels, ours, theirs, 600)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 500 cells x 600 x 600 pairs would be 1.4 GB.
    assert peak < 200e6 and found["macro_f1"]["n"] == 500
