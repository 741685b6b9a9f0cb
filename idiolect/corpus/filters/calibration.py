"""Scores become probabilities, and how good both are: Platt, isotonic, calibration error, area under the curve."""

import numpy as np

from idiolect.corpus.filters.logistic import minimise, sigmoid

BINS = 10
# Half-width of a 95 % interval in standard errors.
Z95 = 1.96


def platt(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots (score, probability) of a sigmoid fitted with Platt's softened targets (Platt 1999, section 2.2)."""
    n_good, n_bad = targets.sum(), (1 - targets).sum()
    soft = targets * (n_good + 1) / (n_good + 2) + (1 - targets) / (n_bad + 2)
    scale = max(scores.std(), 1e-9)
    x = (scores - scores.mean()) / scale

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = theta[0] * x + theta[1]
        slope = sigmoid(z) - soft
        return float((np.logaddexp(0, z) - soft * z).sum()), np.array([slope @ x, slope.sum()])

    a, b = minimise(loss, np.array([1.0, 0.0]))
    # A sigmoid read at knots this close is right to three decimals; beyond them it is as good as 0 or 1.
    z = np.linspace(-12, 12, 241)
    knots = (z - b) / a * scale + scores.mean() if abs(a) > 1e-12 else np.linspace(-1, 1, 241)
    return _ascending(knots, sigmoid(z) if abs(a) > 1e-12 else np.full(241, sigmoid(np.array(b))))


def _ascending(knots: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (knots, values) if knots[0] <= knots[-1] else (knots[::-1], values[::-1])


def isotonic(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the rising step function nearest to the targets (pool adjacent violators), each at its block's middle.

    Read with straight lines between the middles, unequal scores mostly stay unequal.
    """
    order = np.argsort(scores, kind="stable")
    x, inverse = np.unique(scores[order], return_inverse=True)
    n = np.bincount(inverse).astype(float)
    means, sizes, centres = [], [], []
    for value, size, centre in zip(np.bincount(inverse, targets[order]) / n, n, x, strict=True):
        means.append(value), sizes.append(size), centres.append(centre)
        while len(means) > 1 and means[-2] >= means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2:] = [(means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size]
            centres[-2:] = [(centres[-2] * sizes[-2] + centres[-1] * sizes[-1]) / size]
            sizes[-2:] = [size]
    return np.array(centres), np.array(means)


def read(knots: tuple[np.ndarray, np.ndarray], scores: np.ndarray) -> np.ndarray:
    """The probability of each score, on straight lines between the knots."""
    return np.interp(scores, *knots)


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> list[dict]:
    """What was predicted and what was so, in ten bins of equal width."""
    at = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return [
        {
            "from": b / BINS,
            "to": (b + 1) / BINS,
            "predicted": float(probabilities[at == b].mean()),
            "observed": float(targets[at == b].mean()),
            "documents": int((at == b).sum()),
        }
        for b in range(BINS)
        if (at == b).any()
    ]


def calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error: the mean gap between predicted and observed, by documents (Naeini et al. 2015)."""
    bins = reliability(probabilities, targets)
    return sum(b["documents"] * abs(b["predicted"] - b["observed"]) for b in bins) / max(len(targets), 1)


def area(scores: np.ndarray, good: np.ndarray) -> tuple[float, float, float]:
    """Area under the ROC curve with its 95 % interval (Hanley and McNeil 1982); ties count half."""
    n_good, n_bad = int(good.sum()), int((~good).sum())
    if not n_good or not n_bad:
        return float("nan"), float("nan"), float("nan")
    values, inverse, n = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(n) - (n - 1) / 2
    a = (rank[inverse][good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n_good - 1) * (q1 - a * a) + (n_bad - 1) * (q2 - a * a)) / (n_good * n_bad)
    half = Z95 * float(np.sqrt(max(variance, 0)))
    return float(a), max(float(a) - half, 0.0), min(float(a) + half, 1.0)


def precision_recall(kept: np.ndarray, good: np.ndarray) -> dict:
    """Of the kept how many are good, of the good how many are kept; null where there are none."""
    hits = int((kept & good).sum())
    return {
        "precision": hits / int(kept.sum()) if kept.any() else None,
        "recall": hits / int(good.sum()) if good.any() else None,
    }
