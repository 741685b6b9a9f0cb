"""The key/value cache: preallocated, written in place, one row a sequence.

Rows of equal length take the fast path (slices, no mask for one token). After `set_lengths` with different lengths a
row's tokens are written at its own position; that costs an indexed write and a mask, and nothing else changes.
"""

import torch
from torch import Tensor

from idiolect.errors import RecipeError


class KeyValueCache:
    """Keys and values of every layer and the token ids themselves (hashed n-grams look back on those).

    `length` is the common length of all rows; `lengths_B` is set instead once rows differ.
    """

    def __init__(self, n_layers: int, n_rows: int, n_kv_heads: int, capacity: int, d_head: int, like: Tensor):
        shape = (n_layers, n_rows, n_kv_heads, capacity, d_head)
        # Zeros, not empty: a masked NaN left in memory times an attention of 0 is still NaN. Pages come when touched.
        self.keys_LBGSK = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values_LBGSK = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.tokens_BS = torch.zeros(n_rows, capacity, dtype=torch.int64, device=like.device)
        self.n_rows, self.capacity = n_rows, capacity
        self.length = 0
        self.lengths_B: Tensor | None = None

    def lengths(self) -> Tensor:
        if self.lengths_B is not None:
            return self.lengths_B
        return torch.full((self.n_rows,), self.length, device=self.tokens_BS.device)

    def set_lengths(self, lengths_B: Tensor) -> None:
        longest = int(lengths_B.max())
        assert 0 <= int(lengths_B.min()) and longest <= self.length, (lengths_B, self.length)
        self.length = longest
        equal = bool((lengths_B == longest).all())
        self.lengths_B = None if equal else lengths_B.to(self.tokens_BS.device, torch.int64)

    def start(self, tokens_BT: Tensor) -> Tensor:
        """Note the new tokens; positions_BT of them (1, T) when rows are equal. Raises RecipeError when full."""
        n_new = tokens_BT.shape[1]
        if self.length + n_new > self.capacity:
            raise RecipeError(
                f"{self.length} tokens and {n_new} more don't fit in a cache of {self.capacity}",
                why="the cache is allocated once, for the most positions the model is to read",
                fix="generate fewer tokens, shorten the prompt, or raise model.context_length before training",
            )
        steps_T = torch.arange(n_new, device=tokens_BT.device)
        positions_BT = self.length + steps_T[None] if self.lengths_B is None else self.lengths_B[:, None] + steps_T
        self._write(self.tokens_BS[..., None], tokens_BT[..., None], positions_BT)
        return positions_BT

    def extend(self, layer: int, k_BGTK: Tensor, v_BGTK: Tensor, positions_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Write this layer's new keys and values; return all that are held, (B, G, S, K)."""
        end = self.length + k_BGTK.shape[2]
        for held, new in ((self.keys_LBGSK[layer], k_BGTK), (self.values_LBGSK[layer], v_BGTK)):
            self._write(held.transpose(1, 2), new.transpose(1, 2), positions_BT)
        return self.keys_LBGSK[layer, :, :, :end], self.values_LBGSK[layer, :, :, :end]

    def finish(self, n_new: int) -> None:
        """The forward pass is over: every row holds `n_new` tokens more."""
        self.length += n_new
        if self.lengths_B is not None:
            self.lengths_B = self.lengths_B + n_new

    def select(self, rows_B: Tensor) -> "KeyValueCache":
        chosen = object.__new__(KeyValueCache)
        chosen.keys_LBGSK, chosen.values_LBGSK = self.keys_LBGSK[:, rows_B], self.values_LBGSK[:, rows_B]
        chosen.tokens_BS = self.tokens_BS[rows_B]
        chosen.n_rows, chosen.capacity, chosen.length = len(rows_B), self.capacity, self.length
        chosen.lengths_B = None
        if self.lengths_B is not None and len(rows_B):
            chosen.set_lengths(self.lengths_B[rows_B])
        return chosen

    def reorder(self, rows_B: Tensor) -> None:
        assert len(rows_B) == self.n_rows, (len(rows_B), self.n_rows)
        self.__dict__.update(self.select(rows_B).__dict__)

    def _write(self, held_BSX: Tensor, new_BTX: Tensor, positions_BT: Tensor) -> None:
        if self.lengths_B is None:
            held_BSX[:, self.length : self.length + new_BTX.shape[1]] = new_BTX
        else:
            held_BSX[torch.arange(self.n_rows, device=held_BSX.device)[:, None], positions_BT] = new_BTX
