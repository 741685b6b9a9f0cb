"""Samples of several sources for models that carry their state on: each row reads a stretch of one source at a time.

    row 0   |-- stretch 0 --|-- stretch 3 --|-- stretch 6 --|       a stretch is `stream_windows` windows in order;
    row 1   - 1 --|-- stretch 4 --|-- stretch 7 --|--               the rows change in turn, as in streams.py
    row 2   --- stretch 2 ---|-- stretch 5 --|-- stretch 8

Whose turn it is is decided a stretch at a time, so shares hold to within a stretch.
"""

import dataclasses

import numpy as np
import torch

from idiolect.data.batch import Batch
from idiolect.data.cuts import Cuts
from idiolect.data.ledger import Ledger, joined
from idiolect.data.mixture import Plan, rows_of, seed_of, shares_of
from idiolect.data.objectives import Objective
from idiolect.data.turns import Turns
from idiolect.errors import RecipeError
from idiolect.tokenizer.shards import Shards


class MixedStreams:
    """`n_rows` rows of stretches, for a run of `total` samples. Raises DataError, RecipeError."""

    def __init__(
        self,
        shards: Shards,
        objective: Objective,
        plan: Plan,
        total: int,
        n_rows: int,
        seed: int = 0,
        shuffle: bool = True,
        stream_windows: int = 64,
    ):
        if not stream_windows:
            raise RecipeError(
                "train.carry_windows = 0 can't be with a mixture of sources",
                why="a row would read one source for an epoch, and shares could not be kept",
                fix="--train.carry_windows=64, or --train.carry_state=false",
            )
        self.objective, self.total = objective, total
        self.n_rows, self.stream_windows = n_rows, stream_windows
        stretch = stream_windows * objective.stride
        self.rows = rows_of(shards, plan, max(stretch, objective.window))
        self.cuts = [Cuts(row.n_tokens, stretch, seed_of(seed, row.source), shuffle) for row in self.rows]
        self.n_samples = stream_windows * sum(cuts.n_samples for cuts in self.cuts)
        # Rows begin in the middle of their first stretch, all but one: else they would all change at once.
        self._skipped_R = np.arange(n_rows) * stream_windows // n_rows
        stretches = -(-total // (n_rows * stream_windows)) * n_rows
        self.shares = shares_of(plan, self.rows, [cuts.n_samples for cuts in self.cuts], stretch, stretches)
        self.turns = Turns(self.shares)

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count) of the run."""
        sample_B = np.arange(first, first + count)
        step_B, row_B = np.divmod(sample_B, self.n_rows)
        part_B, window_B = np.divmod(step_B + self._skipped_R[row_B], self.stream_windows)
        stretch_B = part_B * self.n_rows + row_B
        source_B, number_B = self.turns.at(stretch_B)
        window_BW = np.empty((count, self.objective.window), np.int64)
        for source in np.unique(source_B).tolist():
            here = source_B == source
            starts = self.cuts[source].starts_of(number_B[here]) + window_B[here] * self.objective.stride
            window_BW[here] = self.rows[source].rows(starts, self.objective.window)
        batch = self.objective.batch(torch.from_numpy(window_BW), sample_B)
        return dataclasses.replace(batch, stream_B=torch.from_numpy(stretch_B))

    def given(self, position: int) -> np.ndarray:
        """(S,) samples that each source gave among the first `position`."""
        steps, more = divmod(position, self.n_rows)
        end_R = self._skipped_R + steps + (np.arange(self.n_rows) < more)
        done = int(end_R.min()) // self.stream_windows
        given_S = self.stream_windows * self.turns.counts(done * self.n_rows) - self._in_part(0, self._skipped_R)
        for part in range(done, int(end_R.max()) // self.stream_windows + 1):
            given_S += self._in_part(part, np.clip(end_R - part * self.stream_windows, 0, self.stream_windows))
        return given_S

    def _in_part(self, part: int, windows_R: np.ndarray) -> np.ndarray:
        """(S,) windows of each source when every row has read so many of its stretch number `part`."""
        source_R, _ = self.turns.at(part * self.n_rows + np.arange(self.n_rows))
        return np.bincount(source_R, windows_R, len(self.rows)).astype(np.int64)

    def ledger(self, position: int) -> Ledger:
        """Where the tokens of each source went when training has consumed `position` samples."""
        parts = {}
        for row, cuts, given in zip(self.rows, self.cuts, self.given(position).tolist(), strict=True):
            trained, left = given * self.objective.stride, cuts.left(given // self.stream_windows)
            parts[row.source] = Ledger(trained + left, trained, {"end of an epoch, shorter than a stretch": left})
        return joined(parts)
