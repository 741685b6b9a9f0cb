"""Document numbers of a packed window become counts of boundaries: what convolutions and recurrences are cut by."""

import torch.nn.functional as F
from torch import Tensor


def count_pieces(document_BT: Tensor | None) -> Tensor | None:
    """Boundaries up to and with each position, (B, T), 0 in the first document; None when there is none.

    On a GPU the answer is never None for given numbers: to look would be to wait.
    """
    if document_BT is None:
        return None
    changed_BT = document_BT[:, 1:] != document_BT[:, :-1]
    if document_BT.device.type == "cpu" and not changed_BT.any():
        return None
    return F.pad(changed_BT.cumsum(1), (1, 0))
