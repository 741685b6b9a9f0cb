"""Induction: keys at random, each followed by the value that this document drew for it when it first came.

a key costs ln K, a value ln V the first time and nothing after (Olsson et al. 2022's induction heads read it off)
entropy of n pairs        n ln K + ln V * sum_{t < n} (1 - 1/K)^t, the expected number of different keys
with symbols hidden       p(visible) = sum over the hidden keys of K^-n V^-(keys with a visible value), where no key
                          has two values; a pair hidden altogether changes nothing
"""

import itertools
import math

import numpy as np

from idiolect.corpus.exact.config import InductionConfig
from idiolect.corpus.exact.law import LETTERS, with_ends
from idiolect.corpus.exact.lengths import Sizes

# Ways to fill the hidden keys of one document that are summed over.
MOST_WAYS = 1 << 20


class Induction:
    """Symbols 0..K-1 are keys, K..K+V-1 values; a size is the number of pairs."""

    def __init__(self, config: InductionConfig):
        self.keys, self.values = config.keys, config.values
        self.alphabet = LETTERS[: self.keys] + LETTERS[26 : 26 + self.values]

    def n_symbols(self, size: int) -> int:
        return 2 * size

    def n_draws(self, size: int) -> int:
        return size + self.keys

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        value_NK = np.floor(draws_NU[:, : self.keys] * self.values).astype(np.int64) + self.keys
        key_Nn = np.floor(draws_NU[:, self.keys :] * self.keys).astype(np.int64)
        return np.stack([key_Nn, np.take_along_axis(value_NK, key_Nn, 1)], 2).reshape(len(draws_NU), -1)

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        key_Nn, value_Nn = symbols_NL[:, ::2], symbols_NL[:, 1::2]
        N, n = key_Nn.shape
        same_Nnn = (key_Nn[:, :, None] == key_Nn[:, None, :]) & np.tri(n, k=-1, dtype=bool)
        wrong_Nn = (same_Nnn & (value_Nn[:, :, None] != value_Nn[:, None, :])).any(2)
        price_Nn = np.where(same_Nnn.any(2), np.where(wrong_Nn, np.inf, 0.0), math.log(self.values))
        at_keys = with_ends(np.full((N, n), math.log(self.keys)), sizes)
        found = np.zeros((N, 2 * n + 1))
        found[:, ::2], found[:, 1::2] = at_keys, price_Nn
        return found

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        return np.array([self._evidence(*row) for row in zip(symbols_NL, visible_NL, strict=True)])

    def _evidence(self, symbols_L: np.ndarray, visible_L: np.ndarray) -> float:
        key_n, value_n = symbols_L[::2], symbols_L[1::2]
        key_seen_n, value_seen_n = visible_L[::2], visible_L[1::2]
        told_n = value_seen_n
        hidden = np.flatnonzero(told_n & ~key_seen_n)
        if self.keys ** len(hidden) > MOST_WAYS:
            raise ValueError(f"{len(hidden)} hidden keys of {self.keys}: too many ways to sum over")
        ways_WH = np.array(list(itertools.product(range(self.keys), repeat=len(hidden))), np.int64)
        key_Wn = np.repeat(key_n[None], len(ways_WH), 0)
        key_Wn[:, hidden] = ways_WH
        factor_W = np.ones(len(ways_WH))
        for key in range(self.keys):
            here_Wn = (key_Wn == key) & told_n
            least_W = np.where(here_Wn, value_n, self.keys + self.values).min(1)
            most_W = np.where(here_Wn, value_n, -1).max(1)
            factor_W *= np.where(most_W < 0, 1.0, (least_W == most_W) / self.values)
        n_priced = int((key_seen_n | told_n).sum())
        with np.errstate(divide="ignore"):
            return float(np.log(factor_W.sum())) - n_priced * math.log(self.keys)

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        n = np.arange(sizes.most + 1)
        new = self.keys * (1 - (1 - 1 / self.keys) ** n)
        found = sizes.entropy() + sizes.mean(n * math.log(self.keys) + new * math.log(self.values))
        return found, found
