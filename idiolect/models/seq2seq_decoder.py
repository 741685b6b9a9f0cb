"""A recurrent decoder's two ways through its targets: all of them at once, or one after the other.

What the attention finds for a target may enter the next step (input feeding: Luong et al. 2015, arXiv 1508.04025,
section 3.3). Each step then waits for the one before, and no kernel can run over time: `OneByOne` is slower by as much
as a fused cell is worth. Layers above the one that attends read at once either way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from idiolect.models.config import Seq2SeqConfig
from idiolect.models.recurrent import Layer
from idiolect.models.segments import Segments, State, document_segments, prefix_segments
from idiolect.models.source_attention import Source, SourceAttention


@dataclass(frozen=True)
class Cuts:
    """Where rows of targets begin anew, (T, B, 1), and after how many they end, (B); None: nowhere, at their end."""

    segments: Segments | None = None
    begins_TB1: Tensor | None = None
    lengths_B: Tensor | None = None

    @classmethod
    def between(cls, document_BT: Tensor | None) -> "Cuts":
        """Rows cut where documents change."""
        if document_BT is None:
            return cls()
        begins_BT = torch.ones_like(document_BT, dtype=torch.bool)
        begins_BT[:, 1:] = document_BT[:, 1:] != document_BT[:, :-1]
        return cls(document_segments(document_BT, continues=False), begins_BT.t()[..., None])

    @classmethod
    def after(cls, lengths_B: Tensor) -> "Cuts":
        """Rows of which only the first tokens are read."""
        return cls(prefix_segments(lengths_B), None, lengths_B)


class AtOnce(nn.ModuleList):
    """Every layer reads all targets by fused cells, and all targets attend at once."""

    def __init__(self, config: Seq2SeqConfig):
        super().__init__(Layer(config.cells, *widths) for widths in config.layer_widths["decoder"])
        self.attends_after = config.attends_after

    def new_states(self, n_rows: int) -> list[State]:
        """Nothing read yet."""
        return [layer.new_state(n_rows) for layer in self]

    def forward(
        self, x_TBD: Tensor, before: list[State], source: Source, cuts: Cuts, attention: SourceAttention,
        dropout: nn.Module,
    ) -> tuple[Tensor, list[State]]:  # fmt: skip
        """Hidden states (T, B, D) and every layer's state at the end."""
        after = []
        for number, (layer, state) in enumerate(zip(self, before, strict=True)):
            x_TBD, ended = layer(x_TBD, state, cuts.segments)
            after.append(ended)
            if number == self.attends_after:
                x_TBD = attention(x_TBD, state[0], cuts.begins_TB1, source)
            x_TBD = dropout(x_TBD)
        return x_TBD, after


class OneByOne(nn.ModuleList):
    """The layers up to the one that attends read a target beside what was found for the one before it.

    That is the attentional state, after dropout, as the layers above see it; its last value stands behind the layers'
    states. At the beginning of a document it is nothing.
    """

    def __init__(self, config: Seq2SeqConfig):
        super().__init__(Layer(config.cells, *widths) for widths in config.layer_widths["decoder"])
        self.n_stepped = config.attends_after + 1

    def new_states(self, n_rows: int) -> list[State]:
        """Nothing read yet, nothing found."""
        states = [layer.new_state(n_rows) for layer in self]
        return [*states, (torch.zeros_like(states[0][0]),)]

    def forward(
        self, x_TBD: Tensor, before: list[State], source: Source, cuts: Cuts, attention: SourceAttention,
        dropout: nn.Module,
    ) -> tuple[Tensor, list[State]]:  # fmt: skip
        """Hidden states (T, B, D), every layer's state at the end, and what was found last."""
        *layers, fed = before
        states, above, found = [*layers[: self.n_stepped], fed], layers[self.n_stepped :], []
        for t, x_BD in enumerate(x_TBD):
            if cuts.begins_TB1 is not None:
                states = [tuple(h_BD.masked_fill(cuts.begins_TB1[t], 0) for h_BD in state) for state in states]
            after = self._step(x_BD, states, source.at(t), attention, dropout)
            found.append(after[-1][0])
            states = after if cuts.lengths_B is None else _held(states, after, (cuts.lengths_B > t)[:, None])
        x_TBD = torch.stack(found)
        *stepped, fed = states
        for layer, state in zip(list(self)[self.n_stepped :], above, strict=True):
            x_TBD, ended = layer(x_TBD, state, cuts.segments)
            stepped.append(ended)
            x_TBD = dropout(x_TBD)
        return x_TBD, [*stepped, fed]

    def _step(
        self, x_BD: Tensor, before: list[State], source: Source, attention: SourceAttention, dropout: nn.Module
    ) -> list[State]:
        """The stepped layers' states after one target, and what was found for it."""
        *layers, (fed_BD,) = before
        x_1BD, after = torch.cat((x_BD, fed_BD.to(x_BD.dtype)), dim=-1)[None], []
        for number, (layer, state) in enumerate(zip(self, layers, strict=False)):
            x_1BD, ended = layer(dropout(x_1BD) if number else x_1BD, state, None)
            after.append(ended)
        found_1BD = dropout(attention(x_1BD, layers[-1][0], None, source))
        return [*after, (found_1BD[0],)]


def _held(before: list[State], after: list[State], goes_on_B1: Tensor) -> list[State]:
    """The states after a target in rows that go on, those before it in the others."""
    return [
        tuple(new_BD.where(goes_on_B1, old_BD) for new_BD, old_BD in zip(new, old, strict=True))
        for new, old in zip(after, before, strict=True)
    ]


def build_decoder(config: Seq2SeqConfig) -> AtOnce | OneByOne:
    """The way the config asks for."""
    return OneByOne(config) if config.input_feeding else AtOnce(config)
