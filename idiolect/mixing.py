"""Our own hash arithmetic: what chance is made of, since numpy doesn't promise that its generators stay as they are."""

import numpy as np

STEP = 0x9E3779B97F4A7C15  # 2^64 / golden ratio
_MASK = (1 << 64) - 1


def mix(x: int) -> int:
    """SplitMix64's finaliser (Steele et al. 2014): 64 bits in, 64 well-mixed bits out."""
    x = (x + STEP) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def mix_each(x: np.ndarray) -> np.ndarray:
    """`mix` of each uint64; numpy's arrays wrap round as its constants demand."""
    x = x + np.uint64(STEP)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
