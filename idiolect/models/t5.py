"""T5, an encoder-decoder Transformer: the encoder reads a source from both sides, the decoder writes what follows.

Start at `T5.forward`, then `EncoderBlock` and `DecoderBlock`. Positions enter as a bias on the scores, one table for
all layers of the encoder and one for the decoder's; attention to the source has none. Letters:
idiolect/models/__init__.py; S are source positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from idiolect.models.cache import KeyValueCache
from idiolect.models.config import T5Config
from idiolect.models.initialise import Row, initialise
from idiolect.models.kernels import attend
from idiolect.models.layers import Embedding, Linear, build_dropout, build_mlp
from idiolect.models.masks import Reach, build_reach
from idiolect.models.measure import check_memory
from idiolect.models.norms import build_norm
from idiolect.models.positions import NoTable, RotaryTable, build_rotation, check_length
from idiolect.models.relative import NoBias, RelativeBias
from idiolect.models.source_cache import SourceCache
from idiolect.models.source_masks import given, of_source, seeing, within_source


def t5_table(config: T5Config) -> list[Row]:
    """Where each parameter of a T5 starts: Mesh-TensorFlow's, as the released models were.

    Scores are not divided by sqrt(d_head); queries start that much smaller instead, unless a scale or a norm does it.
    An untied head is a dense layer there: its columns' number decides (`mtf.layers.dense`).
    """
    scale, d, width = config.init_scale, config.d_model, config.n_heads * config.resolved_d_head
    query = d**-0.5 * (config.resolved_d_head**-0.5 if config.attention_scale == 1 and not config.qk_norm else 1.0)
    return [
        ("*norm*.weight", "ones", 1.0),
        ("embed.weight", "normal", scale),
        ("unembed.weight", "normal", scale * d**-0.5),
        ("*_bias.table.weight", "normal", scale * d**-0.5),
        ("*.q.weight", "normal", scale * query),
        ("*.kv.weight", "normal", scale * d**-0.5),
        ("*.out.weight", "normal", scale * width**-0.5),
        ("*.mlp.*up.weight", "normal", scale * d**-0.5),
        ("*.mlp.down.weight", "normal", scale * config.resolved_d_ff**-0.5),
    ]


@dataclass(frozen=True)
class Sight:
    """What the layers of one stack share: who sees whom, the angles, and which queries see no key (B, 1, T, 1)."""

    reach: Reach
    rotary: tuple[Tensor, Tensor] | None = None
    blind_B1T1: Tensor | None = None


class Attention(nn.Module):
    """Multi-head attention of queries to keys and values made elsewhere: of the same stream, or of the source."""

    def __init__(self, config: T5Config):
        super().__init__()
        self.d_head = config.resolved_d_head
        width = config.n_heads * self.d_head
        self.q = Linear(config.d_model, width, bias=False)
        self.kv = Linear(config.d_model, 2 * width, bias=False)
        self.norm_q = build_norm(config, self.d_head) if config.qk_norm else nn.Identity()
        self.norm_k = build_norm(config, self.d_head) if config.qk_norm else nn.Identity()
        self.out = Linear(width, config.d_model, bias=False)
        self.rotate = build_rotation(config)
        self.scale, self.dropout = config.resolved_attention_scale, config.dropout
        self.residual_dropout = build_dropout(config.dropout)

    def queries(self, x_BTD: Tensor) -> Tensor:
        """(B, T, H, K), normed, not turned."""
        return self.norm_q(self.q(x_BTD).unflatten(-1, (-1, self.d_head)))

    def memory(self, x_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (normed, not turned) and values of a stream, (B, S, H, K) each."""
        k_BSHK, v_BSHK = self.kv(x_BSD).unflatten(-1, (-1, self.d_head)).chunk(2, dim=2)
        return self.norm_k(k_BSHK), v_BSHK

    def attended(self, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, sight: Sight) -> Tensor:
        """What the queries found, as an addition to the stream, (B, T, D)."""
        found_BHTK = attend(q_BHTK, k_BHSK, v_BHSK, sight.reach, self.scale, self.dropout if self.training else 0.0)
        if sight.blind_B1T1 is not None:
            found_BHTK = found_BHTK.masked_fill(sight.blind_B1T1, 0.0)
        return self.residual_dropout(self.out(found_BHTK.transpose(1, 2).flatten(2)))

    def within(
        self, x_BTD: Tensor, sight: Sight, cache: KeyValueCache | None, layer: int, positions_BT: Tensor
    ) -> Tensor:
        """Attention of a stream to itself."""
        k_BSHK, v_BSHK = self.memory(x_BTD)
        q_BHTK = self.rotate(self.queries(x_BTD), sight.rotary).transpose(1, 2)
        k_BHSK, v_BHSK = self.rotate(k_BSHK, sight.rotary).transpose(1, 2), v_BSHK.transpose(1, 2)
        if cache is not None:
            k_BHSK, v_BHSK = cache.extend(layer, k_BHSK, v_BHSK, positions_BT)
        return self.attended(q_BHTK, k_BHSK, v_BHSK, sight)


class EncoderBlock(nn.Module):
    """x + attend(norm(x)), then x + think(norm(x))."""

    def __init__(self, config: T5Config):
        super().__init__()
        self.norm_attention, self.attention = build_norm(config, config.d_model), Attention(config)
        self.norm_mlp, self.mlp = build_norm(config, config.d_model), build_mlp(config)
        self.dropout = build_dropout(config.dropout)

    def forward(self, x_BSD: Tensor, sight: Sight, positions_1S: Tensor) -> Tensor:
        x_BSD = x_BSD + self.attention.within(self.norm_attention(x_BSD), sight, None, 0, positions_1S)
        return x_BSD + self.dropout(self.mlp(self.norm_mlp(x_BSD)))


class DecoderBlock(nn.Module):
    """An encoder's block that also looks at the source between its two steps."""

    def __init__(self, config: T5Config, layer: int):
        super().__init__()
        self.layer = layer
        self.norm_attention, self.attention = build_norm(config, config.d_model), Attention(config)
        self.norm_cross, self.cross = build_norm(config, config.d_model), Attention(config)
        self.norm_mlp, self.mlp = build_norm(config, config.d_model), build_mlp(config)
        self.dropout = build_dropout(config.dropout)

    def memory(self, source_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the encoded source, (B, H, S, K) each."""
        k_BSHK, v_BSHK = self.cross.memory(source_BSD)
        return k_BSHK.transpose(1, 2), v_BSHK.transpose(1, 2)

    def forward(
        self, x_BTD: Tensor, own: Sight, across: Sight, memory: tuple[Tensor, Tensor], cache: KeyValueCache | None,
        positions_BT: Tensor,
    ) -> Tensor:  # fmt: skip
        x_BTD = x_BTD + self.attention.within(self.norm_attention(x_BTD), own, cache, self.layer, positions_BT)
        q_BHTK = self.cross.queries(self.norm_cross(x_BTD)).transpose(1, 2)
        x_BTD = x_BTD + self.cross.attended(q_BHTK, *memory, across)
        return x_BTD + self.dropout(self.mlp(self.norm_mlp(x_BTD)))


class T5(nn.Module):
    """An encoder-decoder Transformer; see `contract.Model` for what it promises."""

    reads = "source"
    unbounded = False
    head_names = ("unembed.weight",)
    logit_softcap = 0.0

    def __init__(self, config: T5Config, vocabulary_size: int):
        super().__init__()
        check_memory(config, vocabulary_size)
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed = Embedding(vocabulary_size, config.d_model)
        self.rotary_table, self.encoder_bias, self.decoder_bias = _build_positions(config)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.n_layers))
        self.encoder_norm = build_norm(config, config.d_model)
        self.decoder = nn.ModuleList(DecoderBlock(config, i) for i in range(config.resolved_n_decoder_layers))
        self.decoder_norm = build_norm(config, config.d_model)
        self.unembed = None if config.tied_head else Embedding(vocabulary_size, config.d_model)
        # A tied head's rows are as long as embeddings are: about sqrt(d_model) (arXiv 1910.10683; Mesh-TensorFlow).
        self.hidden_scale = config.d_model**-0.5 if config.tied_head else 1.0
        self.dropout = build_dropout(config.dropout)

    def forward(
        self, tokens_BT: Tensor, cache: SourceCache | None = None, document_BT: Tensor | None = None, *,
        source_BS: Tensor | None = None, source_mask_BS: Tensor | None = None,
        source_document_BS: Tensor | None = None,
    ) -> tuple[Tensor, SourceCache | None]:  # fmt: skip
        """Hidden states (B, T, D). The source is given here, or was to `new_cache`. Raises RecipeError without one."""
        if cache is not None:
            memory, source_mask_BS = cache.memory, cache.source_mask_BS
        else:
            encoded_BSD = self.encode(given(source_BS), source_mask_BS, source_document_BS)
            memory = [block.memory(encoded_BSD) for block in self.decoder]
        target = None if cache is None else cache.target
        own, positions_BT = self._own_sight(tokens_BT, target, document_BT)
        reach, blind_BT1 = seeing(of_source(source_mask_BS, document_BT, source_document_BS))
        across = Sight(reach, blind_B1T1=None if blind_BT1 is None else blind_BT1[:, None])
        x_BTD = self.dropout(self.embed(tokens_BT))
        for block, (k_BHSK, v_BHSK) in zip(self.decoder, memory, strict=True):
            x_BTD = block(x_BTD, own, across, (k_BHSK, v_BHSK), target, positions_BT)
        if target is not None:
            target.finish(tokens_BT.shape[1])
        return self.dropout(self.decoder_norm(x_BTD)) * self.hidden_scale, cache

    def encode(
        self, source_BS: Tensor, source_mask_BS: Tensor | None = None, source_document_BS: Tensor | None = None
    ) -> Tensor:
        """The source as the encoder leaves it, (B, S, D); what stands at its padding is never attended to."""
        n_source = source_BS.shape[1]
        check_length(n_source, self.config.most_positions)
        positions_1S = torch.arange(n_source, device=source_BS.device)[None]
        mask_BSS = within_source(source_mask_BS, source_document_BS)
        sight = Sight(
            _biased(Reach(mask_BSS, False), self.encoder_bias(positions_1S, n_source)), self.rotary_table(positions_1S)
        )
        x_BSD = self.dropout(self.embed(source_BS))
        for block in self.encoder:
            x_BSD = block(x_BSD, sight, positions_1S)
        return self.dropout(self.encoder_norm(x_BSD))

    def _own_sight(
        self, tokens_BT: Tensor, cache: KeyValueCache | None, document_BT: Tensor | None
    ) -> tuple[Sight, Tensor]:
        assert cache is None or document_BT is None, "a cache holds one document a row"
        n_keys = tokens_BT.shape[1] + (0 if cache is None else cache.length)
        check_length(n_keys, self.config.most_positions)
        if cache is None:
            positions_BT = torch.arange(n_keys, device=tokens_BT.device)[None]
            reach = build_reach(0, positions_BT, n_keys, False, document_BT)
        else:
            positions_BT = cache.start(tokens_BT)
            reach = cache.reach(0, positions_BT)
        return Sight(
            _biased(reach, self.decoder_bias(positions_BT, n_keys)), self.rotary_table(positions_BT)
        ), positions_BT

    def head(self, hidden: Tensor) -> Tensor:
        return hidden @ self.head_weight.T

    @property
    def head_weight(self) -> Tensor:
        return self.embed.weight if self.unembed is None else self.unembed.weight

    @property
    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Matrices that hold several side by side, and the rows of each: an optimiser of matrices takes them apart."""
        config = self.config
        width, ff = config.n_heads * config.resolved_d_head, config.resolved_d_ff
        rows = {}
        for name, _ in self.named_parameters():
            if name.endswith(".kv.weight"):
                rows[name] = (width, width)
            elif name.endswith(".gate_up.weight"):
                rows[name] = (ff, ff)
        return rows

    def initialise(self, seed: int) -> None:
        """Fill every parameter from `t5_table`; relative biases may start near."""
        initialise(self, t5_table(self.config), seed)
        for module in self.modules():
            if isinstance(module, RelativeBias) and self.config.bias_slope:
                module.start_near(self.config.bias_slope)

    def new_cache(
        self, n_rows: int, capacity: int = 0, *, source_BS: Tensor | None = None, source_mask_BS: Tensor | None = None
    ) -> SourceCache:
        """An empty cache of targets that holds the encoded source. Raises RecipeError without a source."""
        config = self.config
        encoded_BSD = self.encode(given(source_BS), source_mask_BS)
        memory = [block.memory(encoded_BSD) for block in self.decoder]
        target = KeyValueCache(
            [0] * config.resolved_n_decoder_layers, n_rows, config.n_heads, capacity or self.context_length,
            config.resolved_d_head, self.embed.weight,
        )  # fmt: skip
        return SourceCache(target, memory, source_mask_BS)


def _build_positions(config: T5Config) -> tuple[nn.Module, nn.Module, nn.Module]:
    """What turns queries and keys, and what is added to the encoder's scores and to the decoder's."""
    if config.positions == "rotary":
        return RotaryTable(config.most_positions, config.resolved_d_head, config.rope_theta), NoBias(), NoBias()
    sizes = (config.n_heads, config.n_buckets, config.max_distance)
    return NoTable(), RelativeBias(*sizes, both_sides=True), RelativeBias(*sizes, both_sides=False)


def _biased(reach: Reach, bias_BHTS: Tensor | None) -> Reach:
    """A reach and a bias as what is added to the scores: -inf where a query may not attend."""
    if bias_BHTS is None:
        return reach
    if reach.attention_mask is not None:
        return Reach(bias_BHTS.masked_fill(~reach.attention_mask, -torch.inf), False)
    if reach.is_causal:
        n_targets, n_keys = bias_BHTS.shape[2:]
        ahead_TS = torch.ones(n_targets, n_keys, dtype=torch.bool, device=bias_BHTS.device).triu(1)
        return Reach(bias_BHTS.masked_fill(ahead_TS, -torch.inf), False)
    return Reach(bias_BHTS, False)
