"""Chance by our own arithmetic: numpy doesn't promise that its generators give the same numbers in its next version.

Number k of item i is a pure function of (seed, i, k), so the first documents are the same however many are asked for.
"""

import numpy as np

from idiolect.mixing import STEP, mix_each


def uniform(seed: int, items: np.ndarray, n: int) -> np.ndarray:
    """(items, n) float64 in (0, 1), never 0 or 1 itself."""
    key = mix_each(np.array([seed], np.uint64))
    state = mix_each(np.asarray(items).astype(np.uint64) ^ key)[:, None]
    bits = mix_each(state + np.arange(n, dtype=np.uint64) * np.uint64(STEP)) >> np.uint64(11)
    return (bits.astype(np.float64) + 0.5) * 2.0**-53


def distributions(seed: int, n_rows: int, n: int, sharpness: float) -> np.ndarray:
    """(n_rows, n) random distributions: softmax of `sharpness` times normal numbers (Box and Muller 1958)."""
    draws = uniform(seed, np.arange(n_rows), 2 * n)
    normal = np.sqrt(-2 * np.log(draws[:, :n])) * np.cos(2 * np.pi * draws[:, n:])
    powers = np.exp(sharpness * (normal - normal.max(1, keepdims=True)))
    return powers / powers.sum(1, keepdims=True)


def chosen(distribution: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Index chosen by each draw from its own row of `distribution` (N, n), or all from one of shape (n,)."""
    heaps = np.cumsum(np.broadcast_to(distribution, (len(draws), distribution.shape[-1])), axis=1)
    # The sum of a row may be a hair below 1.
    return (draws[:, None] * heaps[:, -1:] >= heaps).sum(1)
