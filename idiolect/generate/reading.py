"""How a text is put before a model: as a window of its last tokens, or as the source of an encoder-decoder.

Either way a reading says what of a row is read, how many tokens may be drawn before it must be read anew, and reads
many rows at once. It is chosen once, by what the model reads.
"""

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from idiolect.data.objectives.framing import Framing, plain_framing
from idiolect.generate.row import Row


class LeftReading:
    """A window of the text's last tokens, which the tokens drawn continue."""

    def __init__(self, model: nn.Module):
        self.model = model
        # A state of one size holds any number of tokens.
        self.reach = sys.maxsize if getattr(model, "unbounded", False) else model.context_length
        self.stop_ids: tuple[int, ...] = ()

    def length(self, row: Row) -> int:
        """Tokens that are read before the next one can be drawn."""
        return row.n_window(self.reach)

    def window(self, row: Row) -> list[int]:
        """Those tokens."""
        return row.window(self.reach)

    def room(self, row: Row) -> int:
        """Tokens that can be read besides, each after it was drawn."""
        return self.reach - self.length(row)

    def read(self, windows: Sequence[Sequence[int]], max_tokens: int, device: torch.device) -> tuple[Tensor, object]:
        """Hidden states (B, D) after each window's last token, and the cache that holds them."""
        padded_BT, lengths_B = _padded(windows, device)
        capacity = min(self.reach, padded_BT.shape[1] + max_tokens)
        hidden_BTD, cache = self.model(padded_BT, self.model.new_cache(len(windows), capacity))
        cache.set_lengths(lengths_B)
        return hidden_BTD[torch.arange(len(windows), device=device), lengths_B - 1], cache


class SourceReading:
    """The text as the source; what is drawn goes on from the framing's start, until the text is framed anew."""

    def __init__(self, model: nn.Module, framing: Framing):
        self.model, self.framing, self.stop_ids = model, framing, framing.stop_ids

    def length(self, row: Row) -> int:
        """Tokens of the source."""
        return len(self.window(row))

    def window(self, row: Row) -> list[int]:
        """The source."""
        return self.framing.source(row.ids)

    def room(self, row: Row) -> int:
        """Tokens that the decoder can read besides its start, each after it was drawn."""
        return self.framing.target_length - 1

    def read(self, windows: Sequence[Sequence[int]], max_tokens: int, device: torch.device) -> tuple[Tensor, object]:
        """Hidden states (B, D) after the decoder's start, and the cache that holds the encoded sources."""
        padded_BS, lengths_B = _padded(windows, device)
        mask_BS = torch.arange(padded_BS.shape[1], device=device) < lengths_B[:, None]
        start_BT = torch.tensor([self.framing.start] * len(windows), device=device)
        capacity = start_BT.shape[1] + self.framing.target_length
        cache = self.model.new_cache(len(windows), capacity, source_BS=padded_BS, source_mask_BS=mask_BS)
        hidden_BTD, cache = self.model(start_BT, cache)
        return hidden_BTD[:, -1], cache


def build_reading(model: nn.Module, end_id: int, framing: Framing | None) -> LeftReading | SourceReading:
    """How a text is put before this model; without a framing a text is the source as it stands."""
    if model.reads == "source":
        return SourceReading(model, framing or plain_framing(model.context_length, end_id))
    return LeftReading(model)


def _padded(windows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Windows padded on the right, and their lengths."""
    lengths = [len(window) for window in windows]
    rows = [[*window, *[0] * (max(lengths) - len(window))] for window in windows]
    return torch.tensor(rows, device=device), torch.tensor(lengths, device=device)
