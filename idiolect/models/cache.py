"""The key/value cache: preallocated, written in place, one row a sequence.

Rows of equal length take the fast path (slices, no mask for one token). After `set_lengths` with different lengths a
row's tokens are written at its own position; that costs an indexed write and a mask, and nothing else changes. A layer
that sees a window keeps no more than the window (cache_layers.py); only what was read last can then be forgotten.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from idiolect.errors import RecipeError
from idiolect.models.cache_layers import AllPositions, LastPositions, ring_positions
from idiolect.models.masks import Reach, build_reach, within


class KeyValueCache:
    """Keys and values of every layer and the token ids themselves (hashed n-grams look back on those).

    `windows`: how many tokens each layer sees, 0 = all. `length` is the longest row's, and `shortest` the shortest's;
    `lengths_B` is None while they are equal.
    """

    def __init__(self, windows: Sequence[int], n_rows: int, n_kv_heads: int, capacity: int, d_head: int, like: Tensor):
        shape_BGSK = (n_rows, n_kv_heads, capacity, d_head)
        self.layers = [
            LastPositions(shape_BGSK, window, like) if 0 < window < capacity else AllPositions(shape_BGSK, like)
            for window in windows
        ]
        self.tokens_BS = torch.zeros(n_rows, capacity, dtype=torch.int64, device=like.device)
        self.n_rows, self.capacity = n_rows, capacity
        self.length = self.shortest = 0
        self.lengths_B: Tensor | None = None
        self._before_B = self.lengths()

    def lengths(self) -> Tensor:
        if self.lengths_B is not None:
            return self.lengths_B
        return torch.full((self.n_rows,), self.length, device=self.tokens_BS.device)

    def set_lengths(self, lengths_B: Tensor) -> None:
        lengths_B = lengths_B.to(self.tokens_BS.device, torch.int64)
        assert bool((lengths_B <= self.lengths()).all()), (lengths_B, self.lengths())
        assert bool((lengths_B >= self._least()).all()), (lengths_B, self._least())
        self._note(lengths_B)
        self._settle()

    def start(self, tokens_BT: Tensor) -> Tensor:
        """Note the new tokens; positions_BT of them (1, T) when rows are equal. Raises RecipeError when full."""
        n_new = tokens_BT.shape[1]
        if self.length + n_new > self.capacity:
            raise RecipeError(
                f"{self.length} tokens and {n_new} more don't fit in a cache of {self.capacity}",
                why="the cache is allocated once, for the most positions the model is to read",
                fix="generate fewer tokens, shorten the prompt, or raise model.context_length before training",
            )
        self._settle()
        steps_T = torch.arange(n_new, device=tokens_BT.device)
        if self.lengths_B is None:
            self.tokens_BS[:, self.length : self.length + n_new] = tokens_BT
            return self.length + steps_T[None]
        positions_BT = self.lengths_B[:, None] + steps_T
        self.tokens_BS.scatter_(1, positions_BT, tokens_BT.to(self.tokens_BS))
        return positions_BT

    def reach(self, window: int, positions_BT: Tensor) -> Reach:
        """Which of the positions that a layer of this window is given by `extend` the new ones may see."""
        n_new, ragged = positions_BT.shape[1], self.lengths_B is not None
        if not 0 < window < self.capacity or self.length == 0:
            return build_reach(window, positions_BT, self.length + n_new, ragged, None)
        if n_new > 1:
            held_BS = ring_positions(self.lengths() if ragged else self.lengths()[:1], window)[:, : self.length]
            return within(window, positions_BT, torch.cat((held_BS, positions_BT), dim=1))
        n_held = min(self.length + 1, window)
        if self.shortest + 1 >= n_held:
            return Reach(None, False)
        slots_S = torch.arange(n_held, device=positions_BT.device)
        return Reach((slots_S <= positions_BT[..., None])[:, None], False)

    def extend(self, layer: int, k_BGTK: Tensor, v_BGTK: Tensor, positions_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Add this layer's new keys and values; all that it may look at, (B, G, S, K)."""
        return self.layers[layer].extend(k_BGTK, v_BGTK, positions_BT, self.length, self.lengths_B is not None)

    def finish(self, n_new: int) -> None:
        """The forward pass is over: every row holds `n_new` tokens more."""
        self.length, self.shortest = self.length + n_new, self.shortest + n_new
        if self.lengths_B is not None:
            self.lengths_B = self.lengths_B + n_new

    def select(self, rows_B: Tensor) -> "KeyValueCache":
        chosen = object.__new__(KeyValueCache)
        chosen.layers = [layer.select(rows_B) for layer in self.layers]
        chosen.tokens_BS, chosen._before_B = self.tokens_BS[rows_B], self._before_B[rows_B]
        chosen.n_rows, chosen.capacity = len(rows_B), self.capacity
        chosen.length, chosen.shortest, chosen.lengths_B = self.length, self.shortest, None
        if self.lengths_B is not None and len(rows_B):
            chosen._note(self.lengths_B[rows_B])
        return chosen

    def reorder(self, rows_B: Tensor) -> None:
        assert len(rows_B) == self.n_rows, (len(rows_B), self.n_rows)
        self.__dict__.update(self.select(rows_B).__dict__)

    def _note(self, lengths_B: Tensor) -> None:
        self.shortest, self.length = int(lengths_B.min()), int(lengths_B.max())
        self.lengths_B = None if self.shortest == self.length else lengths_B

    def _least(self) -> Tensor:
        """The lengths that rows can be cut to at the least."""
        forgets = any(isinstance(layer, LastPositions) for layer in self.layers)
        return self._before_B if forgets else torch.zeros_like(self._before_B)

    def _settle(self) -> None:
        """What was read last stays: its lengths are known."""
        lengths_B = self.lengths()
        for layer in self.layers:
            layer.settle(self._before_B, lengths_B)
        self._before_B = lengths_B
