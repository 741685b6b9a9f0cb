"""Which tokens each sample holds: fixed windows over the split's documents, packed end to end.

The row of tokens is taken as a ring: after the last document's end token comes the first document, a boundary like
any other. `Windows` is for training: each epoch cuts the ring at another random place and reads the windows in
another random order. `SequentialWindows` is for scoring: every token is a counted target exactly once.

    ring        a b | c d e | f |        T = 3
    windows     [b | c d] [d e | f] ...  W = T + 1 tokens; neighbours share one, so every token is a target once
"""

import numpy as np
import torch

from idiolect.data.batch import Batch
from idiolect.data.config import CausalObjective
from idiolect.data.cuts import Cuts
from idiolect.data.ledger import Ledger
from idiolect.data.objectives import Objective
from idiolect.data.objectives.causal import Causal, causal
from idiolect.errors import DataError
from idiolect.tokenizer.shards import Shards


class Windows:
    """Training samples from a split: which one comes when is a pure function of (seed, epoch, index).

    Raises DataError when the split is shorter than one window.
    """

    def __init__(self, shards: Shards, objective: Objective, seed: int = 0, shuffle: bool = True):
        self.shards, self.objective = shards, objective
        if shards.n_tokens < objective.window:
            raise _too_short(shards, objective.window - 1)
        self.cuts = Cuts(shards.n_tokens, objective.stride, seed, shuffle)
        self.n_samples = self.cuts.n_samples

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count) of the endless sequence of epochs."""
        # torch owns the memory, so that pinning or moving it needs no copy of numpy's.
        window_BW = torch.empty(count, self.objective.window, dtype=torch.int64)
        self.shards.rows(self.cuts.starts(first, count), self.objective.window, window_BW.numpy())
        return self.objective.batch(window_BW, np.arange(first, first + count))

    def ledger(self, position: int) -> Ledger:
        """Where the tokens went when training has consumed `position` samples: an epoch leaves less than a window."""
        trained, left = position * self.objective.stride, self.cuts.left(position)
        return Ledger(trained + left, trained, {"end of an epoch, shorter than a window": left})


def causal_windows(
    shards: Shards, context_length: int, seed: int = 0, shuffle: bool = True, boundaries: str = "open"
) -> Windows:
    """Windows for next-token prediction."""
    objective = Causal(CausalObjective(), context_length=context_length, end_id=shards.end_id, boundaries=boundaries)
    return Windows(shards, objective, seed, shuffle)


class SequentialWindows:
    """Scoring samples: in order, every token of the split a counted target exactly once, the first one included.

    The split's first token is predicted from an end token, like any document's. With `stride` below the context
    length, windows overlap and only the last `stride` targets of each count: slower, with more context for each.
    """

    def __init__(self, shards: Shards, context_length: int, boundaries: str = "open", stride: int | None = None):
        self.shards, self.context_length, self.boundaries = shards, context_length, boundaries
        self.stride = context_length if stride is None else stride
        assert 0 < self.stride <= context_length, (self.stride, context_length)
        if not shards.n_tokens:
            raise DataError(
                f"the {shards.split} split has no tokens",
                why="there is nothing to score",
                fix="--corpus.validation_fraction and --corpus.test_fraction decide the splits; or add documents",
            )
        self.n_samples = 1 + max(0, -(-(shards.n_tokens - context_length) // self.stride))

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count); beyond the split's last token rows are padded and don't count."""
        T, n_tokens = self.context_length, self.shards.n_tokens
        assert 0 <= first and first + count <= self.n_samples, (first, count, self.n_samples)
        target_B = np.arange(first, first + count) * self.stride  # place of each row's first target
        window_BW = torch.empty(count, T + 1, dtype=torch.int64)
        # On the ring, the token before the first is the last document's end token: what opens a document.
        self.shards.rows(target_B - 1, T + 1, window_BW.numpy())
        target_BT = torch.from_numpy(target_B)[:, None] + torch.arange(T)
        window_BW[:, 1:][target_BT >= n_tokens] = self.shards.end_id
        fresh_B = torch.from_numpy(np.where(target_B == 0, 0, target_B + T - self.stride))
        loss_mask_BT = (target_BT >= fresh_B[:, None]) & (target_BT < n_tokens)
        return causal(window_BW, self.shards.end_id, self.boundaries, loss_mask_BT)


def _too_short(shards: Shards, context_length: int) -> DataError:
    n = shards.n_tokens
    fits = 1 << (n // 4).bit_length() if n >= 8 else 0
    return DataError(
        f"the {shards.split} split has {n:,} tokens, fewer than one window of {context_length + 1:,}",
        why=f"a window holds context_length = {context_length:,} tokens and the one that follows",
        fix=(f"--model.context_length={fits}, or " if fits else "") + "add text (a few hundred windows at the least)",
    )
