"""Causal: each token is predicted from those before it.

On a window of T + 1 tokens (`|` is the end token, capital letters are documents' first tokens):

    window      a  b  |  C  d
    tokens      a  b  |  C           every token predicts its successor
    targets        b  |  C  d
    document    0  0  1  1           as input, the end token already belongs to the document it opens

So a document's first token is predicted from the end token: with open boundaries from all that stands before it in
the window, too; with masked ones from the end token alone, exactly as when text is generated from nothing. Every
token of the corpus is thus a target, none is dropped, and no document's score depends on its neighbour.
"""

import numpy as np
import torch
from torch import Tensor

from idiolect.config import Config
from idiolect.data.batch import Batch


def causal(window_BW: Tensor, end_id: int, boundaries: str, loss_mask_BT: Tensor | None = None) -> Batch:
    """Next-token prediction on windows of W = T + 1 tokens (int64); without a mask every target counts."""
    tokens_BT, targets_BT = window_BW[:, :-1], window_BW[:, 1:]
    if loss_mask_BT is None:
        loss_mask_BT = torch.ones(tokens_BT.shape, dtype=torch.bool)
    document_BT = (tokens_BT == end_id).cumsum(1) if boundaries == "masked" else None
    return Batch(tokens_BT, targets_BT, loss_mask_BT, document_BT)


class Causal:
    """Windows of T + 1 tokens, T of them new."""

    scored_share = 1.0

    def __init__(self, config: Config, *, context_length: int, end_id: int, boundaries: str, **_unused):
        self.window, self.stride = context_length + 1, context_length
        self.end_id, self.boundaries = end_id, boundaries

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        return causal(window_BW, self.end_id, self.boundaries)
