"""Words and n-grams of a sample: how many, how many different, which are the commonest, how fast new ones come.

Bounded: distinct counts are sketches, and the commonest n-grams come from counters that forget the rare ones (Misra
and Gries 1982); a forgotten count is at most 1 / KEPT of all, far below those shown.
"""

import zlib

import numpy as np

from idiolect.corpus.audit.sketch import ERROR, Distinct
from idiolect.corpus.hashed import Words, counted, ngrams_of

ORDERS = (1, 2, 3, 4, 5)
TOP, KEPT = 20, 200_000
WINDOW = 1000
LARGE = 4096
# Readings of the growth curve, evenly spaced on a logarithmic scale.
STEPS_A_DECADE = 8


class Vocabulary:
    """Entered pack by pack, in order."""

    def __init__(self):
        self.distinct = {n: Distinct() for n in ORDERS}
        self.totals = dict.fromkeys(ORDERS, 0)
        self.growth: list[tuple[int, int]] = []
        self._next = 100.0
        self._counts = {n: _Common() for n in ORDERS}
        self._left = np.zeros(0, np.uint64)
        self._windows = self._window_sum = 0.0
        self._packed = [0, 0]

    def add(self, words: Words, texts: list[str]) -> None:
        """Enter the words of some texts."""
        for n in ORDERS:
            grams, first = ngrams_of(words, n)
            if n == 1:
                self._grow(grams)
            else:
                self.distinct[n].add(grams)
            self.totals[n] += len(grams)
            self._counts[n].add(grams, first, words, n)
        self._look_through_windows(words.hashes)
        data = "\n".join(texts).encode("utf-8", "replace")
        self._packed[0] += len(data)
        self._packed[1] += len(zlib.compress(data, 1))

    def _grow(self, hashes: np.ndarray) -> None:
        start = 0
        while start < len(hashes):
            stop = min(len(hashes), start + max(int(self._next) - self.totals[1] - start, 1))
            self.distinct[1].add(hashes[start:stop])
            if self.totals[1] + stop >= self._next:
                self.growth.append((self.totals[1] + stop, self.distinct[1].count()))
                self._next *= 10 ** (1 / STEPS_A_DECADE)
            start = stop

    def _look_through_windows(self, hashes: np.ndarray) -> None:
        """Different words among every thousand in a row: a type-token ratio that does not fall with length."""
        stream = np.concatenate([self._left, hashes])
        n = len(stream) // WINDOW
        rows = np.sort(stream[: n * WINDOW].reshape(n, WINDOW), axis=1)
        self._window_sum += float((np.diff(rows, axis=1) != 0).sum() + n) / WINDOW
        self._windows += n
        self._left = stream[n * WINDOW :]

    def figures(self) -> dict:
        """The parts `vocabulary`, `ngrams` and `compression` of the profile."""
        words, distinct = self.totals[1], self.distinct[1].count()
        growth = [*self.growth, (words, distinct)] if words else []
        return {
            "vocabulary": {
                "words": words, "distinct": distinct, "error": round(ERROR, 4), "once": self._counts[1].once,
                "type_token": distinct / words if words else None,
                "windowed_type_token": self._window_sum / self._windows if self._windows else None,
                "heaps": _heaps(growth), "growth": [{"words": w, "distinct": d} for w, d in growth],
            },
            "ngrams": [
                {
                    "n": n, "total": self.totals[n], "distinct": min(self.distinct[n].count(), self.totals[n]),
                    "distinct_share": min(self.distinct[n].count() / max(self.totals[n], 1), 1.0),
                    "top": self._counts[n].top(self.totals[n]),
                }
                for n in ORDERS
            ],
            "compression": {
                "bytes": self._packed[0], "compressed": self._packed[1], "codec": "zlib 1, a pack at a time",
                "ratio": self._packed[0] / self._packed[1] if self._packed[0] else None,
            },
        }  # fmt: skip


class _Common:
    """The commonest hashes, and how each is spelled."""

    def __init__(self):
        self.keys, self.counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self.forgot = False
        self._names: dict[int, str] = {}

    @property
    def once(self) -> float | None:
        """Share of the different ones that came once; None when some were forgotten."""
        return float((self.counts == 1).mean()) if len(self.keys) and not self.forgot else None

    def add(self, grams: np.ndarray, first: np.ndarray, words: Words, n: int) -> None:
        keys, counts = counted(grams)
        place = np.searchsorted(self.keys, keys)
        known = np.append(self.keys, np.uint64(0))[place] == keys
        known &= place < len(self.keys)
        self.counts[place[known]] += counts[known]
        self.keys = np.insert(self.keys, place[~known], keys[~known])
        self.counts = np.insert(self.counts, place[~known], counts[~known])
        if len(self.keys) > 2 * KEPT:
            least = _nth_largest(self.counts, KEPT)
            stays = self.counts > least
            self.keys, self.counts, self.forgot = self.keys[stays], self.counts[stays] - least, True
            self.counts += least
        unnamed = [key for key in self.keys[self._best()].tolist() if key not in self._names]
        for key in unnamed:
            at = np.flatnonzero(grams == np.uint64(key))[:1]
            if len(at):
                self._names[key] = words.spelled(first[at[0]], n)

    def _best(self) -> np.ndarray:
        """Places of the commonest, in order; ties by hash."""
        some = np.arange(len(self.counts))
        if len(some) > 3 * TOP:
            some = np.flatnonzero(self.counts >= _nth_largest(self.counts, 3 * TOP))
        return some[np.argsort(-self.counts[some], kind="stable")[: 3 * TOP]]

    def top(self, total: int) -> list[dict]:
        order = self._best()
        rows = [(self._names.get(int(self.keys[i])), int(self.counts[i])) for i in order]
        return [{"ngram": name, "count": n, "share": n / total} for name, n in rows if name is not None][:TOP]


def _nth_largest(counts: np.ndarray, n: int) -> int:
    """The n-th largest count, by a histogram: a partition of so many equal numbers takes 20 times as long."""
    at_least = np.cumsum(np.bincount(np.minimum(counts, LARGE))[::-1])[::-1]
    found = int(np.flatnonzero(at_least >= n)[-1])
    if found < LARGE:
        return found
    large = counts[counts >= LARGE]
    return int(np.partition(large, -n)[-n])


def _heaps(growth: list[tuple[int, int]]) -> dict | None:
    """distinct = k * words^beta, fitted to the logarithms (Heaps 1978)."""
    points = [(w, d) for w, d in growth if w >= WINDOW and d > 0]
    if len(points) < 3:
        return None
    x, y = np.log(np.array(points, float)).T
    beta, log_k = np.polyfit(x, y, 1)
    return {"k": float(np.exp(log_k)), "beta": float(beta)}
