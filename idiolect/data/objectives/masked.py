"""Masked: some tokens are hidden and predicted from all that is left on both sides (BERT, arXiv 1810.04805).

On a window of T tokens (`|` is the end token, which is never hidden; `_` the mask; x a random token):

    window      a  b  c  |  d  e  f  g
    tokens      a  _  c  |  d  e  x  g        of those predicted, 80 % masked, 10 % random, 10 % left as they are
    targets     a  b  c  |  d  e  f  g
    counted        *           *  *

Masks are dynamic (RoBERTa, arXiv 1907.11692): drawn anew whenever a text comes by, from (seed, sample) alone. In each
row the expected number predicted is exactly `share` of what may be, and at least one is, or its words are cut short.
"""

import numpy as np
import torch
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.data.config import MaskedObjective
from idiolect.data.order import uniform
from idiolect.tokenizer.word_starts import WordStarts


class EachToken:
    """Every token is a unit by itself."""

    def of(self, ids_BT: np.ndarray) -> np.ndarray:
        return np.ones(ids_BT.shape, bool)


class Masked:
    """Windows of T tokens, all of them new; the mask's id is the one after the tokenizer's last."""

    def __init__(
        self, config: MaskedObjective, *, context_length: int, vocabulary_size: int, end_id: int, boundaries: str,
        seed: int, tokenizer=None, **_unused,
    ):  # fmt: skip
        self.window = self.stride = context_length
        self.config, self.end_id, self.boundaries, self.seed = config, end_id, boundaries, seed
        self.mask_id, self.scored_share = vocabulary_size, config.share
        self.starts = WordStarts(tokenizer) if config.whole_words else EachToken()
        # Random tokens are of those that are text; without a tokenizer all but the end token are.
        is_text_V = np.arange(vocabulary_size) != end_id if tokenizer is None else tokenizer.bytes_per_token > 0
        self.text_ids = np.flatnonzero(is_text_V)

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        """Hide tokens of each window (int64); sample_B decides which."""
        ids_BT = window_BW.numpy()
        T = ids_BT.shape[1]
        chance_BX = uniform(self.seed, sample_B, 3 * T + 1)
        order_BT, fate_BT, which_BT = (chance_BX[:, i * T : (i + 1) * T] for i in range(3))
        chosen_BT = choose_units(
            self.starts.of(ids_BT), ids_BT != self.end_id, self.config.share, order_BT, chance_BX[:, -1]
        )
        mask_share, random_share = self.config.mask_share, self.config.random_share
        hidden_BT = np.where(chosen_BT & (fate_BT < mask_share), self.mask_id, ids_BT)
        random_BT = self.text_ids[(which_BT * len(self.text_ids)).astype(np.int64)]
        replaced_BT = chosen_BT & (fate_BT >= mask_share) & (fate_BT < mask_share + random_share)
        tokens_BT = torch.from_numpy(np.where(replaced_BT, random_BT, hidden_BT))
        # The end token belongs to the document that it opens, as for left readers.
        document_BT = (window_BW == self.end_id).cumsum(1) if self.boundaries == "masked" else None
        return Batch(tokens_BT, window_BW, torch.from_numpy(chosen_BT), document_BT)


def choose_units(
    begins_BT: np.ndarray, allowed_BT: np.ndarray, share: float, order_BT: np.ndarray, last_B: np.ndarray
) -> np.ndarray:
    """(B, T) bool: units of allowed tokens, in the random order of their first tokens, until their share is reached.

    The unit that would pass the share is taken with the chance that makes the expected number exact; the first is
    always taken. A unit longer than the whole share is cut into pieces of that size.
    """
    T = begins_BT.shape[1]
    place_T = np.arange(T)
    begins_BT = begins_BT | ~allowed_BT
    begins_BT[:, 1:] |= ~allowed_BT[:, :-1]
    first_BT = np.maximum.accumulate(np.where(begins_BT, place_T, 0), axis=1)
    longest = max(1, int(share * T))
    first_BT = place_T - (place_T - first_BT) % longest
    key_BT = np.where(allowed_BT, np.take_along_axis(order_BT, first_BT, axis=1), 2.0)
    sorted_BT = np.argsort(key_BT, axis=1, kind="stable")
    ranked_BT = np.take_along_axis(key_BT, sorted_BT, axis=1)
    # In this order a unit's tokens stand together: how many stand before it, and how many with it?
    new_BT = np.ones(begins_BT.shape, bool)
    new_BT[:, 1:] = ranked_BT[:, 1:] != ranked_BT[:, :-1]
    before_BT = np.maximum.accumulate(np.where(new_BT, place_T, 0), axis=1)
    last_BT = np.zeros(new_BT.shape, bool)
    last_BT[:, :-1], last_BT[:, -1] = new_BT[:, 1:], True
    after_BT = np.minimum.accumulate(np.where(last_BT, place_T + 1, T)[:, ::-1], axis=1)[:, ::-1]
    wanted_B1 = share * allowed_BT.sum(1, keepdims=True)
    taken_BT = (wanted_B1 - before_BT) / (after_BT - before_BT) > last_B[:, None]
    taken_BT = (taken_BT | (before_BT == 0)) & (ranked_BT < 2.0)
    chosen_BT = np.zeros(taken_BT.shape, bool)
    np.put_along_axis(chosen_BT, sorted_BT, taken_BT, axis=1)
    return chosen_BT
