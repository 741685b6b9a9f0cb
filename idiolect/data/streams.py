"""Training samples for models that carry their state on: rows that read the text, window after window.

    ring      |----- row 0 -----|----- row 1 -----|----- row 2 -----| rest
    samples    0     3     6     1     4     7     2     5     8              3 rows of 3 windows

A batch of as many samples as there are rows goes on where the one before it stopped, in every row. Each epoch cuts the
ring at another place, and its rows are new streams.

A model that only ever reads on knows no beginnings. An LSTM on WikiText-2 (2 x 256, 60 updates of 16 rows) scored 7.2
nats a word from the states it had been left with and 9.1 from nothing, for good: a cell that is never emptied settles
where training took it. So a row's stream can begin anew every so many windows, the rows in turn.
"""

import dataclasses

import numpy as np
import torch

from idiolect.data.batch import Batch
from idiolect.data.ledger import Ledger
from idiolect.data.objectives import Objective
from idiolect.data.order import random_number
from idiolect.errors import DataError
from idiolect.tokenizer.shards import Shards


class Streams:
    """`rows` contiguous streams of a split: which tokens a sample holds is a pure function of (seed, index).

    `Batch.stream_B` numbers the streams; stream s is row s % rows. Each is at most `stream_windows` windows long (0: an
    epoch), though the text of a row goes on. `shuffle` cuts the ring at a random place each epoch, else at the split's
    beginning. Raises DataError when a row would be shorter than one window.
    """

    def __init__(
        self,
        shards: Shards,
        objective: Objective,
        rows: int,
        seed: int = 0,
        shuffle: bool = True,
        stream_windows: int = 0,
    ):
        self.shards, self.objective, self.rows, self.stream_windows = shards, objective, rows, stream_windows
        self.seed, self.shuffle = seed, shuffle
        self.row_tokens = shards.n_tokens // rows
        windows = self.row_tokens // objective.stride
        if not windows or shards.n_tokens < objective.window:
            raise _too_short(shards, objective.stride, rows)
        self.n_samples = windows * rows

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count) of the endless sequence of epochs."""
        sample_B = np.arange(first, first + count)
        epoch_B, index_B = np.divmod(sample_B, self.n_samples)
        window_B, row_B = np.divmod(index_B, self.rows)
        starts_B = self._phases(epoch_B) + row_B * self.row_tokens + window_B * self.objective.stride
        window_BW = torch.empty(count, self.objective.window, dtype=torch.int64)
        self.shards.rows(starts_B, self.objective.window, window_BW.numpy())
        batch = self.objective.batch(window_BW, sample_B)
        part_B, n_parts = self._parts(window_B, row_B)
        stream_B = (epoch_B * n_parts + part_B) * self.rows + row_B
        return dataclasses.replace(batch, stream_B=torch.from_numpy(stream_B))

    def _parts(self, window_B: np.ndarray, row_B: np.ndarray) -> tuple[np.ndarray, int]:
        """Which stream of its row each window belongs to, from 0, and how many a row has in an epoch at most."""
        length = self.stream_windows
        if not length:
            return np.zeros_like(window_B), 1
        # In turn: a step in which every row began anew would learn from beginnings only.
        return (window_B + row_B * length // self.rows) // length, 2 + self.n_samples // self.rows // length

    def _phases(self, epoch_B: np.ndarray) -> np.ndarray:
        if not self.shuffle:
            return np.zeros_like(epoch_B)
        # A batch lies in one epoch or two, so this is one number or two.
        epochs, place_B = np.unique(epoch_B, return_inverse=True)
        return np.array([random_number(self.seed, epoch, self.shards.n_tokens) for epoch in epochs.tolist()])[place_B]

    def ledger(self, position: int) -> Ledger:
        """Where the tokens went when training has consumed `position` samples: a row leaves less than a window."""
        trained = position * self.objective.stride
        left = (position // self.n_samples) * (self.shards.n_tokens - self.n_samples * self.objective.stride)
        return Ledger(trained + left, trained, {"end of a row, shorter than a window": left})


def _too_short(shards: Shards, stride: int, rows: int) -> DataError:
    return DataError(
        f"the {shards.split} split has {shards.n_tokens:,} tokens, too few for {rows:,} rows of {stride:,}",
        why="a model that carries its state reads train.batch_tokens / model.context_length rows side by side",
        fix=f"--train.batch_tokens={max(1, shards.n_tokens // stride // 4) * stride}, --train.carry_state=false, "
        "or add text",
    )
