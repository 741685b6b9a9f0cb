"""A model that goes on from a cache, to be called like the model itself."""

from typing import Any

from torch import Tensor, nn

from idiolect.models.contract import Cache


class Continued:
    """The model, with a cache slipped in: losses and scores that know no caches read on where the last window ended."""

    def __init__(self, model: nn.Module, cache: Cache):
        self.model, self.cache = model, cache

    def __call__(self, tokens_BT: Tensor, document_BT: Tensor | None = None) -> tuple[Tensor, Cache]:
        return self.model(tokens_BT, cache=self.cache, document_BT=document_BT)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)
