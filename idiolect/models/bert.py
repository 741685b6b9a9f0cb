"""BERT, a Transformer encoder: token ids in, hidden states out, each position reading all others, left and right.

Start at `Bert.forward`, then `BlockBefore` (norms before each branch, as in ModernBERT) and `BlockAfter` (as in BERT).
What the hidden states leave is the head's transform, so that the head itself is one matrix and the loss can be fused
with it. Letters: idiolect/models/__init__.py.
"""

import math
from typing import NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.errors import RecipeError
from idiolect.models.attention import Attention, Shared
from idiolect.models.config import BertConfig
from idiolect.models.initialise import Row, initialise
from idiolect.models.layers import Embedding, Linear, build_activation, build_dropout, build_mlp
from idiolect.models.masks import build_surroundings
from idiolect.models.measure import check_memory
from idiolect.models.norms import build_norm
from idiolect.models.positions import NoTable, RotaryTable, build_positions, check_length

_DRAWN = (
    "embed.weight", "unembed.weight", "positions.weight", "*.attention.qkv.weight", "*.mlp.*up.weight",
    "transform.dense.weight",
)  # fmt: skip


def bert_table(config: BertConfig) -> list[Row]:
    """Where each parameter of a BERT starts.

    BERT (arXiv 1810.04805, its code): normal(0, 0.02), there cut at two deviations; biases 0, scales 1. With norms
    before the branches the stream grows with depth, so the last projection of each branch is divided by
    sqrt(2 x layers) (GPT-2; ModernBERT, appendix A of arXiv 2412.13663, after Megatron).
    """
    last = config.init_std / (math.sqrt(2 * config.n_layers) if config.norm_at == "before" else 1)
    return [
        ("*.bias", "zeros", 0.0),
        ("*norm*.weight", "ones", 1.0),
        ("*.attention.out.weight", "normal", last),
        ("*.mlp.down.weight", "normal", last),
        *((name, "normal", config.init_std) for name in _DRAWN),
    ]


class BlockBefore(nn.Module):
    """x + attend(norm(x)), then x + think(norm(x))."""

    def __init__(self, config: BertConfig, layer: int, vocabulary_size: int):
        super().__init__()
        normed = layer > 0 or config.first_norm
        self.norm_attention = build_norm(config, config.d_model) if normed else nn.Identity()
        self.attention = Attention(config, layer, vocabulary_size)
        self.norm_mlp = build_norm(config, config.d_model)
        self.mlp = build_mlp(config)
        self.dropout = build_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, shared: Shared) -> Tensor:
        x_BTD = x_BTD + self.attention(self.norm_attention(x_BTD), shared)
        return x_BTD + self.dropout(self.mlp(self.norm_mlp(x_BTD)))


class BlockAfter(nn.Module):
    """norm(x + attend(x)), then norm(x + think(x))."""

    def __init__(self, config: BertConfig, layer: int, vocabulary_size: int):
        super().__init__()
        self.attention = Attention(config, layer, vocabulary_size)
        self.norm_attention = build_norm(config, config.d_model)
        self.mlp = build_mlp(config)
        self.norm_mlp = build_norm(config, config.d_model)
        self.dropout = build_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, shared: Shared) -> Tensor:
        x_BTD = self.norm_attention(x_BTD + self.attention(x_BTD, shared))
        return self.norm_mlp(x_BTD + self.dropout(self.mlp(x_BTD)))


BLOCKS = {"before": BlockBefore, "after": BlockAfter}


class Transform(nn.Module):
    """norm(activate(dense(x))): what stands between the last block and the matrix of the head."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.dense = Linear(config.d_model, config.d_model, bias=config.bias)
        self.activation = build_activation(config.mlp)
        self.norm = build_norm(config, config.d_model)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.norm(self.activation(self.dense(x_BTD)))


class PlainLogits(nn.Module):
    """hidden W^T."""

    def extend(self, hidden_BTD: Tensor) -> Tensor:
        return hidden_BTD

    def matrix(self, weight_VD: Tensor) -> Tensor:
        return weight_VD

    def forward(self, hidden: Tensor, weight_VD: Tensor) -> Tensor:
        return F.linear(hidden, weight_VD)


class BiasedLogits(nn.Module):
    """hidden W^T + b, where b is one more column of W, read by a constant 1: a fused loss knows matrices only."""

    def __init__(self, vocabulary_size: int):
        super().__init__()
        self.bias = nn.Parameter(torch.empty(vocabulary_size))

    def extend(self, hidden_BTD: Tensor) -> Tensor:
        return F.pad(hidden_BTD, (0, 1), value=1.0)

    def matrix(self, weight_VD: Tensor) -> Tensor:
        return torch.cat((weight_VD, self.bias[:, None]), dim=1)

    def forward(self, hidden: Tensor, weight_VD: Tensor) -> Tensor:
        return F.linear(hidden[..., :-1], weight_VD, self.bias)


class Bert(nn.Module):
    """A bidirectional Transformer encoder; see `contract.Model` for what it promises."""

    reads = "both"
    unbounded = False
    head_names = ("unembed.weight",)
    logit_softcap = 0.0

    def __init__(self, config: BertConfig, vocabulary_size: int):
        super().__init__()
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        # What hides a token: the objective's own id stands after the tokenizer's (another in a model from elsewhere).
        self.mask_id = vocabulary_size - 1
        self.embed = Embedding(vocabulary_size, config.d_model)
        self.positions = build_positions(config)
        self.rotary_tables = nn.ModuleDict({str(window): _table(config, window) for window in set(config.windows)})
        self.embedding_norm = build_norm(config, config.d_model) if config.embedding_norm else nn.Identity()
        self.dropout = build_dropout(config.dropout)
        block = BLOCKS[config.norm_at]
        self.blocks = nn.ModuleList(block(config, layer, vocabulary_size) for layer in range(config.n_layers))
        self.final_norm = build_norm(config, config.d_model) if config.norm_at == "before" else nn.Identity()
        self.transform = Transform(config)
        # A tied head registers no second parameter: safetensors refuses tensors that share memory.
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)
        self.to_logits = BiasedLogits(vocabulary_size) if config.head_bias else PlainLogits()

    def forward(self, tokens_BT: Tensor, cache: None = None, document_BT: Tensor | None = None) -> tuple[Tensor, None]:
        """Hidden states (B, T, D), and no cache: what a token means changes with each one that follows.

        `document_BT` numbers the documents of a window, padding being one more; each is read by itself.
        """
        assert cache is None, "an encoder reads whole texts"
        shared = self._share(tokens_BT, document_BT)
        x_BTD = self.positions(self.embed(tokens_BT), shared[self.config.windows[0]].positions_BT)
        x_BTD = self.dropout(self.embedding_norm(x_BTD))
        for block, window in zip(self.blocks, self.config.windows, strict=True):
            x_BTD = block(x_BTD, shared[window])
        return self.to_logits.extend(self.transform(self.final_norm(x_BTD))), None

    def _share(self, tokens_BT: Tensor, document_BT: Tensor | None) -> dict[int, Shared]:
        """What the layers of each window share."""
        n_positions = tokens_BT.shape[1]
        check_length(n_positions, self.context_length)
        positions_1T = torch.arange(n_positions, device=tokens_BT.device)[None]
        return {
            window: Shared(
                tokens_BT, positions_1T, self.rotary_tables[str(window)](positions_1T),
                {window: build_surroundings(window, positions_1T, document_BT)}, None,
            )
            for window in sorted(set(self.config.windows))
        }  # fmt: skip

    def head(self, hidden: Tensor) -> Tensor:
        return self.to_logits(hidden, self._unembedding)

    @property
    def head_weight(self) -> Tensor:
        return self.to_logits.matrix(self._unembedding)

    @property
    def _unembedding(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    @property
    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Matrices that hold several side by side, and the rows of each: an optimiser of matrices takes them apart."""
        config = self.config
        rows = {f"blocks.{layer}.attention.qkv.weight": (config.d_model,) * 3 for layer in range(config.n_layers)}
        if config.gated_mlp:
            ff = (config.resolved_d_ff,) * 2
            rows |= {f"blocks.{layer}.mlp.gate_up.weight": ff for layer in range(config.n_layers)}
        return rows

    def initialise(self, seed: int) -> None:
        """Fill every parameter from `bert_table`."""
        initialise(self, bert_table(self.config), seed)

    def new_cache(self, n_rows: int, capacity: int = 0) -> NoReturn:
        """Raises RecipeError: there is nothing to carry from one token to the next."""
        raise RecipeError(
            'a model of model.kind = "bert" has no cache',
            why="it reads both sides of a token: each new one changes what all others mean",
            fix="generate.fill.fill or generate.fill.write in Python, or train a writer: --model.kind=gpt",
        )


def _table(config: BertConfig, window: int) -> nn.Module:
    if config.positions != "rotary":
        return NoTable()
    return RotaryTable(config.context_length, config.resolved_d_head, config.theta_of(window))
