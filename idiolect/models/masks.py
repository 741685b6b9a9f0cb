"""Who may attend to whom: one answer per kind of window, built once a forward pass and shared by its layers.

A mask costs a matrix and the fast causal kernel, so there is one only when a document boundary, a sliding window that
bites, or a cache with more than one new token makes it necessary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reach:
    """Arguments for the attention kernel: a mask, or the causal rule, or neither.

    A boolean mask is True where a query may attend; one of numbers is added to the scores, -inf where it may not.
    """

    attention_mask: Tensor | None
    is_causal: bool


def build_reach(window: int, positions_BT: Tensor, n_source: int, ragged: bool, document_BT: Tensor | None) -> Reach:
    """The reach of `positions_BT` over source positions 0..n_source-1 through a window (0 = all to the left)."""
    n_new = positions_BT.shape[1]
    sliding = 0 < window < n_source
    if document_BT is None and not sliding and not ragged:
        if n_new == n_source:
            return Reach(None, True)
        if n_new == 1:
            return Reach(None, False)
    source_S = torch.arange(n_source, device=positions_BT.device)
    back_BTS = positions_BT[..., None] - source_S
    mask_BTS = back_BTS >= 0
    if sliding:
        mask_BTS &= back_BTS < window
    if document_BT is not None:
        mask_BTS = mask_BTS & (document_BT[:, :, None] == document_BT[:, None, :])
    return Reach(mask_BTS[:, None], False)


def within(window: int, positions_BT: Tensor, held_BS: Tensor) -> Reach:
    """The reach of `positions_BT` over keys of these positions, in any order, through a window; below 0: no key."""
    back_BTS = positions_BT[..., None] - held_BS[:, None]
    mask_BTS = (back_BTS >= 0) & (back_BTS < window) & (held_BS >= 0)[:, None]
    return Reach(mask_BTS[:, None], False)


def build_surroundings(window: int, positions_1T: Tensor, document_BT: Tensor | None) -> Reach:
    """The reach of an encoder's positions over one another: half a window to either side (0 = all)."""
    n_positions, half = positions_1T.shape[1], window // 2
    sliding = 0 < half < n_positions - 1
    if document_BT is None and not sliding:
        return Reach(None, False)
    mask_BTS = torch.ones(1, n_positions, n_positions, dtype=torch.bool, device=positions_1T.device)
    if sliding:
        mask_BTS = (positions_1T[:, :, None] - positions_1T[:, None, :]).abs() <= half
    if document_BT is not None:
        mask_BTS = mask_BTS & (document_BT[:, :, None] == document_BT[:, None, :])
    return Reach(mask_BTS[:, None], False)
