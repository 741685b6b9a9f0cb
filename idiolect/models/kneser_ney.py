"""Interpolated Kneser-Ney n-grams over token ids, in numpy: the floor a neural model has to beat.

    ids -> NGramCounts -> KneserNey -> nats of held-out ids

Start at `KneserNey.nats` (a stream of ids) and `probability_of` (contexts and targets in any order).
Source: Chen and Goodman 1998 (TR-10-98), for both the plain and the modified discounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from idiolect.errors import RecipeError
from idiolect.models.ngram_counts import NGramCounts, check_range

# KenLM's --discount_fallback: used where the counts of counts cannot give a discount (a tiny or artificial text).
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
# Held-out tokens looked up at once: bounds the scratch memory to about 100 bytes times this.
SCORE_CHUNK = 1 << 20


@dataclass(frozen=True)
class Weights:
    """One level's share: p(w | c) = own[c w] + left[c] * p(w | shorter c); `left` is 1 where c was never followed."""

    own: np.ndarray
    left: np.ndarray


class KneserNey:
    """Interpolated Kneser-Ney of any order up to the one counted; `modified` takes three discounts a level, not one.

    The unigram level is interpolated with the uniform distribution, so that every id has a probability above zero.
    """

    def __init__(self, counts: NGramCounts, modified: bool = False):
        self.counts, self.modified = counts, modified
        self.vocabulary_size, self.order = counts.vocabulary_size, counts.order

    @classmethod
    def fit(cls, ids, vocabulary_size: int, order: int, modified: bool = False) -> KneserNey:
        """Count and build in one call."""
        return cls(NGramCounts(ids, vocabulary_size, order), modified)

    @cached_property
    def discounts(self) -> dict[str, list[tuple[float, float, float]]]:
        """Discounts for a count of 1, 2, and 3 or more, a level: of raw counts and of continuation counts."""
        levels = self.counts.levels
        return {
            "raw": [discounts_of(level.raw, self.modified) for level in levels],
            "continuation": [discounts_of(level.continuation, self.modified) for level in levels[:-1]],
        }

    @cached_property
    def _top(self) -> list[Weights]:
        """Weights from raw counts: level k is used when k is the model's own order."""
        levels, discounts = self.counts.levels, self.discounts["raw"]
        return [self._weigh(k, level.raw, discounts[k]) for k, level in enumerate(levels)]

    @cached_property
    def _inner(self) -> list[Weights]:
        """Weights from continuation counts: level k is used when k is below the model's order."""
        levels, discounts = self.counts.levels, self.discounts["continuation"]
        return [self._weigh(k, level.continuation, discounts[k]) for k, level in enumerate(levels[:-1])]

    def _weigh(self, index: int, count: np.ndarray, discounts: tuple[float, float, float]) -> Weights:
        keys = self.counts.levels[index].keys
        n_contexts = len(self.counts.levels[index - 1].keys) if index else 1
        context = keys // self.vocabulary_size
        discount = np.array([0.0, *discounts])[np.minimum(count, 3)]
        total = np.bincount(context, weights=count, minlength=n_contexts)
        taken = np.bincount(context, weights=discount, minlength=n_contexts)
        seen = total > 0
        left = np.divide(taken, total, out=np.ones(n_contexts), where=seen)
        own = np.divide(count - discount, total[context], out=np.zeros(len(keys)), where=seen[context])
        # Stored as float32 (half the memory); a distribution then sums to one within 1e-6.
        return Weights(own.astype(np.float32), left.astype(np.float32))

    def nats(self, held_out, *, context=(), order: int | None = None) -> np.ndarray:
        """-ln p of every held-out id given the ones before it, float64, same length.

        `context` holds ids that precede the held-out ones (none: the first ids are read with a short history).
        """
        order = self._resolve_order(order)
        return self.nats_of_orders(held_out, (order,), context=context)[order]

    def nats_of_orders(self, held_out, orders, *, context=()) -> dict[int, np.ndarray]:
        """`nats` of several orders for the look-ups of one: they share all but the last interpolation."""
        orders = [self._resolve_order(order) for order in orders]
        held_out, context = np.asarray(held_out), np.asarray(context, dtype=np.int64)
        longest = max(orders)
        context = context[len(context) - min(len(context), longest - 1) :]
        stream = np.concatenate([context, held_out]).astype(np.int64)
        check_range(stream, self.vocabulary_size)
        out = {order: np.empty(len(held_out)) for order in orders}
        for start in range(0, len(held_out), SCORE_CHUNK):
            stop = min(start + SCORE_CHUNK, len(held_out))
            first = max(0, start + len(context) - (longest - 1))
            skip = start + len(context) - first
            for order, p_N in self._probabilities(stream[first : stop + len(context)], orders).items():
                out[order][start:stop] = -np.log(p_N[skip:])
        return out

    def _probabilities(self, ids_N: np.ndarray, orders) -> dict[int, np.ndarray]:
        """p of each id given those before it in `ids_N`, for each order wanted."""
        p_N = np.full(len(ids_N), 1.0 / self.vocabulary_size)
        rank_N = np.zeros(len(ids_N), np.int64)  # of the (k-1)-gram before each id; -1: unseen or cut off
        found = {}
        for k in range(1, max(orders) + 1):
            entry_N = self._look_up(k, rank_N, ids_N)
            if k in orders:
                found[k] = self._interpolate(self._top[k - 1], rank_N, entry_N, p_N)
            if k < max(orders):
                p_N = self._interpolate(self._inner[k - 1], rank_N, entry_N, p_N)
                rank_N = np.concatenate([[-1], entry_N[:-1]])
        return found

    def _look_up(self, k: int, context_rank_N: np.ndarray, ids_N: np.ndarray) -> np.ndarray:
        """Rank of each k-gram among those counted, or -1."""
        keys = self.counts.levels[k - 1].keys
        key_N = context_rank_N * self.vocabulary_size + ids_N
        entry_N = np.minimum(np.searchsorted(keys, key_N), len(keys) - 1)
        return np.where((keys[entry_N] == key_N) & (context_rank_N >= 0), entry_N, -1)

    @staticmethod
    def _interpolate(weights: Weights, context_rank_N, entry_N, shorter_N) -> np.ndarray:
        # Index -1 reads the last entry, and the `where` throws that away: cheaper than two masked gathers.
        own_N = np.where(entry_N >= 0, weights.own[entry_N], 0.0)
        left_N = np.where(context_rank_N >= 0, weights.left[context_rank_N], 1.0)
        return own_N + left_N * shorter_N

    def probabilities(self, context, *, order: int | None = None) -> np.ndarray:
        """p of every id after `context`, as a (V,) float64 array that sums to one within 1e-6."""
        order = self._resolve_order(order)
        context = np.asarray(context, dtype=np.int64)
        check_range(context, self.vocabulary_size)
        p_V = np.full(self.vocabulary_size, 1.0 / self.vocabulary_size)
        for k in range(1, order + 1):
            rank = self._rank(context[len(context) - (k - 1) :]) if k - 1 <= len(context) else -1
            if rank < 0:
                break
            weights, keys = (self._top if k == order else self._inner)[k - 1], self.counts.levels[k - 1].keys
            first, last = np.searchsorted(keys, [rank * self.vocabulary_size, (rank + 1) * self.vocabulary_size])
            p_V = weights.left[rank] * p_V
            p_V[keys[first:last] - rank * self.vocabulary_size] += weights.own[first:last]
        return p_V

    def probability_of(self, contexts_NC: np.ndarray, targets_N: np.ndarray, order: int | None = None) -> np.ndarray:
        """p of each target after its own context, float64; context ids below 0 are unknown and end its reach."""
        order = self._resolve_order(order)
        p_N = np.full(len(targets_N), 1.0 / self.vocabulary_size)
        for k in range(1, order + 1):
            rank_N = self.ranks_of(contexts_NC, k - 1)
            p_N = self._interpolate(self._weights(k, order), rank_N, self._look_up(k, rank_N, targets_N), p_N)
        return p_N

    def probabilities_of(self, contexts_NC: np.ndarray) -> np.ndarray:
        """p of every id after each context, (N, V) float64."""
        p_NV = np.full((len(contexts_NC), self.vocabulary_size), 1.0 / self.vocabulary_size)
        for k in range(1, self.order + 1):
            rank_N = self.ranks_of(contexts_NC, k - 1)
            reached_N = np.flatnonzero(rank_N >= 0)
            if not len(reached_N):
                break
            weights = self._weights(k, self.order)
            p_NV[reached_N] *= weights.left[rank_N[reached_N], None]
            row_E, entry_E = self._followers(k, rank_N[reached_N])
            p_NV[reached_N[row_E], self.counts.levels[k - 1].keys[entry_E] % self.vocabulary_size] += weights.own[
                entry_E
            ]
        return p_NV

    def likeliest_of(self, contexts_NC: np.ndarray) -> np.ndarray:
        """The likeliest id after each context.

        A longer context can only raise the ids that followed it; of all others the likeliest under the shorter one
        stays so. Only followers are compared, and each distinct context is looked at once.
        """
        best_U = np.full(1, self.probabilities(()).argmax() if self.order == 1 else self._best_unigram)
        suffix_N = np.zeros(len(contexts_NC), np.int64)
        for k in range(2, self.order + 1):
            contexts_UC, first_U, suffix_new_N = np.unique(
                contexts_NC[:, contexts_NC.shape[1] - (k - 1) :], axis=0, return_index=True, return_inverse=True
            )
            best_U, suffix_N = best_U[suffix_N[first_U]], suffix_new_N.reshape(-1)
            rank_U = self.ranks_of(contexts_UC, k - 1)
            reached_U = np.flatnonzero(rank_U >= 0)
            row_E, entry_E = self._followers(k, rank_U[reached_U])
            row_E = np.concatenate([reached_U[row_E], reached_U])
            id_E = np.concatenate([self.counts.levels[k - 1].keys[entry_E] % self.vocabulary_size, best_U[reached_U]])
            padded_UC = np.pad(contexts_UC, ((0, 0), (self.order - k, 0)), constant_values=-1)
            p_E = self.probability_of(padded_UC[row_E], id_E, k)
            order_E = np.lexsort((-id_E, p_E, row_E))
            last_E = np.flatnonzero(np.append(np.diff(row_E[order_E]) > 0, len(order_E) > 0))
            best_U = best_U.copy()
            best_U[row_E[order_E[last_E]]] = id_E[order_E[last_E]]
        return best_U[suffix_N]

    @cached_property
    def _best_unigram(self) -> int:
        # Below the order, unigrams are continuation counts.
        return int(self.counts.levels[0].keys[np.argmax(self._inner[0].own)])

    def ranks_of(self, contexts_NC: np.ndarray, length: int) -> np.ndarray:
        """Rank of each context's last `length` ids among the n-grams of that length; -1 where never seen."""
        rank_N = np.zeros(len(contexts_NC), np.int64)
        for k in range(1, length + 1):
            ids_N = contexts_NC[:, contexts_NC.shape[1] - length + k - 1]
            rank_N = np.where(ids_N >= 0, self._look_up(k, rank_N, ids_N), -1)
        return rank_N

    def _weights(self, k: int, order: int) -> Weights:
        return (self._top if k == order else self._inner)[k - 1]

    def _followers(self, k: int, rank_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every k-gram that continues each context, end to end: the context's row, and the k-gram's entry."""
        keys, V = self.counts.levels[k - 1].keys, self.vocabulary_size
        first_M, last_M = np.searchsorted(keys, rank_M * V), np.searchsorted(keys, (rank_M + 1) * V)
        n_M = last_M - first_M
        row_E = np.repeat(np.arange(len(rank_M)), n_M)
        return row_E, np.arange(n_M.sum()) - np.repeat(np.cumsum(n_M) - n_M - first_M, n_M)

    def _rank(self, ids: np.ndarray) -> int:
        rank_N = np.zeros(1, np.int64)
        for k in range(1, len(ids) + 1):
            rank_N = self._look_up(k, rank_N, ids[k - 1 : k])
        return int(rank_N[0])

    def _resolve_order(self, order: int | None) -> int:
        order = self.order if order is None else order
        if not 1 <= order <= self.order:
            raise RecipeError(
                f"n-gram order {order} was not counted",
                why=f"counts go from 1 to {self.order}",
                fix=f"count up to order {order} first",
            )
        return order


def discounts_of(count: np.ndarray, modified: bool) -> tuple[float, float, float]:
    """Discounts for counts 1, 2 and 3+, from the counts of counts (Chen and Goodman 1998)."""
    n1, n2, n3, n4 = np.bincount(np.minimum(count, 5), minlength=5)[1:5].astype(float)
    if not n1:
        return FALLBACK_DISCOUNTS if modified else (FALLBACK_DISCOUNTS[0],) * 3
    y = n1 / (n1 + 2 * n2)
    if not modified:
        return (y, y, y)
    if not (n2 and n3 and n4):
        return FALLBACK_DISCOUNTS
    estimates = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    in_range = all(0 < estimate <= k for k, estimate in enumerate(estimates, 1))
    return estimates if in_range else FALLBACK_DISCOUNTS
