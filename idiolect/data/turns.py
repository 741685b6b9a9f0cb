"""Whose turn it is: which source gives window i of a run, and which of its own windows that is.

Every window of a source has a first moment (before, the source would be a window ahead of its share) and a last one
(after, a window behind). Always giving the turn to the window whose last moment comes first keeps all sources within
one window of their shares: unit jobs with deadlines, as in level schedules (Steiner and Yeomans 1993, Management
Science 39:6). It isn't random, so shares hold in every stretch of a run, not only on average.

A pure function of the index: turns are worked out a span of indices at a time, from counts that the spans before it
needn't be read for.
"""

import heapq

import numpy as np

from idiolect.data.shares import CLOSE, Shares

# Turns worked out at once, in about a third of a second. Within the first span, no source is ever a window off its
# share; where spans meet, counts are rounded to whole windows, and one may be off by less than two.
SPAN = 1 << 18


class Turns:
    """The turns of a run whose shares are known."""

    def __init__(self, shares: Shares, span: int = SPAN):
        self.shares = shares
        # A short run needs no more than its own turns, and a few ahead of them.
        self.span = min(span, 1 << (2 * shares.total).bit_length())
        self._counts = [np.zeros(len(shares.portions), np.int64)]
        self._known: tuple[int, np.ndarray, np.ndarray] | None = None

    def at(self, window_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Source of each window of the run, and the number of that window among its source's."""
        source_B, number_B = np.empty_like(window_B), np.empty_like(window_B)
        span_B = window_B // self.span
        for span in np.unique(span_B).tolist():
            here = span_B == span
            _, sources, numbers = self._turns(span)
            place = window_B[here] - span * self.span
            source_B[here], number_B[here] = sources[place], numbers[place]
        return source_B, number_B

    def counts(self, windows: int) -> np.ndarray:
        """(S,) windows that each source has given in the first so many of the run."""
        span, rest = divmod(windows, self.span)
        given_S = self._counts_before(span)
        if rest:
            given_S = given_S + np.bincount(self._turns(span)[1][:rest], minlength=len(given_S))
        return given_S

    def _turns(self, span: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Sources and numbers of a span's windows; the last answer is kept for the next batch."""
        if self._known is None or self._known[0] != span:
            begin_S, end_S = self._counts_before(span), self._counts_before(span + 1)
            sources = _earliest_deadline_first(*self._moments(span, begin_S, end_S), len(begin_S))
            numbers = np.empty(self.span, np.int64)
            for source, (begin, end) in enumerate(zip(begin_S, end_S, strict=True)):
                numbers[sources == source] = np.arange(begin, end)
            self._known = span, sources, numbers
        return self._known

    def _moments(self, span: int, begin_S: np.ndarray, end_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First place in the span of each window that is to be given in it, and its last moment with its source."""
        after = np.arange(self.span + 1) + span * self.span
        opens, deadlines = [], []
        for source, (begin, end) in enumerate(zip(begin_S, end_S, strict=True)):
            if begin == end:
                continue
            due, number = self.shares.due(after, source), np.arange(begin, end)
            opens.append(np.searchsorted(due, number + CLOSE, "right") - 1)
            deadlines.append(np.searchsorted(due, number + 1 - CLOSE, "left") * len(begin_S) + source)
        return np.concatenate(opens), np.concatenate(deadlines)

    def _counts_before(self, span: int) -> np.ndarray:
        """(S,) windows given before a span: what was due, in whole windows, and never fewer than before."""
        while len(self._counts) <= span:
            windows = len(self._counts) * self.span
            self._counts.append(_whole(self.shares.due_at(windows), windows, self._counts[-1]))
        return self._counts[span]


def _whole(due_S: np.ndarray, total: int, least_S: np.ndarray) -> np.ndarray:
    """Whole numbers that sum to `total`, near what is due: rounded down, the rest to the largest remainders."""
    found_S = np.maximum(np.floor(due_S + CLOSE).astype(np.int64), least_S)
    while missing := total - int(found_S.sum()):
        step = 1 if missing > 0 else -1
        ahead_S = step * (due_S - found_S)
        ahead_S[(step < 0) & (found_S <= least_S)] = -np.inf
        found_S[np.argsort(-ahead_S, kind="stable")[: abs(missing)]] += step
    return found_S


def _earliest_deadline_first(opens: np.ndarray, deadlines: np.ndarray, n_sources: int) -> np.ndarray:
    """Source of each turn; a turn that no window is open for goes to the one that opens next."""
    order = np.argsort(opens, kind="stable")
    opens, deadlines = opens[order].tolist(), deadlines[order].tolist()
    waiting: list[int] = []
    turns, following = [], 0
    for turn in range(len(opens)):
        while following < len(opens) and (opens[following] <= turn or not waiting):
            heapq.heappush(waiting, deadlines[following])
            following += 1
        turns.append(heapq.heappop(waiting))
    return np.array(turns, np.int64) % n_sources
