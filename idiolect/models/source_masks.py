"""Who sees what of a source: the encoder of itself, the decoder of it; padding and other documents are hidden."""

import torch
from torch import Tensor

from idiolect.errors import RecipeError
from idiolect.models.masks import Reach


def within_source(source_mask_BS: Tensor | None, source_document_BS: Tensor | None) -> Tensor | None:
    """Which source positions see which, (B, 1, S, S); None: all see all."""
    mask_BSS = None if source_mask_BS is None else source_mask_BS[:, None]
    if source_document_BS is not None:
        same_BSS = source_document_BS[:, :, None] == source_document_BS[:, None]
        mask_BSS = same_BSS if mask_BSS is None else same_BSS & mask_BSS
    if mask_BSS is None:
        return None
    # Padding sees itself: a softmax over nothing would be NaN, and NaN times an attention of 0 is still NaN.
    n_source = mask_BSS.shape[-1]
    return (mask_BSS | torch.eye(n_source, dtype=torch.bool, device=mask_BSS.device))[:, None]


def of_source(
    source_mask_BS: Tensor | None, document_BT: Tensor | None, source_document_BS: Tensor | None
) -> Tensor | None:
    """Which source positions targets see, (B, T or 1, S); None: all see all. A target may see none."""
    mask_BTS = None if source_mask_BS is None else source_mask_BS[:, None]
    if document_BT is None or source_document_BS is None:
        return mask_BTS
    same_BTS = document_BT[:, :, None] == source_document_BS[:, None]
    return same_BTS if mask_BTS is None else same_BTS & mask_BTS


def seeing(mask_BTS: Tensor | None) -> tuple[Reach, Tensor | None]:
    """The mask for a kernel, in which a target that sees nothing sees all, and who those are, (B, T or 1, 1).

    What they find must be set to zero: a softmax over nothing would be NaN.
    """
    if mask_BTS is None:
        return Reach(None, False), None
    blind_BT1 = ~mask_BTS.any(-1, keepdim=True)
    return Reach((mask_BTS | blind_BT1)[:, None], False), blind_BT1


def given(source_BS: Tensor | None) -> Tensor:
    """The source itself. Raises RecipeError when there is none."""
    if source_BS is None:
        raise RecipeError(
            "an encoder-decoder was given no source",
            why="its decoder writes what belongs to a source, which comes with the tokens or with the cache",
            fix="model(tokens, source_BS=...), or model.new_cache(n_rows, source_BS=...) when decoding",
        )
    return source_BS
