"""64-bit hashes of many things at once, in numpy: the arithmetic wraps at 2**64, which is what is wanted here."""

import functools

import numpy as np

# Odd, and equal to 5 modulo 8: its powers run through a quarter of all 64-bit numbers before they repeat.
BASE = 0x9E3779B97F4A7C15
assert BASE % 8 == 5
INVERSE = pow(BASE, -1, 2**64)


def mix(values: np.ndarray) -> np.ndarray:
    """A one-to-one scramble of uint64, in place (the finaliser of SplitMix64, Steele et al. 2014)."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def numbers(n: int, seed: int) -> np.ndarray:
    """n fixed uint64 that look random; the same on every machine and numpy version."""
    return mix((np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(BASE))


def powers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n powers of BASE, and of its inverse."""
    # Doubling the length each time keeps the cache to a handful of arrays.
    up, down = _powers(max(16, (n - 1).bit_length()))
    return up[:n], down[:n]


@functools.lru_cache(maxsize=4)
def _powers(bits: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(_geometric(base, 1 << bits) for base in (BASE, INVERSE))


def _geometric(base: int, n: int) -> np.ndarray:
    series = np.full(n, base, np.uint64)
    series[0] = 1
    return np.multiply.accumulate(series)


def rolling(values: np.ndarray, n: int) -> np.ndarray:
    """The hash of every n consecutive values; shorter by n - 1, empty when there are fewer than n."""
    if len(values) < n:
        return np.empty(0, np.uint64)
    up, down = powers(len(values))
    total = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values * up, out=total[1:])
    return mix((total[n:] - total[:-n]) * down[: len(values) - n + 1])
