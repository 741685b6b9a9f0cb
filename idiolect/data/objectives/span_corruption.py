"""Span corruption (T5, arXiv 1910.10683, section 3.1.4): cut spans out of the text, and write them down in order.

On a window of 10 tokens, with spans of 2 and 1 (<0>, <1>, ... are sentinels, ids of their own after the tokenizer's):

    window     a  b  c  d  e  f  g  h  i  j
    cut              c  d                 j
    source     a  b  <0>   e  f  g  h  i  <1>
    target     <0>  c  d  <1>  j  <2>  |          the closing sentinel, then the end token

A window has always the same number of cut tokens and of spans, so all rows have the same lengths (`span_counts`). How
the cut and the kept tokens are divided into segments is drawn uniformly among all ways (the released code's
`random_spans_noise_mask`), kept and cut in turn, the kept first: as there, a window always ends with a span, which
teaches to go on; and in a window so short that it has one span only, that is the only place it has.

With masked boundaries a span is cut short where its document ends, so that no span holds parts of two; its remainder
stays in the source. The closing sentinel and the end token count to the last span's document.
"""

import numpy as np
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.data.config import SpanCorruptionObjective, span_counts
from idiolect.data.objectives.pairs import Pairs, batch_of, documents_of
from idiolect.data.order import uniform
from idiolect.errors import RecipeError


class SpanCorruption:
    """Windows of `context_length` tokens, all of them new, none in two spans and none left out."""

    def __init__(
        self, config: SpanCorruptionObjective, *, context_length: int, vocabulary_size: int, end_id: int,
        boundaries: str, seed: int, **_unused,
    ):  # fmt: skip
        check_window(context_length)
        self.window = self.stride = context_length
        self.first_sentinel, self.end_id, self.boundaries, self.seed = vocabulary_size, end_id, boundaries, seed
        self.spans = Spans(context_length, config.share, config.mean_span, config.lengths == "random")
        # A span that is cut short leaves its remainder in the source.
        self.source_length = context_length if boundaries == "masked" else self.spans.source_length
        self.target_length = self.spans.target_length

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        chance_BX = uniform(self.seed, sample_B, self.spans.n_chances)
        pairs = self.spans.corrupt(window_BW.numpy(), chance_BX, self.first_sentinel, self.end_id, self.boundaries)
        return batch_of(pairs, self.end_id, self.boundaries)


class Spans:
    """Where spans are cut out of windows of one length, and what becomes of the two parts."""

    def __init__(self, n_tokens: int, share: float, mean_span: float, random_lengths: bool):
        self.n_tokens, self.random_lengths = n_tokens, random_lengths
        self.n_cut, self.n_spans = span_counts(n_tokens, share, mean_span)
        self.n_kept = n_tokens - self.n_cut
        # A number for every place where a segment of cut tokens, or of kept ones, may end before the last.
        self.n_chances = (self.n_cut - 1) + (self.n_kept - 1)
        self.source_length = self.n_kept + self.n_spans
        self.target_length = self.n_cut + self.n_spans + 2

    def cuts(self, chance_BX: np.ndarray) -> np.ndarray:
        """Which tokens are cut out, as the number of their span, counted from 0; -1 = kept; (B, W) int64."""
        cut_Bn = self._cut_lengths(chance_BX[:, : self.n_cut - 1])
        kept_Bn = segments(chance_BX[:, self.n_cut - 1 : self.n_chances], self.n_kept, self.n_spans)
        lengths_BX = np.stack((kept_Bn, cut_Bn), axis=2).reshape(len(cut_Bn), -1)
        # Each segment's first place is marked; counting the marks numbers the segments, kept and cut in turn.
        marks_BW = np.zeros((len(cut_Bn), self.n_tokens), np.int64)
        np.put_along_axis(marks_BW, lengths_BX.cumsum(1)[:, :-1], 1, axis=1)
        number_BW = marks_BW.cumsum(1)
        return np.where(number_BW % 2 == 1, number_BW // 2, -1)

    def _cut_lengths(self, chance_BX: np.ndarray) -> np.ndarray:
        if self.random_lengths:
            return segments(chance_BX, self.n_cut, self.n_spans)
        # As equal as can be: the first ones hold the tokens that don't divide.
        each, more = divmod(self.n_cut, self.n_spans)
        lengths_n = each + (np.arange(self.n_spans) < more)
        return np.broadcast_to(lengths_n, (len(chance_BX), self.n_spans))

    def corrupt(
        self, window_BW: np.ndarray, chance_BX: np.ndarray, first_sentinel: int, end_id: int, boundaries: str
    ) -> Pairs:
        """Sources and targets of windows; their random numbers, in [0, 1), are given."""
        span_BW, document_BW = self.cuts(chance_BX), documents_of(window_BW, end_id)
        rows_B1 = np.arange(len(window_BW))[:, None]
        is_first_BW = (span_BW >= 0) & (np.roll(span_BW, 1, axis=1) != span_BW)
        is_first_BW[:, 0] = span_BW[:, 0] >= 0
        if boundaries == "masked":
            first_BW = np.maximum.accumulate(np.where(is_first_BW, np.arange(self.n_tokens), 0), axis=1)
            span_BW = np.where(document_BW[rows_B1, first_BW] == document_BW, span_BW, -1)
        is_cut_BW = span_BW >= 0
        sentinel_BW = first_sentinel + span_BW

        in_source_BW = ~is_cut_BW | is_first_BW
        source_token_BW = np.where(is_first_BW, sentinel_BW, window_BW)
        # A trimmed span leaves more in the source than it would otherwise hold: at most every token of the window.
        width = self.source_length if boundaries == "open" else self.n_tokens
        source_BS = _gathered(source_token_BW, in_source_BW, width, end_id)
        source_document_BS = _gathered(document_BW, in_source_BW, width, 0)

        # Place of a cut token among the targets: the cut ones before it, and the sentinels up to its own span's.
        place_BW = is_cut_BW.cumsum(1) + span_BW
        target_BT = np.full((len(window_BW), self.target_length), end_id, np.int64)
        target_document_BT = np.zeros_like(target_BT)
        row_N, at_N = is_cut_BW.nonzero()
        target_BT[row_N, place_BW[row_N, at_N]] = window_BW[row_N, at_N]
        target_document_BT[row_N, place_BW[row_N, at_N]] = document_BW[row_N, at_N]
        row_N, at_N = is_first_BW.nonzero()
        target_BT[row_N, place_BW[row_N, at_N] - 1] = sentinel_BW[row_N, at_N]
        target_document_BT[row_N, place_BW[row_N, at_N] - 1] = document_BW[row_N, at_N]
        n_spans_B = is_first_BW.sum(1)
        closing_B = is_cut_BW.sum(1) + n_spans_B
        target_BT[rows_B1[:, 0], closing_B] = first_sentinel + n_spans_B
        last_B1 = target_document_BT[rows_B1, closing_B[:, None] - 1]
        is_after_BT = np.arange(self.target_length) >= closing_B[:, None]
        target_document_BT = np.where(is_after_BT, last_B1, target_document_BT)
        return Pairs(source_BS, in_source_BW.sum(1), target_BT, closing_B + 2, source_document_BS, target_document_BT)


def segments(chance_BX: np.ndarray, n_items: int, n_segments: int) -> np.ndarray:
    """Lengths (B, n) of a division of `n_items` into segments of one or more, every such division equally likely.

    `chance_BX` holds n_items - 1 numbers a row: the segments end where the smallest of them stand.
    """
    ends_Bn = np.sort(np.argsort(chance_BX, axis=1, kind="stable")[:, : n_segments - 1] + 1, axis=1)
    n_rows = len(chance_BX)
    edges = (np.zeros((n_rows, 1), np.int64), ends_Bn, np.full((n_rows, 1), n_items))
    return np.diff(np.concatenate(edges, axis=1), axis=1)


def check_window(context_length: int) -> None:
    """Raises RecipeError when a window can't be parted into a source and something to be written from it."""
    if context_length < 2:
        raise RecipeError(
            f"model.context_length = {context_length} leaves nothing to be a source",
            why="a window is parted into a source and what is to be predicted from it, a token each at the least",
            fix="--model.context_length=64",
        )


def _gathered(values_BW: np.ndarray, chosen_BW: np.ndarray, width: int, fill: int) -> np.ndarray:
    """The chosen values of each row moved to its left, (B, width)."""
    found = np.full((len(values_BW), width), fill, np.int64)
    row_N, at_N = chosen_BW.nonzero()
    found[row_N, (chosen_BW.cumsum(1) - 1)[row_N, at_N]] = values_BW[row_N, at_N]
    return found
