"""A recurrent encoder-decoder with attention: the encoder reads a source from both sides, the decoder writes on.

Start at `Seq2Seq.forward`. All targets are read at once by fused cells, and attend at once: nothing that is found in
the source enters the decoder's next step (config/seq2seq.py says why). What the source is about as a whole, the mean of
its annotations (arXiv 1703.04357, section 3), enters every step (arXiv 1406.1078, section 2.2). Where documents change,
the states of both begin anew (segments.py). Tensors of cells stand time first, (T, B, D).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.config import Seq2SeqConfig
from idiolect.models.initialise import Row, initialise
from idiolect.models.layers import Embedding, Linear, build_dropout
from idiolect.models.masks import Reach
from idiolect.models.measure import check_memory
from idiolect.models.recurrent import Layer
from idiolect.models.recurrent_cache import RecurrentCache
from idiolect.models.segments import Segments, State, document_segments, prefix_segments
from idiolect.models.source_attention import SourceAttention
from idiolect.models.source_masks import given, of_source, seeing


def seq2seq_table(config: Seq2SeqConfig) -> list[Row]:
    """Where each parameter starts.

    Embeddings: uniform (Luong et al. 2015). Cells: uniform within 1 / sqrt(width) (torch), the forget gate's bias 1
    (Jozefowicz et al. 2015). Matrices between them keep their input's size (LeCun et al. 1998, section 4.6).
    """
    directions = ("uniform", 1 / math.sqrt(config.d_model // 2))
    forget = ("second_quarter", 1.0) if config.cell == "lstm" else ("zeros", 0.0)
    return [
        ("embed.weight", "uniform", config.embedding_range),
        ("unembed.weight", "uniform", config.embedding_range),
        ("*.bias", *forget),
        ("*.bias_hidden", "zeros", 0.0),
        ("encoder.*_weight", *directions),
        ("decoder.*_weight", "uniform", 1 / math.sqrt(config.d_model)),
        ("attention.*weight", "fan_in", 1.0),
        ("summarise.weight", "fan_in", 1.0),
    ]


@dataclass(frozen=True)
class Source:
    """The encoded source as the decoder sees it: annotations, who sees which, and their mean (B, T or 1, D)."""

    memory_BSD: Tensor
    reach: Reach
    blind_BT1: Tensor | None
    mean_BTD: Tensor


class BothWays(nn.Module):
    """A layer that reads forwards beside one that reads backwards: (S, B, D) to (S, B, D)."""

    def __init__(self, config: Seq2SeqConfig):
        super().__init__()
        self.forwards = Layer(config.cells, config.d_model, config.d_model // 2)
        self.backwards = Layer(config.cells, config.d_model, config.d_model // 2)

    def forward(self, x_SBD: Tensor, segments: Segments | None, flipped: Segments | None) -> Tensor:
        n_rows = x_SBD.shape[1]
        ahead_SBD, _ = self.forwards(x_SBD, self.forwards.new_state(n_rows), segments)
        back_SBD, _ = self.backwards(x_SBD.flip(0), self.backwards.new_state(n_rows), flipped)
        return torch.cat((ahead_SBD, back_SBD.flip(0)), dim=-1)


class Seq2Seq(nn.Module):
    """A recurrent encoder-decoder; see `contract.Model` for what it promises."""

    reads = "source"
    # Its state holds any number of targets, but a source begins anew with each window.
    unbounded = False
    head_names = ("unembed.weight",)
    logit_softcap = 0.0

    def __init__(self, config: Seq2SeqConfig, vocabulary_size: int):
        super().__init__()
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed = Embedding(vocabulary_size, config.d_model)
        self.encoder = nn.ModuleList(BothWays(config) for _ in range(config.n_layers))
        self.summarise = Linear(config.d_model, config.d_model, bias=False)
        self.decoder = nn.ModuleList(Layer(config.cells, *widths) for widths in config.layer_widths["decoder"])
        self.attention = SourceAttention(config)
        self.attends_after = 0 if config.feed_context else config.resolved_n_decoder_layers - 1
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)
        self.dropout = build_dropout(config.dropout)

    def forward(
        self, tokens_BT: Tensor, cache: RecurrentCache | None = None, document_BT: Tensor | None = None, *,
        source_BS: Tensor | None = None, source_mask_BS: Tensor | None = None,
        source_document_BS: Tensor | None = None,
    ) -> tuple[Tensor, RecurrentCache | None]:  # fmt: skip
        """Hidden states (B, T, D). The source is given here, or was to `new_cache`. Raises RecipeError without one."""
        assert cache is None or document_BT is None, "a cache holds one document a row"
        if cache is not None:
            hidden_BTD, states = self._read_cached(tokens_BT, cache.states, None)
            cache.advance(states, tokens_BT, can_be_cut=True)
            return hidden_BTD, cache
        memory_BSD = self.encode(given(source_BS), source_mask_BS, source_document_BS)
        source = self._view(memory_BSD, of_source(source_mask_BS, document_BT, source_document_BS))
        segments = None if document_BT is None else document_segments(document_BT, continues=False)
        hidden_BTD, _ = self._read(tokens_BT, self._new_states(len(tokens_BT)), source, segments, document_BT)
        return hidden_BTD, None

    def encode(
        self, source_BS: Tensor, source_mask_BS: Tensor | None = None, source_document_BS: Tensor | None = None
    ) -> Tensor:
        """The source's annotations (B, S, D), both directions side by side; padding is a document of its own."""
        numbers_BS = source_document_BS
        if source_mask_BS is not None:
            zeros_BS = torch.zeros_like(source_BS) if numbers_BS is None else numbers_BS
            numbers_BS = zeros_BS.masked_fill(~source_mask_BS, -1)
        segments = flipped = None
        if numbers_BS is not None:
            segments = document_segments(numbers_BS, continues=False)
            flipped = document_segments(numbers_BS.flip(1), continues=False)
        x_SBD = self.dropout(self.embed(source_BS.t()))
        for layer in self.encoder:
            x_SBD = self.dropout(layer(x_SBD, segments, flipped))
        return x_SBD.transpose(0, 1)

    def _view(self, memory_BSD: Tensor, mask_BTS: Tensor | None) -> Source:
        reach, blind_BT1 = seeing(mask_BTS)
        if mask_BTS is None:
            mean_BTD = memory_BSD.mean(1, keepdim=True)
        else:
            weights_BTS = mask_BTS.to(memory_BSD.dtype)
            mean_BTD = (weights_BTS / weights_BTS.sum(-1, keepdim=True).clamp_min(1)) @ memory_BSD
        return Source(memory_BSD, reach, blind_BT1, self.summarise(mean_BTD))

    def _read(
        self, tokens_BT: Tensor, before: list[State], source: Source, segments: Segments | None,
        document_BT: Tensor | None = None,
    ) -> tuple[Tensor, list[State]]:  # fmt: skip
        """Hidden states (B, T, D) and every layer's state at the end."""
        begins_TB1 = None
        if document_BT is not None:
            begins_BT = torch.ones_like(document_BT, dtype=torch.bool)
            begins_BT[:, 1:] = document_BT[:, 1:] != document_BT[:, :-1]
            begins_TB1 = begins_BT.t()[..., None]
        x_TBD = self.dropout(self.embed(tokens_BT.t())) + source.mean_BTD.transpose(0, 1)
        states = []
        for number, (layer, state) in enumerate(zip(self.decoder, before, strict=True)):
            x_TBD, after = layer(x_TBD, state, segments)
            states.append(after)
            if number == self.attends_after:
                x_TBD = self.attention(x_TBD, state[0], begins_TB1, source.memory_BSD, source.reach, source.blind_BT1)
            x_TBD = self.dropout(x_TBD)
        return x_TBD.transpose(0, 1), states

    def _read_cached(
        self, tokens_BT: Tensor, before: list[State], segments: Segments | None
    ) -> tuple[Tensor, list[State]]:
        # The source stands behind the layers' states, as a state that no token changes.
        *layers, (memory_BSD, mask_BS) = before
        source = self._view(memory_BSD, mask_BS[:, None])
        hidden_BTD, states = self._read(tokens_BT, layers, source, segments)
        return hidden_BTD, [*states, (memory_BSD, mask_BS)]

    def _read_again(self, tokens_BT: Tensor, before: list[State], lengths_B: Tensor) -> list[State]:
        with torch.no_grad():
            return self._read_cached(tokens_BT, before, prefix_segments(lengths_B))[1]

    def _new_states(self, n_rows: int) -> list[State]:
        return [layer.new_state(n_rows) for layer in self.decoder]

    def head(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.head_weight)

    @property
    def head_weight(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    def initialise(self, seed: int) -> None:
        """Fill every parameter from `seq2seq_table`."""
        initialise(self, seq2seq_table(self.config), seed)

    def new_cache(
        self, n_rows: int, capacity: int = 0, *, source_BS: Tensor | None = None, source_mask_BS: Tensor | None = None
    ) -> RecurrentCache:
        """An empty cache that holds the encoded source; its targets may be of any number, whatever the capacity.

        Raises RecipeError without a source.
        """
        memory_BSD = self.encode(given(source_BS), source_mask_BS)
        mask_BS = torch.ones_like(source_BS, dtype=torch.bool) if source_mask_BS is None else source_mask_BS
        return RecurrentCache([*self._new_states(n_rows), (memory_BSD, mask_BS)], self._read_again)
