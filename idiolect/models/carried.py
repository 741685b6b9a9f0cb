"""What families of constant memory carry between tokens: a layer's last inputs, and a cache made of layers.

What has been read can't be unread, so each layer keeps what the last forward pass brought until the next one:
`set_lengths` needs it, when a padded prompt is cut to the rows' true lengths. After a token it is a token's worth.
"""

from typing import Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor


class Carried(Protocol):
    """What one layer carries."""

    def cut(self, kept_B: Tensor) -> None:
        """Keep each row's first `kept_B` of the positions read last."""

    def select(self, rows_B: Tensor) -> Self:
        """These rows, in this order, repeats allowed."""

    def detach(self) -> None:
        """Cut it from the graph that made it."""

    def tensors(self) -> tuple[Tensor, ...]:
        """What is held, a row for each row."""

    def replace(self, *tensors: Tensor) -> None:
        """Hold these instead."""


class History:
    """The last inputs of a convolution, (B, n, channels), zeros where there were none."""

    def __init__(self, inputs_BWD: Tensor):
        self.inputs_BWD = inputs_BWD
        self._all_BSD = inputs_BWD

    def extend(self, x_BTD: Tensor, piece_BT: Tensor | None = None) -> Tensor:
        """Add inputs; what was held and they, (B, n + T, channels).

        `piece_BT` counts boundaries: of what lies before the last one nothing is kept, as if a row had begun there.
        """
        n_new = x_BTD.shape[1]
        self._all_BSD = torch.cat([self.inputs_BWD.to(x_BTD.dtype), x_BTD], 1)
        self.inputs_BWD = self._all_BSD[:, n_new:]
        if piece_BT is not None:
            piece_BW = F.pad(piece_BT, (self.inputs_BWD.shape[1], 0))[:, n_new:]
            self.inputs_BWD = self.inputs_BWD.where((piece_BW == piece_BT[:, -1:])[..., None], 0)
        return self._all_BSD

    def cut(self, kept_B: Tensor) -> None:
        at_BW = kept_B[:, None] + torch.arange(self.inputs_BWD.shape[1], device=kept_B.device)
        self.inputs_BWD = self._all_BSD.gather(1, at_BW[..., None].expand(-1, -1, self._all_BSD.shape[2]))
        self._all_BSD = self.inputs_BWD

    def select(self, rows_B: Tensor) -> "History":
        return History(self.inputs_BWD[rows_B])

    def detach(self) -> None:
        # A copy: a view would hold the whole window in memory.
        self.inputs_BWD = self._all_BSD = self.inputs_BWD.detach().clone()

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.inputs_BWD,)

    def replace(self, *tensors: Tensor) -> None:
        (self.inputs_BWD,) = tensors
        self._all_BSD = self.inputs_BWD


class CarriedCache:
    """A cache of one size however much was read: something for each layer, and a count."""

    def __init__(self, layers: list[Carried], lengths_B: Tensor):
        self.layers, self._lengths_B, self._n_last = layers, lengths_B, 0

    @property
    def n_rows(self) -> int:
        return len(self._lengths_B)

    def lengths(self) -> Tensor:
        return self._lengths_B.clone()

    def finish(self, n_new: int, can_be_cut: bool) -> None:
        """The forward pass is over. Packed documents can't be cut to other lengths afterwards."""
        self._lengths_B, self._n_last = self._lengths_B + n_new, n_new if can_be_cut else 0

    def set_lengths(self, lengths_B: Tensor) -> None:
        lengths_B = lengths_B.to(self._lengths_B)
        kept_B = lengths_B - self._lengths_B + self._n_last
        assert 0 <= int(kept_B.min()) and int(kept_B.max()) <= self._n_last, (lengths_B, self._lengths_B, self._n_last)
        if int(kept_B.min()) == self._n_last:
            return
        for layer in self.layers:
            layer.cut(kept_B)
        # What is known of the rows now differs in length: they can't be cut a second time.
        self._lengths_B, self._n_last = lengths_B, 0

    @property
    def states(self) -> list[tuple[Tensor, ...]]:
        """What each layer carries, as rows of numbers (B, n): for whoever keeps it from window to window."""
        return [tuple(held.flatten(1) for held in layer.tensors()) for layer in self.layers]

    @states.setter
    def states(self, states: list[tuple[Tensor, ...]]) -> None:
        for layer, new in zip(self.layers, states, strict=True):
            held = layer.tensors()
            layer.replace(*(rows_BN.unflatten(1, h.shape[1:]) for rows_BN, h in zip(new, held, strict=True)))
        self._n_last = 0

    def select(self, rows_B: Tensor) -> "CarriedCache":
        return CarriedCache([layer.select(rows_B) for layer in self.layers], self._lengths_B[rows_B])

    def reorder(self, rows_B: Tensor) -> None:
        assert len(rows_B) == self.n_rows, (len(rows_B), self.n_rows)
        self.__dict__.update(self.select(rows_B).__dict__)

    def detach(self) -> None:
        """Cut what is carried from the graph that made it: the next window sends no gradient into the last."""
        for layer in self.layers:
            layer.detach()
