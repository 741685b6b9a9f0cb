"""Ways of dropping that suit recurrence: the same activations all along a row, whole words, weights.

All draw from torch's global generator, as torch's own dropout does, and are the identity outside training. Sources:
Gal and Ghahramani 2016 (arXiv 1512.05287), Merity, Keskar and Socher 2017 (AWD-LSTM, arXiv 1708.02182).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class LockedDropout(nn.Module):
    """Drop the same channels of a row at every position, on (T, B, D)."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x_TBD: Tensor) -> Tensor:
        if not self.training:
            return x_TBD
        return x_TBD * F.dropout(x_TBD.new_ones(x_TBD.shape[1:]), self.share)


class WordDropout(nn.Module):
    """Drop the embedding of a word wherever it stands in the batch; the others grow in proportion."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x_TBD: Tensor, tokens_TB: Tensor, vocabulary_size: int) -> Tensor:
        if not self.training:
            return x_TBD
        kept_V = F.dropout(x_TBD.new_ones(vocabulary_size), self.share)
        return x_TBD * kept_V[tokens_TB][..., None]


class KeptWords(nn.Module):
    """No word is dropped."""

    def forward(self, x_TBD: Tensor, tokens_TB: Tensor, vocabulary_size: int) -> Tensor:
        return x_TBD


class WeightDropout(nn.Module):
    """Drop single weights of a matrix (DropConnect, Wan et al. 2013), the same all along the window."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, weight: Tensor) -> Tensor:
        return F.dropout(weight, self.share, self.training)


def build_locked_dropout(share: float, free_share: float) -> nn.Module:
    """Dropout that is locked along a row, dropout that is drawn anew for each token, or none."""
    if share:
        return LockedDropout(share)
    return nn.Dropout(free_share) if free_share else nn.Identity()
