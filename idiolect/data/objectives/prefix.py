"""Prefix-LM: read the first part of a window, predict the rest from it (arXiv 1910.10683, section 3.2.3).

To a model with an encoder the prefix is the source, of which it sees both sides; to a left reader it is tokens that
are read and don't count. On a window of 6 tokens, halved (`|` is the end token):

    window                  a  b  c  d  e  f
    encoder-decoder         source  a  b  c     input  |  d  e      target  d  e  f
    left reader             tokens  a  b  c  d  e                   targets  (b  c)  d  e  f
"""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.data.config import PrefixObjective
from idiolect.data.objectives.causal import causal
from idiolect.data.objectives.pairs import Pairs, batch_of, documents_of, empty_pairs
from idiolect.data.objectives.span_corruption import check_window
from idiolect.data.order import uniform


class Prefix:
    """Windows of `context_length` tokens, all of them new (a left reader's holds one more, shared with the next)."""

    def __init__(
        self, config: PrefixObjective, *, context_length: int, end_id: int, boundaries: str, seed: int, reads: str,
        **_unused,
    ):  # fmt: skip
        check_window(context_length)
        self.from_left = reads == "left"
        self.window, self.stride = context_length + self.from_left, context_length
        self.random, self.end_id, self.boundaries, self.seed = config.prefix == "random", end_id, boundaries, seed
        self.source_length = self.window - 1 if self.random else half(self.window)
        self.target_length = self.window - 1 if self.random else self.window - half(self.window)
        # A random prefix has 1 to window - 1 tokens, each as likely; of a row's targets those up to it don't count.
        n_prefix = self.window / 2 if self.random else half(self.window)
        self.scored_share = (self.window - n_prefix) / (self.window - 1)

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        n_prefix_B = np.full(len(sample_B), half(self.window))
        if self.random:
            n_prefix_B = 1 + (uniform(self.seed, sample_B, 1)[:, 0] * (self.window - 1)).astype(np.int64)
        if self.from_left:
            # The target at t is the window's token t + 1.
            loss_mask_BT = np.arange(1, self.window) >= n_prefix_B[:, None]
            return causal(window_BW, self.end_id, self.boundaries, torch.from_numpy(loss_mask_BT))
        pairs = split_windows(window_BW.numpy(), n_prefix_B, self.source_length, self.target_length, self.end_id)
        return batch_of(pairs, self.end_id, self.boundaries)


def half(n_tokens: int) -> int:
    """Tokens of the first half; the second has the odd one."""
    return n_tokens // 2


def split_windows(window_BW: np.ndarray, n_prefix_B: np.ndarray, n_source: int, n_target: int, end_id: int) -> Pairs:
    """Each window's first tokens as a source, the others as targets; both padded to the widths given."""
    n_rows, n_window = window_BW.shape
    document_BW = documents_of(window_BW, end_id)
    pairs = empty_pairs(n_rows, n_source, n_target, end_id)
    is_source_BS = np.arange(n_source) < n_prefix_B[:, None]
    pairs.source_BS[is_source_BS] = window_BW[:, :n_source][is_source_BS]
    pairs.source_document_BS[is_source_BS] = document_BW[:, :n_source][is_source_BS]
    at_BT = n_prefix_B[:, None] + np.arange(n_target)
    row_N, place_N = (at_BT < n_window).nonzero()
    pairs.target_BT[row_N, place_N] = window_BW[row_N, at_BT[row_N, place_N]]
    # Padding goes on in the last target's document.
    pairs.target_document_BT[:] = document_BW[np.arange(n_rows)[:, None], np.minimum(at_BT, n_window - 1)]
    return dataclasses.replace(pairs, n_source_B=n_prefix_B, n_target_B=n_window - n_prefix_B)
