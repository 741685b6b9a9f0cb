"""What every family owes the rooms to its right: the loss, decoding, fine-tuning and export know no more than this.

    hidden_BTD, cache = model(tokens_BT, cache=None, document_BT=None)
    logits            = model.head(hidden)             # any leading shape
    cache             = model.new_cache(n_rows)        # empty; what the model carries between tokens

A model that reads a source is given it in one of two places: with the tokens (`source_BS`, `source_mask_BS`), where all
targets are known, or when the cache is made, which then holds the source as the encoder left it:

    hidden_BTD, _     = model(tokens_BT, source_BS=..., source_mask_BS=...)
    cache             = model.new_cache(n_rows, source_BS=..., source_mask_BS=...)

Trunk and head are apart so that the loss can be fused with the head and never holds all logits at once.
"""

import itertools
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Reads = Literal["left", "both", "source"]


@runtime_checkable
class Cache(Protocol):
    """What a model carries between tokens: keys and values, a recurrent state, a convolution's history.

    `lengths()` is how many tokens each row holds. Rows may differ in length: prefill them padded on the right, take
    each row's hidden state at its own last token, then `set_lengths` to the true ones, once. Of what
    was read before, a cache of bounded size has let go: no more than the last read can be taken back.
    """

    n_rows: int

    def lengths(self) -> Tensor:
        """Tokens held by each row, as int64 (B,)."""

    def set_lengths(self, lengths_B: Tensor) -> None:
        """Forget every row's tokens beyond its new length."""

    def select(self, rows_B: Tensor) -> "Cache":
        """A cache of these rows, in this order, repeats allowed: for beams, several samples, finished rows."""

    def reorder(self, rows_B: Tensor) -> None:
        """`select` in place, keeping the number of rows: for beam search."""


@runtime_checkable
class Model(Protocol):
    """A language model. `reads`: "left" (GPT, LSTM), "both" (BERT) or "source" (encoder-decoder).

    `unbounded`: a cache of one size holds texts of any length, so decoding never has to read a window anew.
    A model that reads both sides has no cache; its `mask_id` is the token that hides another.
    """

    reads: Reads
    unbounded: bool
    config: Any
    vocabulary_size: int
    context_length: int

    def __call__(
        self, tokens_BT: Tensor, cache: Cache | None = None, document_BT: Tensor | None = None
    ) -> tuple[Tensor, Cache | None]:
        """Hidden states (B, T, D), ready for the head; D, `head_weight`'s width, may be more than the model's own.

        With a cache, the tokens continue what it holds, and it is updated in place and returned. `document_BT` numbers
        the documents of a packed window: nothing is read across a change of number.
        """

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D)."""

    @property
    def head_weight(self) -> Tensor:
        """The head's matrix (V, D), for a loss fused with the head."""

    @property
    def logit_softcap(self) -> float:
        """The bound the head applies to logits after the matrix, by tanh; 0 = none."""

    def new_cache(self, n_rows: int, capacity: int = 0) -> Cache:
        """An empty cache for `n_rows` rows of up to `capacity` tokens (0 = context_length)."""


def place_of(model: nn.Module) -> torch.device:
    """The device a model is on; a model that counts has buffers only."""
    return next(itertools.chain(model.parameters(), model.buffers())).device
