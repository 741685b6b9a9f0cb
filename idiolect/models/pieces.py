"""Document numbers of a packed window become counts of boundaries: what convolutions and recurrences are cut by."""

from torch import Tensor


def count_pieces(document_BT: Tensor | None, continues: bool) -> Tensor | None:
    """Boundaries up to and with each position, (B, T); None when there is none.

    `continues`: the rows come with a history, and the document it belongs to has the number 0; a row that begins with
    another begins with a boundary. On a GPU the answer is never None for given numbers: to look would be to wait.
    """
    if document_BT is None:
        return None
    begins_BT = document_BT != document_BT.roll(1, 1)
    begins_BT[:, 0] = document_BT[:, 0] != 0 if continues else False
    if document_BT.device.type == "cpu" and not begins_BT.any():
        return None
    return begins_BT.cumsum(1)
