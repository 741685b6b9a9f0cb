"""A random order of n things that needs no memory: any element of it is a pure function of (seed, epoch, index).

A Feistel network permutes the smallest 4^k >= n numbers; what falls outside [0, n) is permuted again until it falls
inside (cycle walking: at most four tries on average). Our own arithmetic, since numpy doesn't promise that its
generators give the same numbers in the next version, and a resumed run must see the same order.
"""

import numpy as np

from idiolect.mixing import STEP, mix, mix_each

_ROUNDS = 6


def random_number(seed: int, epoch: int, below: int) -> int:
    """A number in [0, below) for this epoch."""
    return mix(mix(mix(seed) ^ epoch) ^ 0xA5A5) % below


def permuted(indices: np.ndarray, n: int, seed: int, epoch: int) -> np.ndarray:
    """Where each index (int64, in [0, n)) goes in this epoch's order of n things."""
    half = max(1, -(-(n - 1).bit_length() // 2))
    low = np.uint64((1 << half) - 1)
    shift = np.uint64(half)
    key = mix(mix(seed) ^ epoch)
    keys = [np.uint64(mix(key ^ r)) for r in range(1, _ROUNDS + 1)]

    def network(x: np.ndarray) -> np.ndarray:
        left, right = x >> shift, x & low
        for round_key in keys:
            h = (right ^ round_key) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ ((h ^ (h >> np.uint64(32))) & low)
        return (left << shift) | right

    found = network(indices.astype(np.uint64))
    while (outside := found >= n).any():
        found[outside] = network(found[outside])
    return found.astype(np.int64)


def uniform(seed: int, sample_B: np.ndarray, n: int) -> np.ndarray:
    """(B, n) float64 in [0, 1): number k of a sample is a pure function of (seed, the sample's global index, k).

    SplitMix64 begun at a hash of the seed and the sample (Steele et al. 2014). So it doesn't matter with which others
    a sample shares a batch, and asking for more numbers changes none of the first.
    """
    state_B = mix_each(np.asarray(sample_B).astype(np.uint64) ^ np.uint64(mix(mix(seed) ^ 0x5A5A)))
    place_n = np.arange(n, dtype=np.uint64) * np.uint64(STEP)
    return (mix_each(state_B[:, None] + place_n) >> np.uint64(11)) * 2.0**-53
