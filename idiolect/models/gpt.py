"""GPT, a decoder-only Transformer: token ids in, hidden states out, reading leftward only.

Start at `GPT.forward`, then `Block`. Skip the cache the first time: it only makes generation fast, and
tests/models/test_cache.py proves that it changes nothing. Letters: idiolect/models/__init__.py.
"""

import torch
from torch import Tensor, nn

from idiolect.models.attention import Attention, Shared
from idiolect.models.cache import KeyValueCache
from idiolect.models.config import GPTConfig
from idiolect.models.experts import build_experts, expert_rows, sum_auxiliary
from idiolect.models.initialise import gpt_table, initialise
from idiolect.models.layers import Embedding, build_dropout, build_mlp
from idiolect.models.masks import build_reach
from idiolect.models.measure import check_memory
from idiolect.models.ngram_tables import build_head, build_input, check_head_bytes, look_back
from idiolect.models.norms import build_norm
from idiolect.models.positions import build_positions, build_table, check_length


class Block(nn.Module):
    """x + attend(norm(x)), then x + think(norm(x))."""

    def __init__(self, config: GPTConfig, layer: int, vocabulary_size: int):
        super().__init__()
        self.norm_attention = build_norm(config, config.d_model)
        self.attention = Attention(config, layer, vocabulary_size)
        self.norm_mlp = build_norm(config, config.d_model)
        self.mlp = build_experts(config) if layer in config.expert_layer_numbers else build_mlp(config)
        self.dropout = build_dropout(config.dropout)

    def forward(self, x_BTD: Tensor, shared: Shared) -> Tensor:
        x_BTD = x_BTD + self.attention(self.norm_attention(x_BTD), shared)
        return x_BTD + self.dropout(self.mlp(self.norm_mlp(x_BTD)))


class UncappedLogits(nn.Module):
    """Logits as the head's matrix gives them."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits


class CappedLogits(nn.Module):
    """cap * tanh(logits / cap) (arXiv 2408.00118)."""

    def __init__(self, cap: float):
        super().__init__()
        self.cap = cap

    def forward(self, logits: Tensor) -> Tensor:
        return self.cap * torch.tanh(logits / self.cap)


class GPT(nn.Module):
    """A decoder-only Transformer; see `contract.Model` for what it promises."""

    reads = "left"
    unbounded = False
    head_names = ("unembed.weight",)

    def __init__(self, config: GPTConfig, vocabulary_size: int):
        super().__init__()
        check_head_bytes(config, vocabulary_size)
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed = Embedding(vocabulary_size, config.d_model)
        self.ngrams = build_input(config, vocabulary_size)
        self.positions = build_positions(config)
        self.rotary_table = build_table(config)
        self.embedding_norm = build_norm(config, config.d_model) if config.embedding_norm else nn.Identity()
        self.dropout = build_dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer, vocabulary_size) for layer in range(config.n_layers))
        self.final_norm = build_norm(config, config.d_model)
        # A tied head registers no second parameter: safetensors refuses tensors that share memory.
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)
        self.to_logits = build_head(config, vocabulary_size)
        self.cap_logits = CappedLogits(config.logit_softcap) if config.logit_softcap else UncappedLogits()

    def forward(
        self, tokens_BT: Tensor, cache: KeyValueCache | None = None, document_BT: Tensor | None = None
    ) -> tuple[Tensor, KeyValueCache | None]:
        assert cache is None or document_BT is None, "a cache holds one document a row"
        shared = self._share(tokens_BT, cache, document_BT)
        history_nBT = self._look_back(shared, document_BT)
        x_BTD = self.ngrams(self.embed(tokens_BT), history_nBT)
        x_BTD = self.dropout(self.embedding_norm(self.positions(x_BTD, shared.positions_BT)))
        for block in self.blocks:
            x_BTD = block(x_BTD, shared)
        if cache is not None:
            cache.finish(tokens_BT.shape[1])
        return self.to_logits.extend(self.final_norm(x_BTD), history_nBT), cache

    def _share(self, tokens_BT: Tensor, cache: KeyValueCache | None, document_BT: Tensor | None) -> Shared:
        n_source = tokens_BT.shape[1] + (0 if cache is None else cache.length)
        check_length(n_source, self.context_length)
        windows = sorted(set(self.config.windows))
        if cache is None:
            positions_BT = torch.arange(n_source, device=tokens_BT.device)[None]
            reach = {window: build_reach(window, positions_BT, n_source, False, document_BT) for window in windows}
        else:
            positions_BT = cache.start(tokens_BT)
            reach = {window: cache.reach(window, positions_BT) for window in windows}
        return Shared(tokens_BT, positions_BT, self.rotary_table(positions_BT), reach, cache)

    def _look_back(self, shared: Shared, document_BT: Tensor | None) -> list[Tensor]:
        n_places = max((*self.config.ngram_orders, *self.config.ngram_head_orders), default=0)
        cached_BS = None if shared.cache is None else shared.cache.tokens_BS
        return look_back(n_places, self.vocabulary_size, shared.tokens_BT, cached_BS, shared.positions_BT, document_BT)

    def head(self, hidden: Tensor) -> Tensor:
        return self.cap_logits(self.to_logits(hidden, self._unembedding))

    @property
    def head_weight(self) -> Tensor:
        return self.to_logits.matrix(self._unembedding)

    @property
    def _unembedding(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    @property
    def logit_softcap(self) -> float:
        return self.config.logit_softcap

    @property
    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Matrices that hold several side by side, and the rows of each: an optimiser of matrices takes them apart."""
        config = self.config
        q, kv = config.n_heads * config.resolved_d_head, config.resolved_n_kv_heads * config.resolved_d_head
        rows = {f"blocks.{layer}.attention.qkv.weight": (q, kv, kv) for layer in range(config.n_layers)}
        if config.gated_mlp:
            ff = (config.resolved_d_ff,) * 2
            rows |= {f"blocks.{layer}.mlp.gate_up.weight": ff for layer in range(config.n_layers)}
        return rows | expert_rows(config)

    def auxiliary_loss(self) -> Tensor:
        """What the experts' routers add to the loss, a mean per token of the last forward pass in training (0-d)."""
        return sum_auxiliary(self)

    def initialise(self, seed: int) -> None:
        """Fill every parameter from the table in `initialise.py`."""
        initialise(self, gpt_table(self.config), seed)

    def new_cache(self, n_rows: int, capacity: int = 0) -> KeyValueCache:
        config = self.config
        return KeyValueCache(
            config.windows, n_rows, config.resolved_n_kv_heads, capacity or self.context_length,
            config.resolved_d_head, self.embed.weight,
        )  # fmt: skip
