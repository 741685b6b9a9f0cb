"""A split in memory and tiny models with the contract's face, for the tests of this room."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass
class MemorySplit:
    """What `score` and `floors` ask of token shards, held in an array."""

    all_ids: np.ndarray
    document_starts: np.ndarray
    n_bytes: int
    end_id: int = 10
    sources: tuple = ()
    split: str = "validation"

    @property
    def n_tokens(self):
        return len(self.all_ids)

    def ids(self, start, stop):
        assert 0 <= start <= stop <= self.n_tokens
        return self.all_ids[start:stop]

    def rows(self, starts_B, width, out_BW):
        out_BW[:] = self.all_ids[(starts_B[:, None] + np.arange(width)) % self.n_tokens]


class TableModel(nn.Module):
    """A bigram table as a language model: its nats are known without running it."""

    reads = "left"

    def __init__(self, logits_VV, context_length):
        super().__init__()
        self.logits_VV = nn.Parameter(torch.as_tensor(logits_VV, dtype=torch.float32))
        self.vocabulary_size, self.context_length = len(logits_VV), context_length
        self.dropout = nn.Dropout(0.5)

    def forward(self, tokens_BT, cache=None, document_BT=None):
        assert tokens_BT.shape[1] <= self.context_length
        return self.dropout(self.logits_VV[tokens_BT]), cache

    def head(self, hidden):
        return hidden
