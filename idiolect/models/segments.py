"""A window cut where documents change, so that a recurrent state begins anew there, exactly.

Each segment is read as a row of its own, all of them at once in torch's packed form: the longest first, and at each
step those that still go on. Nothing is multiplied by zero: what lies before a boundary is simply not there.

    document   0 0 0 1 1        segments, longest first    row 0: [0 1 2]  row 1: [3 4]  row 0: [3 4]  row 1: ...
               0 1 1 2 2
"""

from dataclasses import dataclass

import torch
from torch import Tensor

State = tuple[Tensor, ...]  # of one layer: (B, D) each; an LSTM has two, output and cell


@dataclass(frozen=True)
class Segments:
    """S segments of a (T, B) window, in packed order.

    `place_N` says where in the flattened (T, B) window each packed position lies; `n_rows_T` how many segments go on at
    each step, on the CPU, as torch wants it; `row_S` whose row it is; `first_S` whether it goes on with the state the
    row came with; `last_B` which segment each row ends with, -1 where none of it is read.
    """

    place_N: Tensor
    n_rows_T: Tensor
    row_S: Tensor
    first_S: Tensor
    last_B: Tensor

    def pack(self, x_TBD: Tensor) -> Tensor:
        """The segments' positions, (N, D)."""
        return x_TBD.flatten(0, 1).index_select(0, self.place_N)

    def unpack(self, x_ND: Tensor, shape: tuple[int, int]) -> Tensor:
        """Back to (T, B, D); what belongs to no segment is zero."""
        x_TBD = x_ND.new_zeros(shape[0] * shape[1], x_ND.shape[1])
        return x_TBD.index_copy(0, self.place_N, x_ND).unflatten(0, shape)

    def begin(self, state: State) -> State:
        """Each segment's state (S, D): its row's, or nothing."""
        return tuple(h_BD[self.row_S].where(self.first_S[:, None], 0) for h_BD in state)

    def end(self, state: State, before: State) -> State:
        """Each row's state (B, D) after its last segment, or as it was before."""
        read_B1 = (self.last_B >= 0)[:, None]
        return tuple(h_SD[self.last_B].where(read_B1, h_BD) for h_SD, h_BD in zip(state, before, strict=True))


def document_segments(document_BT: Tensor, continues: bool) -> Segments | None:
    """The documents of a window; None where no row changes its document.

    `continues`: the rows come with a state, and the document it belongs to has the number 0.
    """
    begins_BT = torch.ones_like(document_BT, dtype=torch.bool)
    begins_BT[:, 1:] = document_BT[:, 1:] != document_BT[:, :-1]
    fresh_B = document_BT[:, 0] != 0 if continues else torch.zeros_like(document_BT[:, 0], dtype=torch.bool)
    n_rows, n_positions = document_BT.shape
    if int(begins_BT.sum()) == n_rows and not fresh_B.any():
        return None
    row_S, start_S = begins_BT.nonzero(as_tuple=True)
    place_S = row_S * n_positions + start_S
    length_S = torch.diff(place_S, append=place_S.new_tensor([n_rows * n_positions]))
    return _segments(row_S, start_S, length_S, fresh_B)


def prefix_segments(lengths_B: Tensor) -> Segments:
    """The first tokens of each row, as many as its length says."""
    row_S = lengths_B.nonzero().squeeze(1)
    return _segments(row_S, torch.zeros_like(row_S), lengths_B[row_S], torch.zeros_like(lengths_B, dtype=torch.bool))


def _segments(row_S: Tensor, start_S: Tensor, length_S: Tensor, fresh_B: Tensor) -> Segments:
    n_rows = len(fresh_B)
    order_S = length_S.argsort(descending=True, stable=True)
    row_S, start_S, length_S = row_S[order_S], start_S[order_S], length_S[order_S]
    step_T1 = torch.arange(int(length_S[0]) if len(length_S) else 0, device=row_S.device)[:, None]
    goes_on_TS = step_T1 < length_S
    place_TS = (start_S + step_T1) * n_rows + row_S
    first_S = (start_S == 0) & ~fresh_B[row_S]
    # Of a row's segments the one that starts last ends it.
    last_start_B = torch.full_like(fresh_B, -1, dtype=torch.int64).scatter_reduce(0, row_S, start_S, "amax")
    is_last_S = start_S == last_start_B[row_S]
    last_B = torch.full_like(last_start_B, -1)
    last_B[row_S[is_last_S]] = is_last_S.nonzero().squeeze(1)
    return Segments(place_TS[goes_on_TS], goes_on_TS.sum(1).cpu(), row_S, first_S, last_B)
