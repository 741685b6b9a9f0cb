"""Fill in the middle: some documents are read with their middle last, so that a left reader learns to fill gaps.

A document, or the piece of one that a window holds, is cut at two random places, and written (arXiv 2207.14255,
section 3 and appendix D) with <P> <S> <M>, the three ids after the tokenizer's, and `|` the end token:

    as it stands            before  middle  after  |
    prefix first (PSM)      <P> before <S> after <M> middle  |
    suffix first (SPM)      <P> <S> after <M> before  middle  |

A rearranged piece always ends with the end token, since it tells where the gap's filling ends: its own, or one that is
put there where the window cuts the document.

The row of T + 1 tokens begins with the window's first one, which is only read; the W - 1 others, W - 1 new ones a
window, each stand in the row once and are each a counted target once. What a row takes beyond them, three ids for each
rearranged piece and one added end token, is kept free: W = T - 3 R, where R, the most pieces that are rearranged in a
window, is one for 64 positions. If chance chooses more, the R with the smallest numbers are taken; places left over
are padding at the end. Cuts are random, so <P>, <S>, <M> are no counted targets: there is nothing to learn from where
they stand, and a plain text's score must not pay for them.
"""

import numpy as np
import torch
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.data.config import FillInTheMiddleObjective
from idiolect.data.order import uniform
from idiolect.errors import RecipeError

POSITIONS_A_PIECE = 64
LEAST_CONTEXT = 8
LEAST_PIECE = 2  # tokens; of a shorter piece nothing would be left around the middle


class FillInTheMiddle:
    """Windows of context_length - 3 R tokens, all but the first of them new. Raises RecipeError for a tiny context."""

    def __init__(
        self,
        config: FillInTheMiddleObjective,
        *,
        context_length: int,
        vocabulary_size: int,
        end_id: int,
        boundaries: str,
        seed: int,
        **_unused,
    ):
        if context_length < LEAST_CONTEXT:
            raise RecipeError(
                f'model.context_length = {context_length} is too short for data.objective.kind = "fill_in_the_middle"',
                why="a rearranged text takes four positions more than its tokens",
                fix=f"--model.context_length={LEAST_CONTEXT}, or --data.objective.kind=causal",
            )
        self.config, self.seed, self.end_id, self.boundaries = config, seed, end_id, boundaries
        self.context_length, self.marks = context_length, sentinels(vocabulary_size)
        self.most_pieces = max(1, context_length // POSITIONS_A_PIECE)
        self.window = context_length - 3 * self.most_pieces
        self.stride = self.window - 1
        self.scored_share = self.stride / context_length

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        """Windows with some of their pieces rearranged."""
        window_BW = window_BW.numpy()
        body_BL = window_BW[:, 1:]
        pieces = _Pieces(body_BL, self.end_id)
        draws_BPX = uniform(self.seed, sample_B, 4 * pieces.n_pieces).reshape(len(body_BL), -1, 4)
        chosen_BP = self._choose(pieces, draws_BPX[..., 0])
        start_BP = 1 + _before(pieces.size_BP + 3 * chosen_BP)
        first_BP, last_BP = _cuts(pieces.content_BP, draws_BPX[..., 1], draws_BPX[..., 2])
        swapped_BP = draws_BPX[..., 3] < self.config.suffix_first
        place_BL = pieces.of_token(start_BP) + _moved(pieces, chosen_BP, first_BP, last_BP, swapped_BP)
        row_BX = np.full((len(body_BL), self.context_length + 1), self.end_id)
        scored_BX = np.zeros(row_BX.shape, bool)
        row_BX[:, 0] = window_BW[:, 0]
        np.put_along_axis(row_BX, place_BL, body_BL, 1)
        np.put_along_axis(scored_BX, place_BL, True, 1)
        after_BP = pieces.content_BP - last_BP
        mark_BPX = np.stack(
            [
                start_BP,
                start_BP + 1 + np.where(swapped_BP, 0, first_BP),
                start_BP + 2 + np.where(swapped_BP, 0, first_BP) + after_BP,
            ],
            -1,
        )
        row_N, piece_N = chosen_BP.nonzero()
        row_BX[row_N[:, None], mark_BPX[row_N, piece_N]] = self.marks
        # Padding is made of end tokens; the one right after a cut document's rearranged piece counts.
        cut_N = ~pieces.ended_BP[row_N, piece_N]
        scored_BX[row_N[cut_N], (start_BP + 3 + pieces.content_BP)[row_N[cut_N], piece_N[cut_N]]] = True
        row_BX, scored_BX = torch.from_numpy(row_BX), torch.from_numpy(scored_BX)
        tokens_BT = row_BX[:, :-1]
        document_BT = (tokens_BT == self.end_id).cumsum(1) if self.boundaries == "masked" else None
        return Batch(tokens_BT, row_BX[:, 1:], scored_BX[:, 1:], document_BT)

    def _choose(self, pieces: "_Pieces", chance_BP: np.ndarray) -> np.ndarray:
        """Which pieces are rearranged: long enough, and among the smallest chances below the share."""
        fit_BP = (chance_BP < self.config.share) & (pieces.content_BP >= LEAST_PIECE)
        rank_BP = np.where(fit_BP, chance_BP, 2.0).argsort(1, kind="stable").argsort(1, kind="stable")
        return fit_BP & (rank_BP < self.most_pieces)


def sentinels(vocabulary_size: int) -> tuple[int, int, int]:
    """The ids of <P>, <S> and <M>: the first after the tokenizer's."""
    return vocabulary_size, vocabulary_size + 1, vocabulary_size + 2


class _Pieces:
    """The documents' pieces in rows of tokens, (B, P): where they stand, and what each holds besides its end token."""

    def __init__(self, body_BL: np.ndarray, end_id: int):
        end_BL = body_BL == end_id
        # An end token belongs to the piece it ends.
        self.number_BL = end_BL.cumsum(1) - end_BL
        self.n_pieces = int(self.number_BL.max()) + 1
        flat_N = (np.arange(len(body_BL))[:, None] * self.n_pieces + self.number_BL).ravel()
        shape = (len(body_BL), self.n_pieces)
        self.size_BP = np.bincount(flat_N, minlength=shape[0] * shape[1]).reshape(shape)
        n_ends_BP = np.bincount(flat_N, end_BL.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
        self.ended_BP = n_ends_BP > 0
        self.content_BP = self.size_BP - self.ended_BP
        self.offset_BL = np.arange(body_BL.shape[1]) - self.of_token(_before(self.size_BP))

    def of_token(self, value_BP: np.ndarray) -> np.ndarray:
        """Each token's piece's value."""
        return np.take_along_axis(value_BP, self.number_BL, 1)


def _before(size_BP: np.ndarray) -> np.ndarray:
    """The sum of what stands before each."""
    return size_BP.cumsum(1) - size_BP


def _cuts(content_BP: np.ndarray, first_BP: np.ndarray, second_BP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two different places among the content + 1, every pair equally likely, the smaller first: no middle is empty."""
    one_BP = (first_BP * (content_BP + 1)).astype(np.int64)
    other_BP = (second_BP * content_BP).astype(np.int64)
    other_BP += other_BP >= one_BP
    return np.minimum(one_BP, other_BP), np.maximum(one_BP, other_BP)


def _moved(pieces: _Pieces, chosen_BP, first_BP, last_BP, swapped_BP) -> np.ndarray:
    """How far after its piece's beginning each token comes to stand."""
    offset_BL, n_BL = pieces.offset_BL, pieces.of_token(pieces.content_BP)
    first_BL, last_BL = pieces.of_token(first_BP), pieces.of_token(last_BP)
    swapped_BL = pieces.of_token(swapped_BP)
    # The middle stands at the same place in both forms, and so does the prefix when it stands right before it.
    late_BL = 3 + n_BL - last_BL + offset_BL
    early_BL = np.where(swapped_BL | (offset_BL >= first_BL), late_BL, 1 + offset_BL)
    suffix_BL = 2 + np.where(swapped_BL, 0, first_BL) + offset_BL - last_BL
    moved_BL = np.where(offset_BL < last_BL, early_BL, suffix_BL)
    moved_BL = np.where(offset_BL == n_BL, 3 + n_BL, moved_BL)  # the piece's own end token
    return np.where(pieces.of_token(chosen_BP), moved_BL, offset_BL)
