"""A gated convolutional language model (arXiv 1612.08083): token ids in, hidden states out, reading leftward only.

Start at `CNN.forward`, then `GatedConvolution`. What is carried between tokens is the last inputs of each layer, of one
size however long the text. Letters: idiolect/models/__init__.py; W positions a filter reads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.carried import CarriedCache, History
from idiolect.models.config import CNNConfig
from idiolect.models.initialise import Row, initialise
from idiolect.models.layers import Embedding, build_dropout
from idiolect.models.measure import check_memory
from idiolect.models.norms import build_norm
from idiolect.models.pieces import count_pieces


def convolve(x_BSD: Tensor, weight: Tensor, bias_F: Tensor | None, width: int, dilation: int = 1) -> Tensor:
    """Filters (F, width D), the oldest position first, over time: (B, S, D) to (B, S - (width - 1) dilation, F).

    oneDNN's convolution is the fastest on a CPU, over (B, S, D) as it lies (channels last). Forward and backward on one
    core, best of 12, at 16 x 256 positions, 256 to 2 x 256 channels, width 4: 122 ms; a sum of shifted products, time
    first, 138; the positions side by side and one product, 143; channels first, 126 and two transpositions. At 12 x 128
    positions, 128 to 2 x 128 channels, the first two took 13.1 and 13.3. (Its linear map over a slice of a matrix took
    300 times as long as a product of ours: hence no shifted products by oneDNN.)
    """
    filters_FDW = weight.unflatten(1, (width, -1)).transpose(1, 2)
    # As an image one row high, since only those may lie channels last.
    y_BF1T = F.conv2d(x_BSD.transpose(1, 2).unsqueeze(2), filters_FDW.unsqueeze(2), bias_F, dilation=(1, dilation))
    return y_BF1T.squeeze(2).transpose(1, 2)


class Filters(nn.Module):
    """A matrix (F, W D): each filter a row of W positions, the oldest first."""

    def __init__(self, n_filters: int, n_weights: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_filters, n_weights))

    def forward(self) -> Tensor:
        return self.weight


class NormalisedFilters(Filters):
    """Filters of learned length along learned directions (arXiv 1602.07868)."""

    def __init__(self, n_filters: int, n_weights: int):
        super().__init__(n_filters, n_weights)
        self.length = nn.Parameter(torch.empty(n_filters))

    def forward(self) -> Tensor:
        return self.weight * (self.length / torch.linalg.vector_norm(self.weight, dim=1))[:, None]


class GatedConvolution(nn.Module):
    """value * sigmoid(gate), both of one convolution (equation 1): width D to D', over `width` positions.

    The value's filters stand above the gate's.
    """

    def __init__(self, d_in: int, d_out: int, width: int, dilation: int, bias: bool, weight_norm: bool):
        super().__init__()
        self.d_in, self.width, self.dilation, self.n_past = d_in, width, dilation, (width - 1) * dilation
        self.filters = (NormalisedFilters if weight_norm else Filters)(2 * d_out, width * d_in)
        self.bias = nn.Parameter(torch.empty(2 * d_out)) if bias else None
        self.fused_rows = {"filters.weight": (d_out, d_out)}

    def forward(self, x_BTD: Tensor, history: History | None = None, piece_BT: Tensor | None = None) -> Tensor:
        """(B, T, D'); `history` holds the inputs before these. `piece_BT` counts boundaries: no filter crosses one."""
        if self.width == 1:
            return F.glu(F.linear(x_BTD, self.filters(), self.bias), -1)
        before_BSD = F.pad(x_BTD, (0, 0, self.n_past, 0)) if history is None else history.extend(x_BTD, piece_BT)
        if piece_BT is not None or x_BTD.shape[1] == 1:
            return F.glu(self._by_product(before_BSD, piece_BT), -1)
        return F.glu(convolve(before_BSD, self.filters(), self.bias, self.width, self.dilation), -1)

    def _by_product(self, before_BSD: Tensor, piece_BT: Tensor | None) -> Tensor:
        """The W positions side by side, those of other documents zero; then one product. Also for a single token."""
        n_new = before_BSD.shape[1] - self.n_past
        read = [before_BSD[:, start : start + n_new] for start in range(0, self.n_past + 1, self.dilation)]
        if piece_BT is not None:
            # What came before the window belongs to the piece numbered 0.
            piece_BS = F.pad(piece_BT, (self.n_past, 0))
            for i, start in enumerate(range(0, self.n_past, self.dilation)):
                read[i] = read[i] * (piece_BS[:, start : start + n_new] == piece_BT)[..., None]
        return F.linear(torch.cat(read, -1), self.filters(), self.bias)


class Block(nn.Module):
    """x + convolve(norm(x)): one gated convolution, or a narrow one between two of width 1."""

    def __init__(self, config: CNNConfig, dilation: int):
        super().__init__()
        self.norm = nn.Identity() if config.norm == "none" else build_norm(config, config.d_model)
        self.convolutions = nn.ModuleList(
            GatedConvolution(d_in, d_out, width, dilation, config.bias, config.weight_norm)
            for d_in, d_out, width in config.filters
        )
        self.dropout = build_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, history: History | None, piece_BT: Tensor | None) -> Tensor:
        y_BTD = self.norm(x_BTD)
        for convolution in self.convolutions:
            y_BTD = convolution(y_BTD, history, piece_BT)
        return x_BTD + self.dropout(y_BTD)

    def new_history(self, n_rows: int) -> History:
        """Nothing read yet; a block has one convolution that reads more than a position."""
        (convolution,) = (part for part in self.convolutions if part.width > 1)
        return History(convolution.filters.weight.new_zeros(n_rows, convolution.n_past, convolution.d_in))


class CNN(nn.Module):
    """A convolutional language model; see `contract.Model` for what it promises.

    With a cache and `document_BT` together, the document that the cache holds has the number 0.
    """

    reads = "left"
    unbounded = True
    head_names = ("unembed.weight",)
    logit_softcap = 0.0

    def __init__(self, config: CNNConfig, vocabulary_size: int):
        super().__init__()
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed = Embedding(vocabulary_size, config.d_model)
        self.dropout = build_dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, dilation) for dilation in config.layer_dilations)
        self.final_norm = nn.Identity() if config.norm == "none" else build_norm(config, config.d_model)
        # A tied head registers no second parameter: safetensors refuses tensors that share memory.
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)

    def forward(
        self, tokens_BT: Tensor, cache: CarriedCache | None = None, document_BT: Tensor | None = None
    ) -> tuple[Tensor, CarriedCache | None]:
        piece_BT = count_pieces(document_BT, cache is not None)
        x_BTD = self.dropout(self.embed(tokens_BT))
        for layer, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, None if cache is None else cache.layers[layer], piece_BT)
        if cache is not None:
            cache.finish(tokens_BT.shape[1], can_be_cut=document_BT is None)
        return self.final_norm(x_BTD), cache

    def head(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.head_weight)

    @property
    def head_weight(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    @property
    def receptive_field(self) -> int:
        """Positions that can decide an output, its own included."""
        return self.config.receptive_field

    def initialise(self, seed: int) -> None:
        """Fill every parameter from `cnn_table`."""
        initialise(self, cnn_table(self.config), seed)

    def new_cache(self, n_rows: int, capacity: int = 0) -> CarriedCache:
        """No inputs yet; of one size, so `capacity` decides nothing."""
        lengths_B = torch.zeros(n_rows, dtype=torch.int64, device=self.embed.weight.device)
        return CarriedCache([block.new_history(n_rows) for block in self.blocks], lengths_B)


def cnn_table(config: CNNConfig) -> list[Row]:
    """Where each parameter of a convolutional model starts.

    Filters: normal(0, sqrt(4 / inputs)), which a gate about half open turns back into the input's size (arXiv
    1705.03122, section 3.5); a block's last divided by sqrt(layers), so that the sum over all blocks is of that size
    too. Lengths: what the filters' are in the mean, so that normalising them changes nothing at the start.
    """
    rows: list[Row] = [
        ("*bias", "zeros", 0.0),
        ("*norm.weight", "ones", 1.0),
        ("*embed.weight", "normal", config.init_std),
    ]
    for number, (d_in, _, width) in enumerate(config.filters):
        last = number == len(config.filters) - 1
        length = 2 / (math.sqrt(config.n_layers) if last else 1)
        rows += [
            (f"*.convolutions.{number}.filters.weight", "normal", length / math.sqrt(width * d_in)),
            (f"*.convolutions.{number}.filters.length", "constant", length),
        ]
    return rows
