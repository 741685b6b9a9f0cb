"""How many windows of each source are due after any number of windows: weights, quotas and passes, a curve a source.

    due
     |        ____   used up: its share goes to the others
     |      /
     |    /  .·'     another source, steeper from there on
     |  / .·'
     |/·'________ windows

Quotas are spread evenly over the run. What they leave is shared by weight; a source that has given all it may gives no
more, and the others' weights share the rest. Over the last part of the run, shares move in a straight line from those
of `weight` to those of `anneal_weight`. So a curve is a parabola between two events, and nothing is stored a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Windows by which a sum of floats may miss a whole number: 1e9 of them are known to 1e-7.
CLOSE = 1e-5


@dataclass(frozen=True)
class Portion:
    """What one source may give, in windows: by weight, or `quota` of them; never more than `most`."""

    weight: float = 0.0
    anneal_weight: float = 0.0
    quota: int | None = None
    most: float = np.inf

    @property
    def limit(self) -> float:
        """Windows it gives at most."""
        return self.most if self.quota is None else min(self.quota, self.most)


@dataclass(frozen=True)
class Piece:
    """From window `start` on: windows due by then, the share of each source, and how fast shares change."""

    start: float
    due_S: np.ndarray
    share_S: np.ndarray
    slope_S: np.ndarray

    def due(self, windows: float | np.ndarray, source: int | slice = slice(None)) -> np.ndarray:
        """Windows due after so many, of one source or of all."""
        x = windows - self.start
        return self.due_S[source] + (self.share_S[source] + self.slope_S[source] * x / 2) * x


class Shares:
    """The curves of `portions` over a run of `total` windows; `short` windows are more than the sources may give.

    `used_up` says which sources end before the run, and when; `quotas_met` is below 1 when quotas ask for more than the
    run. After the run the curves go straight on, for batches
    that are made ahead and never trained on.
    """

    def __init__(self, portions: Sequence[Portion], total: int, anneal_fraction: float = 0.0):
        self.portions, self.total = tuple(portions), total
        quota_S = np.array([0 if p.quota is None else p.limit for p in portions], float)
        # Quotas of more windows than the run has are all cut alike.
        self.quotas_met = min(1.0, total / max(1.0, quota_S.sum()))
        self.quota_S = quota_S * self.quotas_met
        self._weighted = np.array([p.quota is None for p in portions])
        self._most_S = np.array([p.most if p.quota is None else np.inf for p in portions])
        self._free = 1 - self.quota_S.sum() / total
        anneals = any(p.anneal_weight != p.weight for p in portions)
        self._ramp = total * (1 - anneal_fraction) if anneals and anneal_fraction else float(total)
        self.used_up: dict[int, int] = {}
        self.short = 0
        self._pieces = self._events()
        self._starts = np.array([piece.start for piece in self._pieces])

    def due(self, windows: np.ndarray, source: int) -> np.ndarray:
        """Windows of a source that are due after each of these (sorted) numbers of windows."""
        windows = np.asarray(windows, float)
        cuts = np.searchsorted(windows, self._starts[1:], "left")
        parts = np.split(windows, cuts)
        return np.concatenate([p.due(part, source) for p, part in zip(self._pieces, parts, strict=True)])

    def due_at(self, windows: int) -> np.ndarray:
        """Windows of each source that are due after so many."""
        return self._pieces[int(np.searchsorted(self._starts, windows, "right")) - 1].due(windows)

    def _events(self) -> list[Piece]:
        """Pieces from one event to the next: a source is used up, shares begin to move, the run ends."""
        pieces, now, due_S = [], 0.0, np.zeros(len(self.portions))
        live_S = self._weighted & (self._most_S > 0)
        while now < self.total - CLOSE:
            end = self._ramp if now < self._ramp - CLOSE else float(self.total)
            share_S = self._shares(now, live_S)
            if share_S.sum() < 1 - CLOSE:
                self.short = round(self.total - now - (self.quota_S.sum() - due_S[~self._weighted].sum()))
                break
            piece = Piece(now, due_S, share_S, (self._shares(end, live_S) - share_S) / (end - now))
            lasts_S = np.where(live_S, _time_to(self._most_S - due_S, piece), np.inf)
            now = min(end, now + float(lasts_S.min()))
            pieces.append(piece)
            due_S = piece.due(now)
            for source in np.flatnonzero(live_S & (due_S > self._most_S - CLOSE)).tolist():
                due_S[source], live_S[source] = self._most_S[source], False
                self.used_up[source] = round(now)
        after_S = self._shares(self.total, live_S)
        if after_S.sum() < 1 - CLOSE:
            after_S = np.full(len(due_S), 1 / len(due_S))
        return [*pieces, Piece(now, due_S, after_S, np.zeros(len(due_S)))]

    def _shares(self, now: float, live_S: np.ndarray) -> np.ndarray:
        """Each source's share of the windows at a moment of the run; they sum to less than 1 when too few are left."""
        first_S = _normalised([p.weight for p in self.portions], live_S)
        last_S = _normalised([p.anneal_weight for p in self.portions], live_S)
        first_S, last_S = first_S if first_S.any() else last_S, last_S if last_S.any() else first_S
        moved = max(0.0, (now - self._ramp) / max(1.0, self.total - self._ramp))
        return self.quota_S / self.total + self._free * ((1 - moved) * first_S + moved * last_S)


def _normalised(weights: list[float], live_S: np.ndarray) -> np.ndarray:
    weight_S = np.array(weights, float) * live_S
    return weight_S / (weight_S.sum() or 1.0)


def _time_to(gap_S: np.ndarray, piece: Piece) -> np.ndarray:
    """Windows until each source has given `gap` more: the root of a parabola, in the form that divides by no zero."""
    under_S = piece.share_S**2 + 2 * piece.slope_S * np.where(np.isfinite(gap_S), gap_S, 0)
    speed_S = piece.share_S + np.sqrt(np.maximum(under_S, 0))
    reached = np.isfinite(gap_S) & (under_S >= 0) & (speed_S > 0)
    return np.where(reached, 2 * np.where(reached, gap_S, 0) / np.where(reached, speed_S, 1), np.inf)
