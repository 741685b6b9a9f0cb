"""What a recurrent model carries between tokens: one state a row, of the same size whatever was read."""

from collections.abc import Callable

import torch
from torch import Tensor

from idiolect.models.segments import State

# (tokens_BT, the states before them, how many of each row's count) -> the states after those
ReadAgain = Callable[[Tensor, list[State], Tensor], list[State]]


class RecurrentCache:
    """The state of every layer and row, and the last tokens read, so that a padded prompt can be cut to its length.

    A state can't be unread. `set_lengths` therefore starts from the states before the last read and reads the true
    tokens again: a second prefill, once a prompt, and only where rows differ.
    """

    def __init__(self, states: list[State], read_again: ReadAgain):
        self.states, self._read_again = states, read_again
        self.n_rows = len(states[0][0])
        self._lengths_B = torch.zeros(self.n_rows, dtype=torch.int64, device=states[0][0].device)
        self._before, self._tokens_BT = states, self._lengths_B.new_zeros(self.n_rows, 0)

    def lengths(self) -> Tensor:
        return self._lengths_B.clone()

    def advance(self, states: list[State], tokens_BT: Tensor, can_be_cut: bool) -> None:
        """Note what was read, and the states after it. Packed documents can't be cut to other lengths afterwards."""
        self._before, self._tokens_BT = (self.states, tokens_BT) if can_be_cut else (states, tokens_BT[:, :0])
        self.states = states
        self._lengths_B = self._lengths_B + tokens_BT.shape[1]

    def set_lengths(self, lengths_B: Tensor) -> None:
        lengths_B = lengths_B.to(self._lengths_B)
        n_last = self._tokens_BT.shape[1]
        n_kept_B = lengths_B - self._lengths_B + n_last
        assert 0 <= int(n_kept_B.min()) and int(n_kept_B.max()) <= n_last, (lengths_B, self._lengths_B, n_last)
        if int(n_kept_B.min()) == n_last:
            return
        self.states = self._read_again(self._tokens_BT, self._before, n_kept_B)
        self._lengths_B = lengths_B
        # What is known of the rows now differs in length: they can't be cut a second time.
        self._before, self._tokens_BT = self.states, self._tokens_BT[:, :0]

    def select(self, rows_B: Tensor) -> "RecurrentCache":
        chosen = RecurrentCache(_pick(self.states, rows_B), self._read_again)
        chosen._lengths_B = self._lengths_B[rows_B]
        chosen._before, chosen._tokens_BT = _pick(self._before, rows_B), self._tokens_BT[rows_B]
        return chosen

    def reorder(self, rows_B: Tensor) -> None:
        assert len(rows_B) == self.n_rows, (len(rows_B), self.n_rows)
        self.__dict__.update(self.select(rows_B).__dict__)


def _pick(states: list[State], rows_B: Tensor) -> list[State]:
    return [tuple(h_BD[rows_B] for h_BD in state) for state in states]
