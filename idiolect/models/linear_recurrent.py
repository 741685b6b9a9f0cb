"""Mamba-2: a linear recurrence in the place of attention; token ids in, hidden states out, reading leftward only.

Start at `Mamba2.forward`, then `StateSpace`. What is carried between tokens is of one size however long the text; a
whole window is read by matrix products (`scan.py`). Letters: idiolect/models/__init__.py and scan.py.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.carried import CarriedCache, History
from idiolect.models.config import Mamba2Config
from idiolect.models.initialise import Row, initialise
from idiolect.models.layers import Embedding, Linear, build_dropout, build_mlp
from idiolect.models.measure import check_memory
from idiolect.models.norms import build_norm
from idiolect.models.pieces import count_pieces
from idiolect.models.scan import Signals, scan, state_at, step
from idiolect.models.short_convolution import ShortConvolution

# softplus(-20) = exp(-20) = 2e-9: a smaller step writes nothing, a smaller decay keeps nothing; the logarithm of one
# must stay finite, and sums of the other small enough for their differences to be exact to 1e-4.
_LEAST = -20.0


class LayerState:
    """What one layer carries: the last inputs of its convolution and the state of its recurrence (float32)."""

    def __init__(self, history: History, state_BHKR: Tensor):
        self.history, self.state_BHKR = history, state_BHKR
        self._driven: tuple[Signals, Tensor] | None = None

    def advance(self, signals: Signals, state_BHKR: Tensor) -> None:
        """The recurrence was driven by these signals into a new state."""
        self._driven, self.state_BHKR = (signals, self.state_BHKR), state_BHKR

    def cut(self, kept_B: Tensor) -> None:
        self.history.cut(kept_B)
        self.state_BHKR, self._driven = state_at(*self._driven, kept_B), None

    def select(self, rows_B: Tensor) -> "LayerState":
        return LayerState(self.history.select(rows_B), self.state_BHKR[rows_B])

    def detach(self) -> None:
        self.history.detach()
        self.state_BHKR, self._driven = self.state_BHKR.detach(), None

    def tensors(self) -> tuple[Tensor, ...]:
        return *self.history.tensors(), self.state_BHKR

    def replace(self, *tensors: Tensor) -> None:
        inputs_BWD, self.state_BHKR = tensors
        self.history.replace(inputs_BWD)
        self._driven = None


class StateSpace(nn.Module):
    """Gate, convolve, recur: the mixing layer of Mamba-2 (arXiv 2405.21060, figure 6), one group of heads."""

    def __init__(self, config: Mamba2Config):
        super().__init__()
        self.config = config
        inner = config.resolved_d_inner
        self.into = Linear(config.d_model, sum(config.mixing_rows), bias=config.bias)
        self.convolution = ShortConvolution(config.convolved, config.conv_width, config.bias)
        self.log_rate = nn.Parameter(torch.empty(config.n_heads))
        self.step_bias = nn.Parameter(torch.empty(config.n_heads))
        self.skip = nn.Parameter(torch.empty(config.n_heads))
        self.norm = build_norm(config, inner)
        self.out = Linear(inner, config.d_model, bias=config.bias)

    def forward(self, x_BTD: Tensor, piece_BT: Tensor | None, carried: LayerState | None) -> Tensor:
        config = self.config
        parts = (config.resolved_d_inner, config.convolved, config.n_heads)
        gate_BTE, inputs_BTC, step_BTH = self.into(x_BTD).split(parts, -1)
        history = None if carried is None else carried.history
        signals = self._signals(self.convolution(inputs_BTC, history, piece_BT), step_BTH)
        if carried is None:
            y_BTHK, _ = scan(signals, self.skip, None, piece_BT, config.chunk)
        else:
            if x_BTD.shape[1] == 1 and piece_BT is None:
                y_BTHK, state_BHKR = step(signals, self.skip, carried.state_BHKR)
            else:
                y_BTHK, state_BHKR = scan(signals, self.skip, carried.state_BHKR, piece_BT, config.chunk)
            carried.advance(signals, state_BHKR)
        return self.out(self.norm(y_BTHK.flatten(2) * F.silu(gate_BTE)))

    def spread(self) -> None:
        """Rates from 1 to 16 (arXiv 2405.21060's code), steps evenly in logarithm: the heads remember unlike lengths.

        Evenly, where the reference draws at random: with four heads a draw may leave a whole range of lengths out.
        """
        config, n = self.config, self.config.n_heads
        place_H = (torch.arange(n, dtype=torch.float64) + 0.5) / n
        # A stride through the heads, so that the longest memory is not always the slowest rate.
        self.log_rate.copy_((1 + 15 * place_H.roll(n // 2)).log())
        low, high = math.log(config.step_min), math.log(config.step_max)
        step_H = (low + (high - low) * place_H).exp()
        # The inverse of softplus: x + log(1 - exp(-x)).
        self.step_bias.copy_(step_H + torch.log(-torch.expm1(-step_H)))

    def _signals(self, convolved_BTC: Tensor, step_BTH: Tensor) -> Signals:
        config = self.config
        x_BTE, b_BTR, c_BTR = convolved_BTC.split((config.resolved_d_inner, config.d_state, config.d_state), -1)
        # Rates and steps are exponents: 8 bits would not do.
        precise = torch.promote_types(step_BTH.dtype, torch.float32)
        step_BTH = F.softplus((step_BTH.to(precise) + self.step_bias).clamp(min=_LEAST))
        return Signals(
            x_BTE.unflatten(-1, (config.n_heads, config.d_head)),
            (step_BTH * -self.log_rate.exp()).clamp(min=_LEAST),
            step_BTH.log(),
            b_BTR,
            c_BTR,
        )


class Block(nn.Module):
    """x + mix(norm(x)), then x + think(norm(x))."""

    def __init__(self, config: Mamba2Config):
        super().__init__()
        self.norm_mixing = build_norm(config, config.d_model)
        self.mixing = StateSpace(config)
        self.norm_mlp = build_norm(config, config.d_model)
        self.mlp = build_mlp(config)
        self.dropout = build_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, piece_BT: Tensor | None, carried: LayerState | None) -> Tensor:
        x_BTD = x_BTD + self.dropout(self.mixing(self.norm_mixing(x_BTD), piece_BT, carried))
        return x_BTD + self.dropout(self.mlp(self.norm_mlp(x_BTD)))


class Mamba2(nn.Module):
    """A state-space language model; see `contract.Model` for what it promises.

    With a cache and `document_BT` together, the document that the cache holds has the number 0.
    """

    reads = "left"
    unbounded = True
    head_names = ("unembed.weight",)
    logit_softcap = 0.0

    def __init__(self, config: Mamba2Config, vocabulary_size: int):
        super().__init__()
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed = Embedding(vocabulary_size, config.d_model)
        self.dropout = build_dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.final_norm = build_norm(config, config.d_model)
        # A tied head registers no second parameter: safetensors refuses tensors that share memory.
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)

    def forward(
        self, tokens_BT: Tensor, cache: CarriedCache | None = None, document_BT: Tensor | None = None
    ) -> tuple[Tensor, CarriedCache | None]:
        piece_BT = count_pieces(document_BT, cache is not None)
        x_BTD = self.dropout(self.embed(tokens_BT))
        for layer, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, piece_BT, None if cache is None else cache.layers[layer])
        if cache is not None:
            cache.finish(tokens_BT.shape[1], can_be_cut=document_BT is None)
        return self.final_norm(x_BTD), cache

    def head(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.head_weight)

    @property
    def head_weight(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    @property
    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Matrices that hold several side by side, and the rows of each: an optimiser of matrices takes them apart."""
        config = self.config
        rows = {f"blocks.{layer}.mixing.into.weight": config.mixing_rows for layer in range(config.n_layers)}
        if config.gated_mlp:
            ff = (config.resolved_d_ff,) * 2
            rows |= {f"blocks.{layer}.mlp.gate_up.weight": ff for layer in range(config.n_layers)}
        return rows

    def initialise(self, seed: int) -> None:
        """Fill every parameter from `mamba2_table`; rates and steps are then spread over the heads."""
        initialise(self, mamba2_table(self.config), seed)
        with torch.no_grad():
            for block in self.blocks:
                block.mixing.spread()

    def new_cache(self, n_rows: int, capacity: int = 0) -> CarriedCache:
        """Empty states for `n_rows` rows; of one size, so `capacity` decides nothing."""
        config, like = self.config, self.embed.weight
        precise = torch.promote_types(like.dtype, torch.float32)
        shape = (n_rows, config.n_heads, config.d_head, config.d_state)
        layers = [
            LayerState(
                History(like.new_zeros(n_rows, config.conv_width - 1, config.convolved)),
                like.new_zeros(shape, dtype=precise),
            )
            for _ in self.blocks
        ]
        return CarriedCache(layers, torch.zeros(n_rows, dtype=torch.int64, device=like.device))


def mamba2_table(config: Mamba2Config) -> list[Row]:
    """Where each parameter of a Mamba-2 starts.

    Matrices, embeddings and projections as in GPT-2 (see initialise.py); convolution uniform on +-1 / sqrt(width), as
    PyTorch's own (the reference code of arXiv 2405.21060 leaves it so); skip 1. Rates and steps: `StateSpace.spread`.
    """
    std = config.init_std
    projection = ("zeros", 0.0) if config.zero_init_projections else ("normal", std / math.sqrt(2 * config.n_layers))
    return [
        ("*.log_rate", "zeros", 0.0),
        ("*.step_bias", "zeros", 0.0),
        ("*.skip", "ones", 1.0),
        ("*.convolution.taps.*", "uniform", 1 / math.sqrt(config.conv_width)),
        ("*bias", "zeros", 0.0),
        ("*norm*.weight", "ones", 1.0),
        ("*embed.weight", "normal", std),
        ("*.mixing.out.weight", *projection),
        ("*.mlp.down.weight", *projection),
        ("*.mixing.into.weight", "normal", std),
        ("*.mlp.*up.weight", "normal", std),
    ]
