"""A recurrent encoder-decoder with attention: the encoder reads a source from both sides, the decoder writes on.

Start at `Seq2Seq.forward`, then seq2seq_decoder.py. All targets are read at once by fused cells, and attend at once,
unless what is found in the source is to enter the decoder's next step. What the source is about as a whole, the mean of
its annotations (arXiv 1703.04357, section 3), enters every step (arXiv 1406.1078, section 2.2). Where documents change,
the states of both begin anew (segments.py). Tensors of cells stand time first, (T, B, D).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.config import Seq2SeqConfig
from idiolect.models.initialise import Row, initialise
from idiolect.models.layers import Embedding, Linear, build_dropout
from idiolect.models.measure import check_memory
from idiolect.models.recurrent import Layer
from idiolect.models.recurrent_cache import RecurrentCache
from idiolect.models.segments import Segments, State, document_segments
from idiolect.models.seq2seq_decoder import Cuts, build_decoder
from idiolect.models.source_attention import Source, SourceAttention
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
        self.decoder = build_decoder(config)
        self.attention = SourceAttention(config)
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
            hidden_BTD, states = self._read_cached(tokens_BT, cache.states, Cuts())
            cache.advance(states, tokens_BT, can_be_cut=True)
            return hidden_BTD, cache
        memory_BSD = self.encode(given(source_BS), source_mask_BS, source_document_BS)
        mask_BTS = of_source(source_mask_BS, document_BT, source_document_BS)
        before = self.decoder.new_states(len(tokens_BT))
        return self._read(tokens_BT, before, memory_BSD, mask_BTS, Cuts.between(document_BT))[0], None

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

    def _read(
        self, tokens_BT: Tensor, before: list[State], memory_BSD: Tensor, mask_BTS: Tensor | None, cuts: Cuts
    ) -> tuple[Tensor, list[State]]:
        """Hidden states (B, T, D) and every layer's state at the end; `mask_BTS` is True where a target sees."""
        mean_BTD = self.summarise(_mean(memory_BSD, mask_BTS))
        source = Source(memory_BSD, self.attention.keys(memory_BSD), *seeing(mask_BTS))
        x_TBD = self.dropout(self.embed(tokens_BT.t())) + mean_BTD.transpose(0, 1)
        x_TBD, states = self.decoder(x_TBD, before, source, cuts, self.attention, self.dropout)
        return x_TBD.transpose(0, 1), states

    def _read_cached(self, tokens_BT: Tensor, before: list[State], cuts: Cuts) -> tuple[Tensor, list[State]]:
        # The source stands behind the decoder's states, as a state that no token changes.
        *states, (memory_BSD, mask_BS) = before
        hidden_BTD, states = self._read(tokens_BT, states, memory_BSD, mask_BS[:, None], cuts)
        return hidden_BTD, [*states, (memory_BSD, mask_BS)]

    def _read_again(self, tokens_BT: Tensor, before: list[State], lengths_B: Tensor) -> list[State]:
        with torch.no_grad():
            return self._read_cached(tokens_BT, before, Cuts.after(lengths_B))[1]

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
        return RecurrentCache([*self.decoder.new_states(n_rows), (memory_BSD, mask_BS)], self._read_again)


def _mean(memory_BSD: Tensor, mask_BTS: Tensor | None) -> Tensor:
    """The mean of what each target sees, (B, T or 1, D); nothing where it sees nothing."""
    if mask_BTS is None:
        return memory_BSD.mean(1, keepdim=True)
    weights_BTS = mask_BTS.to(memory_BSD.dtype)
    return (weights_BTS / weights_BTS.sum(-1, keepdim=True).clamp_min(1)) @ memory_BSD
