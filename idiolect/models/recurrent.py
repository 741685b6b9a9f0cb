"""Recurrent language models, Elman's, LSTM and GRU: token ids in, hidden states out, one state carried along.

Start at `Recurrent.forward`, then `Layer`. The cells are torch's fused ones (oneDNN on a CPU, cuDNN on a GPU) with
parameters of our own names, so that weights can be dropped before a cell reads them. A layer's tensors stand time
first, (T, B, D), as the cells want them. Letters: idiolect/models/__init__.py.

A hand-fused LSTM (one product and eight pointwise calls a step, its backward written out) was measured beside torch's,
forward and backward at 64 x 64 x 256 on one core: 170 ms against 162 in float32, 104 against 88 in bfloat16. Torch's
stayed.
"""

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import _VF, Tensor, nn

from idiolect.models.config.recurrent import RecurrentConfig
from idiolect.models.dropouts import KeptWords, WeightDropout, WordDropout, build_locked_dropout
from idiolect.models.initialise import Row, initialise
from idiolect.models.layers import Embedding
from idiolect.models.measure import check_memory
from idiolect.models.recurrent_cache import RecurrentCache
from idiolect.models.segments import Segments, State, document_segments, prefix_segments


class Layer(nn.Module):
    """One layer of cells: (T, B, D) to (T, B, D'). Gates stand one above the other in torch's order.

    LSTM: input, forget, candidate, output. GRU: reset, update, candidate, with `bias_hidden` inside the reset gate's
    reach. torch adds two biases to each gate; where they can't be told apart we have one.
    """

    def __init__(self, config: RecurrentConfig, d_in: int, d_out: int):
        super().__init__()
        rows = config.n_gates * d_out
        self.input_weight = nn.Parameter(torch.empty(rows, d_in))
        self.hidden_weight = nn.Parameter(torch.empty(rows, d_out))
        self.bias = nn.Parameter(torch.empty(rows)) if config.bias else None
        has_second_bias = config.bias and config.n_bias > config.n_gates
        self.bias_hidden = nn.Parameter(torch.empty(d_out)) if has_second_bias else None
        self.register_buffer("no_bias", torch.zeros(rows - d_out * has_second_bias), persistent=False)
        self.drop_weight = WeightDropout(config.weight_dropout) if config.weight_dropout else nn.Identity()
        self.run = functools.partial(_run, _CELLS[config.kind](config))
        self.d_out, self.n_states = d_out, 2 if config.kind == "lstm" else 1
        self.fused_rows = {name: (d_out,) * config.n_gates for name in ("input_weight", "hidden_weight")}

    def forward(self, x_TBD: Tensor, state: State, segments: Segments | None) -> tuple[Tensor, State]:
        weights = [self.input_weight, self.drop_weight(self.hidden_weight), *self._biases()]
        if segments is None:
            return self.run(x_TBD, None, state, weights)
        packed_ND, ends = self.run(segments.pack(x_TBD), segments.n_rows_T, segments.begin(state), weights)
        return segments.unpack(packed_ND, x_TBD.shape[:2]), segments.end(ends, state)

    def _biases(self) -> list[Tensor]:
        if self.bias is None:
            return []
        if self.bias_hidden is None:
            return [self.bias, self.no_bias]
        return [self.bias, torch.cat([self.no_bias, self.bias_hidden])]

    def new_state(self, n_rows: int) -> State:
        """Nothing read yet."""
        return tuple(self.input_weight.new_zeros(n_rows, self.d_out) for _ in range(self.n_states))


def _run(
    cell: Callable, x: Tensor, n_rows_T: Tensor | None, state: State, weights: list[Tensor]
) -> tuple[Tensor, State]:
    """Call a cell of torch's, on (T, B, D) or on packed positions (N, D)."""
    start = [h.to(x.dtype)[None] for h in state]
    # The cell wants an LSTM's two states as one argument; `train` must be set wherever a gradient is wanted, or cuDNN
    # and oneDNN keep nothing for it: ours is a matter of gradients, not of dropout.
    settings = (weights, len(weights) > 2, 1, 0.0, torch.is_grad_enabled(), False)
    start = start[0] if len(start) == 1 else start
    if n_rows_T is None:
        out, *ends = cell(x, start, *settings, False)
    else:
        out, *ends = cell(x, n_rows_T, start, *settings)
    # States are kept in full: over a long text the rounding of bfloat16 would add up.
    return out, tuple(h[0].float() if h.dtype.itemsize < 4 else h[0] for h in ends)


_CELLS = {
    "lstm": lambda config: _VF.lstm,
    "gru": lambda config: _VF.gru,
    "rnn": lambda config: _VF.rnn_tanh if config.activation == "tanh" else _VF.rnn_relu,
}


class NoPenalty(nn.Module):
    """Outputs cost nothing."""

    def forward(self, raw_TBD: Tensor, dropped_TBD: Tensor) -> Tensor:
        return raw_TBD.new_zeros(())


class OutputPenalty(nn.Module):
    """AR and TAR (arXiv 1708.01009): a pull of the outputs towards nothing, and towards the position before."""

    def __init__(self, activation: float, change: float):
        super().__init__()
        self.activation, self.change = activation, change

    def forward(self, raw_TBD: Tensor, dropped_TBD: Tensor) -> Tensor:
        if not self.training:
            return raw_TBD.new_zeros(())
        penalty = self.activation * dropped_TBD.float().square().mean()
        if len(raw_TBD) > 1 and self.change:
            penalty = penalty + self.change * (raw_TBD[1:] - raw_TBD[:-1]).float().square().mean()
        return penalty


class Recurrent(nn.Module):
    """A recurrent language model of any of the three kinds; see `contract.Model` for what it promises.

    With a cache and `document_BT` together, the document that the cache holds has the number 0.
    """

    reads = "left"
    unbounded = True
    head_names = ("unembed.weight",)
    logit_softcap = 0.0

    def __init__(self, config: RecurrentConfig, vocabulary_size: int):
        super().__init__()
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed, self.scale = Embedding(vocabulary_size, config.d_model), config.resolved_embedding_scale
        self.drop_words = WordDropout(config.word_dropout) if config.word_dropout else KeptWords()
        self.drop_input = build_locked_dropout(config.input_dropout, config.dropout)
        self.layers = nn.ModuleList(Layer(config, d_in, d_out) for d_in, d_out in config.widths)
        self.drop_hidden = build_locked_dropout(config.hidden_dropout, config.dropout)
        self.drop_output = build_locked_dropout(config.output_dropout, config.dropout)
        penalised = config.activation_penalty or config.change_penalty
        self.penalty = OutputPenalty(config.activation_penalty, config.change_penalty) if penalised else NoPenalty()
        # A tied head registers no second parameter: safetensors refuses tensors that share memory.
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)
        self._auxiliary_loss: Tensor | None = None

    def forward(
        self, tokens_BT: Tensor, cache: RecurrentCache | None = None, document_BT: Tensor | None = None
    ) -> tuple[Tensor, RecurrentCache | None]:
        segments = None if document_BT is None else document_segments(document_BT, cache is not None)
        before = self._new_states(len(tokens_BT)) if cache is None else cache.states
        raw_TBD, states = self._read(tokens_BT, before, segments)
        dropped_TBD = self.drop_output(raw_TBD)
        self._auxiliary_loss = self.penalty(raw_TBD, dropped_TBD)
        if cache is not None:
            cache.advance(states, tokens_BT, can_be_cut=document_BT is None)
        return dropped_TBD.transpose(0, 1) * self.scale, cache

    def _read(self, tokens_BT: Tensor, before: list[State], segments: Segments | None) -> tuple[Tensor, list[State]]:
        """The last layer's outputs (T, B, D) before dropout, and every layer's state at the end."""
        tokens_TB = tokens_BT.t()
        x_TBD = self.embed(tokens_TB) * self.scale
        x_TBD = self.drop_input(self.drop_words(x_TBD, tokens_TB, self.vocabulary_size))
        states = []
        for number, (layer, state) in enumerate(zip(self.layers, before, strict=True)):
            x_TBD, state = layer(self.drop_hidden(x_TBD) if number else x_TBD, state, segments)
            states.append(state)
        return x_TBD, states

    def _read_again(self, tokens_BT: Tensor, before: list[State], lengths_B: Tensor) -> list[State]:
        with torch.no_grad():
            return self._read(tokens_BT, before, prefix_segments(lengths_B))[1]

    def auxiliary_loss(self) -> Tensor:
        """The outputs' penalty of the last forward pass, a mean per token; it lets go of what it kept for it."""
        loss, self._auxiliary_loss = self._auxiliary_loss, None
        return self.embed.weight.new_zeros(()) if loss is None else loss

    def head(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.head_weight)

    @property
    def head_weight(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    def initialise(self, seed: int) -> None:
        """Fill every parameter from `recurrent_table`."""
        initialise(self, recurrent_table(self.config), seed)

    def new_cache(self, n_rows: int, capacity: int = 0) -> RecurrentCache:
        """An empty cache; it holds texts of any length, so `capacity` decides nothing."""
        return RecurrentCache(self._new_states(n_rows), self._read_again)

    def _new_states(self, n_rows: int) -> list[State]:
        return [layer.new_state(n_rows) for layer in self.layers]


def recurrent_table(config: RecurrentConfig) -> list[Row]:
    """Where each parameter starts. Sources:

    Embeddings: uniform and narrow, with a factor beside them (see the config). Cells: uniform within 1 / sqrt(width)
    (torch, AWD-LSTM), a bound on sums of that many products; hidden matrices orthogonal (arXiv 1312.6120) or, for ReLU,
    the identity (arXiv 1504.00941) on request. Biases: zero, the LSTM's forget gate 1 (Jozefowicz et al.
    2015): it remembers before it has learned what to forget.
    """
    layers: list[Row] = []
    for layer, (_, d_out) in enumerate(config.widths):
        uniform = ("uniform", config.init_range or 1 / math.sqrt(d_out))
        hidden = uniform if config.hidden_init == "uniform" else (config.hidden_init, 1.0)
        layers += [
            (f"layers.{layer}.input_weight", *uniform),
            (f"layers.{layer}.hidden_weight", *hidden),
        ]
    forget = ("second_quarter", config.forget_bias) if config.kind == "lstm" else ("zeros", 0.0)
    return [
        ("embed.weight", "uniform", config.embedding_range),
        ("unembed.weight", "uniform", config.embedding_range),
        ("layers.*.bias", *forget),
        ("layers.*.bias_hidden", "zeros", 0.0),
        *layers,
    ]
