"""A source and what is to be written from it, row by row, before they become a batch: arrays with a length each.

The decoder's input is the target shifted right behind an end token, as if a document began:

    target    a  b  c          with masked boundaries, where a document C begins among the targets:   a  |  C  d
    input     |  a  b                                                                                 |  a  |  C

A token belongs to the document that it is part of, an end token to the one it closes. With masked boundaries a target
is predicted from sources and targets of its own document alone; the input of a document's first target is an end
token, so nothing of the document before is in it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from idiolect.data.batch import Batch


@dataclass(frozen=True)
class Pairs:
    """Rows of ids padded on the right, how many of each count, and the document of each."""

    source_BS: np.ndarray
    n_source_B: np.ndarray
    target_BT: np.ndarray
    n_target_B: np.ndarray
    source_document_BS: np.ndarray
    target_document_BT: np.ndarray


def documents_of(window_BW: np.ndarray, end_id: int) -> np.ndarray:
    """The number of each token's document within its window, int64."""
    is_end_BW = window_BW == end_id
    return is_end_BW.cumsum(1) - is_end_BW


def empty_pairs(n_rows: int, n_source: int, n_target: int, fill: int) -> Pairs:
    """Room for so many rows, all of them empty."""
    return Pairs(
        np.full((n_rows, n_source), fill, np.int64), np.zeros(n_rows, np.int64),
        np.full((n_rows, n_target), fill, np.int64), np.zeros(n_rows, np.int64),
        np.zeros((n_rows, n_source), np.int64), np.zeros((n_rows, n_target), np.int64),
    )  # fmt: skip


def place(into: Pairs, rows_b: np.ndarray, pairs: Pairs, before: int | None = None) -> None:
    """Write some rows, one of `into`'s for each of `pairs`'; `before` is an id that opens their sources."""
    shift = 0 if before is None else 1
    n_source, n_target = pairs.source_BS.shape[1], pairs.target_BT.shape[1]
    if before is not None:
        into.source_BS[rows_b, 0] = before
        into.source_document_BS[rows_b, 0] = pairs.source_document_BS[:, 0]
    into.source_BS[rows_b, shift : shift + n_source] = pairs.source_BS
    into.source_document_BS[rows_b, shift : shift + n_source] = pairs.source_document_BS
    into.n_source_B[rows_b] = pairs.n_source_B + shift
    into.target_BT[rows_b, :n_target] = pairs.target_BT
    into.target_document_BT[rows_b, :n_target] = pairs.target_document_BT
    into.n_target_B[rows_b] = pairs.n_target_B


def batch_of(pairs: Pairs, end_id: int, boundaries: str) -> Batch:
    """Pairs as a batch; the source's mask is left out where nothing is padded."""
    n_rows, n_targets = pairs.target_BT.shape
    tokens_BT = np.full((n_rows, n_targets), end_id, np.int64)
    tokens_BT[:, 1:] = pairs.target_BT[:, :-1]
    masked = boundaries == "masked"
    if masked:
        document_BT = pairs.target_document_BT
        tokens_BT[:, 1:][document_BT[:, 1:] != document_BT[:, :-1]] = end_id
    source_mask_BS = np.arange(pairs.source_BS.shape[1]) < pairs.n_source_B[:, None]
    return Batch(
        _tensor(tokens_BT),
        _tensor(pairs.target_BT),
        torch.from_numpy(np.arange(n_targets) < pairs.n_target_B[:, None]),
        _tensor(pairs.target_document_BT) if masked else None,
        source_BS=_tensor(pairs.source_BS),
        source_mask_BS=None if source_mask_BS.all() else torch.from_numpy(source_mask_BS),
        source_document_BS=_tensor(pairs.source_document_BS) if masked else None,
    )


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64))
