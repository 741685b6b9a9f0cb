"""The one door to `transformers`: an optional library, kept offline, quiet, and away from our random state."""

import contextlib
import os
from collections.abc import Iterator
from types import ModuleType

import torch

from idiolect.errors import MissingExtra


@contextlib.contextmanager
def stock_transformers() -> Iterator[ModuleType]:
    """The library, for the time of a `with`. Raises MissingExtra when it isn't installed.

    It reads the environment when first imported, so a process that has it already keeps its own choice; the folders we
    hand it are local either way, and every load says so.
    """
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        try:
            import transformers
        except ModuleNotFoundError as error:
            if error.name != "transformers":
                raise
            raise MissingExtra("export", needs="transformers") from None
        noise = transformers.logging
        verbosity, bar = noise.get_verbosity(), noise.is_progress_bar_enabled()
        noise.set_verbosity_error()
        noise.disable_progress_bar()
        try:
            with torch.random.fork_rng(devices=[]):
                yield transformers
        finally:
            noise.set_verbosity(verbosity)
            if bar:
                noise.enable_progress_bar()
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
