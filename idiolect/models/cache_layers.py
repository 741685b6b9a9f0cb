"""What one attention layer keeps of the keys and values it has made: all of them, or the last few.

A layer that sees a window of W tokens keeps W of each in a ring: position p stands in slot p % W. A ring that is full
is all that the next token may see, in whatever order, so that one token more needs neither a mask nor a move.
"""

from typing import Self

import torch
from torch import Tensor

Held = tuple[Tensor, Tensor]  # keys and values, (B, G, S, K) each


class AllPositions:
    """Keys and values of every position, each in a place of its own."""

    def __init__(self, shape_BGSK: tuple[int, ...], like: Tensor):
        # Zeros, not empty: a masked NaN left in memory times an attention of 0 is still NaN. Pages come when touched.
        self.held: Held = (like.new_zeros(shape_BGSK), like.new_zeros(shape_BGSK))

    def extend(self, k_BGTK: Tensor, v_BGTK: Tensor, positions_BT: Tensor, first: int, ragged: bool) -> Held:
        """Write; all that is held up to the last new one. `first` is the longest row's first new position."""
        end = first + k_BGTK.shape[2]
        for held_BGSK, new_BGTK in zip(self.held, (k_BGTK, v_BGTK), strict=True):
            _write(held_BGSK, new_BGTK, positions_BT, first, ragged)
        return tuple(held_BGSK[:, :, :end] for held_BGSK in self.held)

    def settle(self, before_B: Tensor, lengths_B: Tensor) -> None:
        """Nothing waits: what stands beyond a row's length is overwritten."""

    def select(self, rows_B: Tensor) -> Self:
        return _copy(self, held=tuple(held_BGSK[rows_B] for held_BGSK in self.held))


class LastPositions:
    """Keys and values of the last `window` positions of each row.

    Several tokens read at once wait beside the ring until each row's true length is known: padding that went in at once
    would push out what its row still needs. A single token may go in, for what it pushes out is out of reach from its
    own position on.
    """

    def __init__(self, shape_BGSK: tuple[int, ...], window: int, like: Tensor):
        shape_BGWK = (*shape_BGSK[:2], window, shape_BGSK[3])
        self.held: Held = (like.new_zeros(shape_BGWK), like.new_zeros(shape_BGWK))
        self.waiting: Held | None = None
        self.window = window

    def extend(self, k_BGTK: Tensor, v_BGTK: Tensor, positions_BT: Tensor, first: int, ragged: bool) -> Held:
        """Add; what new tokens may see, in the order of `ring_positions` and after it the new ones."""
        if k_BGTK.shape[2] == 1:
            for held_BGWK, new_BGTK in zip(self.held, (k_BGTK, v_BGTK), strict=True):
                _write(held_BGWK, new_BGTK, positions_BT % self.window, first % self.window, ragged)
            return tuple(held_BGWK[:, :, : first + 1] for held_BGWK in self.held)
        # Copies: a view would keep the layer's queries in memory, too.
        self.waiting = k_BGTK.contiguous(), v_BGTK.contiguous()
        if first == 0:
            return self.waiting
        return tuple(
            torch.cat((held_BGWK[:, :, :first], new_BGTK), dim=2)
            for held_BGWK, new_BGTK in zip(self.held, self.waiting, strict=True)
        )

    def settle(self, before_B: Tensor, lengths_B: Tensor) -> None:
        """Put what waits into the ring, now that rows which held `before_B` tokens are known to hold `lengths_B`."""
        if self.waiting is None:
            return
        place_BW = ring_positions(lengths_B, self.window) - before_B[:, None]
        is_new_BGWK = (place_BW >= 0)[:, None, :, None]
        for held_BGWK, new_BGTK in zip(self.held, self.waiting, strict=True):
            at_BGWK = place_BW.clamp_min(0)[:, None, :, None].expand_as(held_BGWK)
            held_BGWK.copy_(torch.where(is_new_BGWK, new_BGTK.gather(2, at_BGWK), held_BGWK))
        self.waiting = None

    def select(self, rows_B: Tensor) -> Self:
        waiting = None if self.waiting is None else tuple(new_BGTK[rows_B] for new_BGTK in self.waiting)
        return _copy(self, held=tuple(held_BGWK[rows_B] for held_BGWK in self.held), waiting=waiting)


def ring_positions(lengths_B: Tensor, window: int) -> Tensor:
    """Which position each slot of a ring holds, (B, W), in rows of these lengths; below 0: none."""
    last_B1 = lengths_B[:, None] - 1
    return last_B1 - (last_B1 - torch.arange(window, device=lengths_B.device)) % window


def _write(held_BGSK: Tensor, new_BGTK: Tensor, places_BT: Tensor, first: int, ragged: bool) -> None:
    if ragged:
        rows_B1 = torch.arange(len(held_BGSK), device=held_BGSK.device)[:, None]
        held_BGSK.transpose(1, 2)[rows_B1, places_BT] = new_BGTK.transpose(1, 2)
    else:
        held_BGSK[:, :, first : first + new_BGTK.shape[2]] = new_BGTK


def _copy(layer, **changed):
    copy = object.__new__(type(layer))
    copy.__dict__.update(layer.__dict__, **changed)
    return copy
