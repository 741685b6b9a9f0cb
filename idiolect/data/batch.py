"""What a model is given: a frozen value."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of tokens with their targets; only targets whose loss_mask is True count.

    `document_BT` (int64) numbers the documents within each row where attention must not cross them, else None.
    `source_BS` is what an encoder reads, where `source_mask_BS` is True (None: everywhere), `source_document_BS` its
    documents, numbered as the row's tokens are; `labels_B` what a classifier must say; `stream_B` which stream of text
    each row goes on with, for models that carry a state over.
    """

    tokens_BT: Tensor
    targets_BT: Tensor | None
    loss_mask_BT: Tensor | None
    document_BT: Tensor | None = None
    source_BS: Tensor | None = None
    source_mask_BS: Tensor | None = None
    source_document_BS: Tensor | None = None
    labels_B: Tensor | None = None
    stream_B: Tensor | None = None

    def __len__(self) -> int:
        return self.tokens_BT.shape[0]

    def inputs(self) -> dict[str, Any]:
        """What a model reads, as arguments of its forward pass."""
        found: dict[str, Any] = {"tokens_BT": self.tokens_BT, "document_BT": self.document_BT}
        if self.source_BS is not None:
            found |= {"source_BS": self.source_BS, "source_mask_BS": self.source_mask_BS}
        if self.source_document_BS is not None:
            found["source_document_BS"] = self.source_document_BS
        return found

    @property
    def n_scored(self) -> int:
        """Targets that count."""
        return 0 if self.loss_mask_BT is None else int(self.loss_mask_BT.sum())

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on a device, copied without waiting where the memory is pinned."""
        return self._each(lambda x: x.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from which a GPU copies while it computes."""
        return self._each(lambda x: x.pin_memory())

    def slice(self, first: int, last: int) -> "Batch":
        """Rows [first, last): a micro-batch, sharing memory."""
        return self._each(lambda x: x[first:last])

    def _each(self, function: Any) -> "Batch":
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Batch(**{name: None if x is None else function(x) for name, x in values.items()})
