"""Probabilistic context-free grammar of letters within nested brackets, in Chomsky's normal form.

`S p` is a text whose innermost open bracket is of kind p (0: none), `A i p` what follows an open bracket i within p:

    S p   -> letter | letter S p | open i, A i p
    A i p -> close i | S i, close i | close i, S p | S i, B i p          B i p -> close i, S p

The first symbol decides the rule, a bracket has one partner: every text has one derivation, so the texts' entropy is
that of the derivations, which a table over (nonterminal, length) gives. A size is drawn from the length distribution,
then a text from the grammar given that size; with `own` lengths that is the grammar itself up to a longest text.

    inside   beta(A, i, n) = sum over rules A -> B C and 0 < k < n of p(rule) beta(B, i, k) beta(C, i + k, n - k)
             (Baker 1979; Lari and Young 1990, eq. 4); a hidden symbol lets every terminal pass
    prefix   the inside probability with all that follows hidden, summed over the sizes that are still possible
"""

import numpy as np

from idiolect.corpus.exact.config import GrammarConfig
from idiolect.corpus.exact.law import LETTERS, entropies, price
from idiolect.corpus.exact.lengths import Sizes
from idiolect.corpus.exact.randomness import distributions

BRACKETS = "()[]{}<>"
# Numbers of a table of inside probabilities that are held at once.
TABLE = 1 << 23


class Grammar:
    """`emit_MA`: p(nonterminal -> symbol); `parent_R`, `left_R`, `right_R`, `p_R`: the rules of two nonterminals."""

    def __init__(self, config: GrammarConfig):
        k, m = config.brackets, config.letters
        self.alphabet = LETTERS[:m] + BRACKETS[: 2 * k]
        kinds = [(i, p) for i in range(1, k + 1) for p in range(k + 1)]
        names = [*(("S", p) for p in range(k + 1)), *(("A", *x) for x in kinds), *(("B", *x) for x in kinds)]
        names += [("W", j) for j in range(m)] + [(side, i) for side in "OC" for i in range(1, k + 1)]
        number = {name: n for n, name in enumerate(names)}
        text_rows = distributions(config.seed, k + 1, 2 * m + k, config.sharpness)
        after_rows = distributions(config.seed + (1 << 32), len(kinds), 4, config.sharpness)
        self.emit_MA, rules = np.zeros((len(names), len(self.alphabet))), []
        for p, row in enumerate(text_rows):
            self.emit_MA[number["S", p], :m] = row[:m]
            rules += [(("S", p), ("W", j), ("S", p), row[m + j]) for j in range(m)]
            rules += [(("S", p), ("O", i), ("A", i, p), row[2 * m + i - 1]) for i in range(1, k + 1)]
        for (i, p), row in zip(kinds, after_rows, strict=True):
            self.emit_MA[number["A", i, p], m + 2 * i - 1] = row[0]
            rules += [(("A", i, p), ("S", i), ("C", i), row[1]), (("A", i, p), ("C", i), ("S", p), row[2])]
            rules += [(("A", i, p), ("S", i), ("B", i, p), row[3]), (("B", i, p), ("C", i), ("S", p), 1.0)]
        for j in range(m):
            self.emit_MA[number["W", j], j] = 1.0
        for i in range(1, k + 1):
            self.emit_MA[number["O", i], m + 2 * i - 2] = self.emit_MA[number["C", i], m + 2 * i - 1] = 1.0
        self.parent_R, self.left_R, self.right_R = (np.array([number[r[at]] for r in rules]) for at in range(3))
        self.p_R = np.array([rule[3] for rule in rules])
        # Sums the rules' weights into their parents.
        self.sum_RM = (self.parent_R[:, None] == np.arange(len(names))) * self.p_R[:, None]
        self.longest = config.length.size if config.length.kind == "fixed" else config.length.most
        self._choices: dict[tuple[int, int], tuple[np.ndarray, list]] = {}
        self.weight_nM = self._weights()

    def _weights(self) -> np.ndarray:
        """(longest + 1, M): the probability that each nonterminal derives a text of n symbols."""
        weight_nM = np.zeros((self.longest + 1, self.emit_MA.shape[0]))
        weight_nM[1] = self.emit_MA.sum(1)
        for n in range(2, self.longest + 1):
            pairs_R = sum(weight_nM[k, self.left_R] * weight_nM[n - k, self.right_R] for k in range(1, n))
            weight_nM[n] = pairs_R @ self.sum_RM
        return weight_nM

    def own_sizes(self, most: int) -> Sizes:
        """The grammar's own distribution of sizes up to the longest."""
        share = self.weight_nM[: most + 1, 0]
        return Sizes(share / share.sum())

    def n_symbols(self, size: int) -> int:
        return size

    def n_draws(self, size: int) -> int:
        return 2 * size

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        return np.array([self._derived(size, iter(row)) for row in draws_NU.tolist()]).reshape(-1, size)

    def _derived(self, size: int, draws) -> list[int]:
        """One text of this size: each nonterminal with its size is replaced, leftmost first."""
        found, todo = [], [(0, size)]
        while todo:
            heaps, choices = self._choices_of(*todo.pop())
            choice = choices[min(int(np.searchsorted(heaps, next(draws) * heaps[-1], "right")), len(choices) - 1)]
            if isinstance(choice, int):
                found.append(choice)
            else:
                todo += choice
        return found

    def _choices_of(self, nonterminal: int, size: int) -> tuple[np.ndarray, list]:
        """Cumulated weights of all ways to go on, and the ways: a symbol, or [right part, left part]."""
        if (nonterminal, size) not in self._choices:
            if size == 1:
                symbols = np.flatnonzero(self.emit_MA[nonterminal])
                weights, ways = self.emit_MA[nonterminal, symbols], symbols.tolist()
            else:
                weights, ways = self._splits(nonterminal, size)
            self._choices[nonterminal, size] = np.cumsum(weights), ways
        return self._choices[nonterminal, size]

    def _splits(self, nonterminal: int, size: int) -> tuple[np.ndarray, list]:
        weights, ways = [], []
        for r in np.flatnonzero(self.parent_R == nonterminal):
            left, right = int(self.left_R[r]), int(self.right_R[r])
            for k in range(1, size):
                if weight := self.p_R[r] * self.weight_nM[k, left] * self.weight_nM[size - k, right]:
                    weights.append(weight)
                    ways.append([(right, size - k), (left, k)])
        return np.array(weights), ways

    def _inside(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        """(N, L + 1): probability that the start derives the first n symbols, hidden ones summed over."""
        N, L = symbols_NL.shape
        one_NLM = np.where(visible_NL[..., None], self.emit_MA.T[symbols_NL], self.emit_MA.sum(1))
        table, found = {1: one_NLM}, np.zeros((N, L + 1))
        for n in range(1, L + 1):
            if n > 1:
                spans = L - n + 1
                pairs_NR = np.zeros((N, spans, len(self.p_R)))
                for k in range(1, n):
                    pairs_NR += table[k][:, :spans, self.left_R] * table[n - k][:, k : k + spans, self.right_R]
                table[n] = pairs_NR @ self.sum_RM
            found[:, n] = table[n][:, 0, 0]
        return found

    def inside(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        """`_inside`, so many rows at a time that their tables fit."""
        rows = max(1, TABLE // (symbols_NL.shape[1] ** 2 * len(self.emit_MA)))
        parts = range(0, len(symbols_NL), rows)
        return np.concatenate([self._inside(symbols_NL[a : a + rows], visible_NL[a : a + rows]) for a in parts])

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        N, L = symbols_NL.shape
        wide_NL = np.zeros((N, sizes.most), np.int64)
        wide_NL[:, :L] = symbols_NL
        weight_n = self.weight_nM[: sizes.most + 1, 0]
        share_n = np.divide(sizes.share, weight_n, out=np.zeros_like(weight_n), where=weight_n > 0)
        begun = np.zeros((N, L + 1))
        for k in range(L + 1):
            known_NL = np.broadcast_to(np.arange(sizes.most) < k, wide_NL.shape)
            inside_Nn = self.inside(wide_NL, known_NL)
            begun[:, k] = inside_Nn[:, max(k, 1) :] @ share_n[max(k, 1) :]
        whole_N = share_n[L] * inside_Nn[:, L]
        with np.errstate(invalid="ignore"):
            found = np.diff(price(np.column_stack([begun, whole_N])), axis=1)
        # After the first impossible symbol nothing has a price of its own.
        return np.where(np.isnan(found), np.inf, found)

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        L = symbols_NL.shape[1]
        return np.log(self.inside(symbols_NL, visible_NL)[:, L] / self.weight_nM[L, 0])

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        nats_nM = np.zeros((sizes.most + 1, len(self.emit_MA)))
        each_M = self.emit_MA.sum(1, keepdims=True)
        nats_nM[1] = entropies(np.divide(self.emit_MA, each_M, out=np.zeros_like(self.emit_MA), where=each_M > 0))
        for n in range(2, sizes.most + 1):
            sums_M = np.zeros(len(self.emit_MA))
            total_R = self.weight_nM[n, self.parent_R]
            for k in range(1, n):
                weight_R = self.p_R * self.weight_nM[k, self.left_R] * self.weight_nM[n - k, self.right_R]
                p_R = np.divide(weight_R, total_R, out=np.zeros_like(weight_R), where=total_R > 0)
                below_R = nats_nM[k, self.left_R] + nats_nM[n - k, self.right_R]
                terms_R = p_R * (below_R - np.log(np.maximum(p_R, 1e-300)))
                np.add.at(sums_M, self.parent_R, terms_R)
            nats_nM[n] = sums_M
        found = sizes.entropy() + sizes.mean(nats_nM[:, 0])
        return found, found
