"""Zipf: symbols without memory, p(r) = r^-s / sum_r r^-s; every symbol costs the same wherever it stands."""

import numpy as np

from idiolect.corpus.exact.config import ZipfConfig
from idiolect.corpus.exact.law import LETTERS, entropies, price, with_ends
from idiolect.corpus.exact.lengths import Sizes
from idiolect.corpus.exact.randomness import chosen


class Zipf:
    """`p_A`, the likeliest symbol first."""

    def __init__(self, config: ZipfConfig):
        self.alphabet = LETTERS[: config.symbols]
        weight_A = np.arange(1, config.symbols + 1, dtype=float) ** -config.exponent
        self.p_A = weight_A / weight_A.sum()

    def n_symbols(self, size: int) -> int:
        return size

    def n_draws(self, size: int) -> int:
        return size

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        return chosen(self.p_A, draws_NU.reshape(-1)).reshape(len(draws_NU), size)

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        return with_ends(price(self.p_A)[symbols_NL], sizes)

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        return (np.log(self.p_A)[symbols_NL] * visible_NL).sum(1)

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        found = sizes.entropy() + sizes.mean(np.arange(sizes.most + 1)) * float(entropies(self.p_A))
        return found, found
