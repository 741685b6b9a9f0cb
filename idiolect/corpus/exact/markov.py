"""Order-k Markov chain: a table for every number of past symbols up to k, the shorter ones for a document's beginning.

p(x_1 ... x_L) = prod_t table[min(t - 1, k)][x_{t-k} ... x_{t-1}, x_t]

entropy of a document   sum_t sum_c p_t(c) H(table[c]), the contexts' distribution p_t carried along
                        (Cover and Thomas 2006, theorem 4.2.4, summed over a finite document)
evidence                the forward algorithm over contexts; a hidden symbol is summed over, a visible one selects
"""

import numpy as np

from idiolect.corpus.exact.config import MarkovConfig
from idiolect.corpus.exact.law import LETTERS, entropies, price, with_ends
from idiolect.corpus.exact.lengths import Sizes
from idiolect.corpus.exact.randomness import chosen, distributions


class Markov:
    """The tables, drawn from the seed; a context is a number in base A, its newest symbol last."""

    def __init__(self, config: MarkovConfig):
        self.order, self.alphabet = config.order, LETTERS[: config.symbols]
        A = config.symbols
        self.tables = [distributions(config.seed + (j << 32), A**j, A, config.sharpness) for j in range(self.order + 1)]

    def n_symbols(self, size: int) -> int:
        return size

    def n_draws(self, size: int) -> int:
        return size

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        symbols_NL = np.zeros((len(draws_NU), size), np.int64)
        for t in range(size):
            table, context_N = self._context(symbols_NL, t)
            symbols_NL[:, t] = chosen(table[context_N], draws_NU[:, t])
        return symbols_NL

    def _context(self, symbols_NL: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        """The table for place t, and each row's context in it."""
        j = min(t, self.order)
        context_N = np.zeros(len(symbols_NL), np.int64)
        for past in range(t - j, t):
            context_N = context_N * len(self.alphabet) + symbols_NL[:, past]
        return self.tables[j], context_N

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        columns = []
        for t in range(symbols_NL.shape[1]):
            table, context_N = self._context(symbols_NL, t)
            columns.append(price(table[context_N, symbols_NL[:, t]]))
        return with_ends(np.stack(columns, 1), sizes)

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        N, L = symbols_NL.shape
        weight_NC, found_N = np.ones((N, 1)), np.zeros(N)
        for t in range(L):
            kept_NA = kept(symbols_NL[:, t], visible_NL[:, t], len(self.alphabet))
            weight_NC = self._step(weight_NC, t, kept_NA)
            total_N = weight_NC.sum(1)
            weight_NC = weight_NC / total_N[:, None]
            found_N += np.log(total_N)
        return found_N

    def _step(self, weight_NC: np.ndarray, t: int, kept_NA: np.ndarray) -> np.ndarray:
        """Contexts after place t: with k symbols known the oldest is summed away, before that they grow."""
        N, A = kept_NA.shape
        next_NCA = weight_NC[:, :, None] * self.tables[min(t, self.order)] * kept_NA[:, None, :]
        return next_NCA.reshape(N, A, -1).sum(1) if t >= self.order else next_NCA.reshape(N, -1)

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        per_symbol, weight_NC = [], np.ones((1, 1))
        for t in range(sizes.most):
            per_symbol.append(float(weight_NC[0] @ entropies(self.tables[min(t, self.order)])))
            weight_NC = self._step(weight_NC, t, np.ones((1, len(self.alphabet))))
        found = sizes.entropy() + sizes.mean(np.concatenate([[0.0], np.cumsum(per_symbol)]))
        return found, found


def kept(symbol_N: np.ndarray, visible_N: np.ndarray, n: int) -> np.ndarray:
    """(N, n) float: 1 for each symbol a row may have at this place: the visible one, or any."""
    return ((symbol_N[:, None] == np.arange(n)) | ~visible_N[:, None]).astype(float)
