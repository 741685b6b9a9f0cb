"""Copy: a word of symbols that are all alike, a bar, the word again with each symbol spoilt with probability `noise`.

a word's symbol costs ln A (and the price of going on, or the bar that of stopping); a copied one -ln(1 - noise),
a spoilt one -ln(noise / (A - 1)); the end after the copy is certain. Hidden symbols leave the pairs independent.
"""

import math

import numpy as np

from idiolect.corpus.exact.config import CopyConfig
from idiolect.corpus.exact.law import LETTERS, price
from idiolect.corpus.exact.lengths import Sizes


class Copy:
    """A size is a word's length w; the document has 2 w + 1 symbols."""

    def __init__(self, config: CopyConfig):
        self.n, self.noise = config.symbols, config.noise
        self.alphabet = LETTERS[: self.n] + "|"

    def n_symbols(self, size: int) -> int:
        return 2 * size + 1

    def n_draws(self, size: int) -> int:
        return 2 * size

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        word_Nw = np.floor(draws_NU[:, :size] * self.n).astype(np.int64)
        chance_Nw = draws_NU[:, size:]
        # Below `noise` the number, scaled back to (0, 1), picks which other symbol.
        step_Nw = np.floor(chance_Nw / max(self.noise, 1e-300) * (self.n - 1)).clip(0, self.n - 2).astype(np.int64) + 1
        copy_Nw = np.where(chance_Nw < self.noise, (word_Nw + step_Nw) % self.n, word_Nw)
        return np.hstack([word_Nw, np.full((len(word_Nw), 1), self.n), copy_Nw])

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        N, L = symbols_NL.shape
        size = L // 2
        found = np.zeros((N, L + 1))
        found[:, : size + 1] = sizes.nats(size)
        found[:, :size] += math.log(self.n)
        found[:, size + 1 : L] = price(self._copied(symbols_NL))
        return found

    def _copied(self, symbols_NL: np.ndarray) -> np.ndarray:
        """(N, w): p of each symbol of the copy given the word's."""
        size = symbols_NL.shape[1] // 2
        equal_Nw = symbols_NL[:, :size] == symbols_NL[:, size + 1 :]
        return np.where(equal_Nw, 1 - self.noise, self.noise / (self.n - 1))

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        size = symbols_NL.shape[1] // 2
        word_Nw, copy_Nw = visible_NL[:, :size], visible_NL[:, size + 1 :]
        pair_Nw = np.where(word_Nw & copy_Nw, -price(self._copied(symbols_NL)), 0.0)
        return (pair_Nw - math.log(self.n) * (word_Nw | copy_Nw)).sum(1)

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        kept, spoilt = 1 - self.noise, self.noise
        copied = -kept * math.log(kept) - (spoilt * math.log(spoilt / (self.n - 1)) if spoilt else 0.0)
        found = sizes.entropy() + sizes.mean(np.arange(sizes.most + 1)) * (math.log(self.n) + copied)
        return found, found
