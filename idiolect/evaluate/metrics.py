"""Labels and answers -> a table of counts -> accuracy, precision, recall, F1, each with an interval.

Everything is a function of the confusion table, so the bootstrap resamples the table (statistics.py). The functions
take a stack of tables, (..., C, C) with true classes down and answers across, and answer for all at once.
"""

from __future__ import annotations

import numpy as np

from idiolect.evaluate.statistics import bootstrap_cells, wilson


def confusion(labels_N, predictions_N, n_classes: int) -> np.ndarray:
    """How often each true class (row) got each answer (column), as a (C, C) integer table."""
    labels_N, predictions_N = np.asarray(labels_N, np.int64), np.asarray(predictions_N, np.int64)
    assert labels_N.shape == predictions_N.shape, (labels_N.shape, predictions_N.shape)
    for ids in (labels_N, predictions_N):
        assert not len(ids) or 0 <= ids.min() <= ids.max() < n_classes, (ids.min(), ids.max(), n_classes)
    return np.bincount(labels_N * n_classes + predictions_N, minlength=n_classes**2).reshape(n_classes, n_classes)


def accuracy(table_CC) -> np.ndarray:
    """Share of right answers."""
    table_CC = np.asarray(table_CC)
    return np.trace(table_CC, axis1=-2, axis2=-1) / table_CC.sum((-2, -1))


def per_class(table_CC) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of every class; 0 where a class was never answered or never asked, as scikit-learn."""
    table_CC = np.asarray(table_CC, float)
    right = np.diagonal(table_CC, axis1=-2, axis2=-1)
    asked, answered = table_CC.sum(-1), table_CC.sum(-2)

    def share(part, whole):
        return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

    return {
        "precision": share(right, answered),
        "recall": share(right, asked),
        "f1": share(2 * right, asked + answered),
        "n": asked,
    }


def macro_f1(table_CC) -> np.ndarray:
    """The unweighted mean of the classes' F1, over the classes that occur as a label or as an answer."""
    table_CC = np.asarray(table_CC, float)
    return mean_f1(np.diagonal(table_CC, axis1=-2, axis2=-1), table_CC.sum(-1) + table_CC.sum(-2))


def mean_f1(right_C, asked_and_answered_C) -> np.ndarray:
    """`macro_f1` from the classes' right answers, and how often each was asked plus how often it was answered."""
    present = asked_and_answered_C > 0
    f1_C = np.divide(2 * right_C, asked_and_answered_C, out=np.zeros_like(right_C), where=present)
    return f1_C.sum(-1) / np.maximum(present.sum(-1), 1)


def classification_scores(labels_N, predictions_N, names, *, seed: int = 0) -> dict:
    """Accuracy (Wilson interval), macro-F1 (bootstrap interval), the classes' figures and the confusion table."""
    table_CC = confusion(labels_N, predictions_N, len(names))
    figures = per_class(table_CC)
    return {
        "accuracy": wilson(int(np.trace(table_CC)), int(table_CC.sum())),
        "macro_f1": bootstrap_cells(table_CC, macro_f1, seed=seed),
        "classes": [
            {
                "name": str(name),
                **{key: float(figures[key][i]) for key in ("precision", "recall", "f1")},
                "n": int(figures["n"][i]),
            }
            for i, name in enumerate(names)
        ],
        "confusion": table_CC.tolist(),
    }


def paired_differences(labels_N, ours_N, theirs_N, n_classes: int, *, seed: int = 0) -> dict:
    """Our accuracy and macro-F1 minus theirs on the same examples, with paired bootstrap intervals."""
    labels_N, ours_N, theirs_N = (np.asarray(ids, np.int64) for ids in (labels_N, ours_N, theirs_N))
    # Few of the C^3 (label, ours, theirs) cells are ever filled: those are resampled, and summed by class.
    cells, counts = np.unique(np.stack([labels_N, ours_N, theirs_N]), axis=1, return_counts=True)
    label_UC, ours_UC, theirs_UC = (np.eye(n_classes)[column_U] for column_U in cells)

    def share_right(drawn_RU, answer_UC):
        return drawn_RU @ (label_UC * answer_UC).sum(1) / drawn_RU.sum(1)

    def f1(drawn_RU, answer_UC):
        return mean_f1(drawn_RU @ (label_UC * answer_UC), drawn_RU @ (label_UC + answer_UC))

    return {
        name: bootstrap_cells(
            counts, lambda drawn, metric=metric: metric(drawn, ours_UC) - metric(drawn, theirs_UC), seed=seed
        )
        for name, metric in (("accuracy", share_right), ("macro_f1", f1))
    }
