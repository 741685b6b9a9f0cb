"""Hidden Markov model (Rabiner 1989): states move unseen, each shows a symbol; begun in its stationary distribution.

forward    alpha_t(s) = p(x_1 ... x_t, state s) = sum_r alpha_{t-1}(r) move(r, s) show(s, x_t)
           p(x_t | before) is the quotient of two sums of alpha; a hidden symbol's factor show is 1
entropy    the n-th symbol given all before it has no closed form, but for a stationary process
               H(x_n | x_2 ... x_{n-1}, state 1) <= H(x_n | x_1 ... x_{n-1})        (Cover and Thomas 2006, 4.5.1)
           and both sides are sums over the strings of n symbols: exact to the depth that is summed, beyond it
           enclosed between them. The bounds close exponentially with the depth.
"""

import numpy as np

from idiolect.corpus.exact.config import HiddenMarkovConfig
from idiolect.corpus.exact.law import LETTERS, price, with_ends
from idiolect.corpus.exact.lengths import Sizes
from idiolect.corpus.exact.markov import kept
from idiolect.corpus.exact.randomness import chosen, distributions

# Entries of the tree of strings that the entropy sums over: a second of work, 64 MB.
TREE = 1 << 22


class HiddenMarkov:
    """`move_SS` between states, `show_SA` of symbols, `start_S` the stationary distribution."""

    def __init__(self, config: HiddenMarkovConfig):
        self.alphabet = LETTERS[: config.symbols]
        S = config.states
        self.move_SS = distributions(config.seed, S, S, config.sharpness / 2)
        self.show_SA = distributions(config.seed + (1 << 32), S, config.symbols, config.sharpness)
        balance = np.vstack([self.move_SS.T - np.eye(S), np.ones(S)])
        start_S = np.linalg.lstsq(balance, np.append(np.zeros(S), 1.0), rcond=None)[0].clip(0)
        self.start_S = start_S / start_S.sum()

    def n_symbols(self, size: int) -> int:
        return size

    def n_draws(self, size: int) -> int:
        return 2 * size

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        state_N, columns = chosen(self.start_S, draws_NU[:, 0]), []
        for t in range(size):
            state_N = chosen(self.move_SS[state_N], draws_NU[:, 2 * t]) if t else state_N
            columns.append(chosen(self.show_SA[state_N], draws_NU[:, 2 * t + 1]))
        return np.stack(columns, 1)

    def _forward(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        """(N, L): ln p of each symbol given the visible ones before it, 0 for a hidden one."""
        ahead_NS, columns = np.broadcast_to(self.start_S, (len(symbols_NL), len(self.start_S))), []
        for t in range(symbols_NL.shape[1]):
            shown_NS = kept(symbols_NL[:, t], visible_NL[:, t], len(self.alphabet)) @ self.show_SA.T
            alpha_NS = ahead_NS * shown_NS
            total_N = alpha_NS.sum(1)
            columns.append(-price(total_N))
            ahead_NS = (alpha_NS / total_N[:, None]) @ self.move_SS
        return np.stack(columns, 1)

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        return with_ends(-self._forward(symbols_NL, np.ones(symbols_NL.shape, bool)), sizes)

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        return self._forward(symbols_NL, visible_NL).sum(1)

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        high = np.diff(self._block_entropies(self.start_S[None], sizes.most), prepend=0.0)
        low = np.diff(self._block_entropies(np.diag(self.start_S), sizes.most), prepend=0.0)
        known = len(high)
        bounds = []
        # Up to the depth of the tree the entropies themselves are known; beyond it the deepest bounds hold.
        for deepest in (max(low[1:], default=high[0]) if known < sizes.most else 0.0, high[-1]):
            each = np.concatenate([high, np.full(sizes.most - known, deepest)])
            bounds.append(sizes.entropy() + sizes.mean(np.concatenate([[0.0], np.cumsum(each)])))
        return bounds[0], bounds[1]

    def _block_entropies(self, start_KS: np.ndarray, most: int) -> np.ndarray:
        """H(x_1 ... x_n | which start) for n = 1, 2, ... as deep as the tree of strings may be; start_KS sums to 1.

        The sum over strings leaves the starts' own entropy in, once at each n, so it is taken off.
        """
        K, S, A = *start_KS.shape, len(self.alphabet)
        weight_K = start_KS.sum(1)
        given = -(weight_K[weight_K > 0] * np.log(weight_K[weight_K > 0])).sum()
        ahead_NS, found = start_KS, []
        # One string more than K may have: both kinds of start go to the same depth.
        while len(found) < most and len(ahead_NS) // K * A * S * S <= TREE:
            alpha_NAS = ahead_NS[:, None, :] * self.show_SA.T
            p_NA = alpha_NAS.sum(2)
            p = p_NA[p_NA > 0]
            found.append(float(-(p * np.log(p)).sum() - given))
            ahead_NS = (alpha_NAS @ self.move_SS).reshape(-1, S)
        return np.array(found)
