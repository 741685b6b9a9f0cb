"""Token ids become vectors: their own embedding, hashed n-grams of the last ids, and embeddings mixed into values."""

import torch
from torch import Tensor, nn

from idiolect.models.config import GPTConfig
from idiolect.models.layers import Embedding

# Odd 63-bit multipliers (from the fraction of pi), one per place in the n-gram: a polynomial in one small base maps
# neighbouring ids to neighbouring rows, and n-grams that differ in two places then collide systematically.
_MULTIPLIERS = (
    0x243F6A8885A308D3, 0x13198A2E03707345, 0x24093822299F31D1, 0x082EFA98EC4E6C89,
    0x452821E638D01377, 0x3E5466CF34E90C6D, 0x40AC29B7C97C50DD, 0x3F84D5B5B5470917,
)  # fmt: skip


class NgramEmbedding(nn.Module):
    """Adds, for each order n, a row of a table picked by a hash of the last n token ids (as in arXiv 2109.01797).

    Two n-grams may share a row. Ids before the start of the text, or of the document, count as a token of their own.
    Gradients are sparse: a step touches at most B x T rows of a table that may have hundreds of thousands.
    """

    def __init__(self, orders: tuple[int, ...], n_buckets: int, vocabulary_size: int, d_model: int):
        super().__init__()
        self.orders, self.n_buckets, self.outside = orders, n_buckets, vocabulary_size
        self.tables = nn.ModuleDict({str(n): Embedding(n_buckets, d_model, sparse=True) for n in orders})

    def forward(self, x_BTD: Tensor, history_nBT: list[Tensor]) -> Tensor:
        for order in self.orders:
            x_BTD = x_BTD + self.tables[str(order)](self.rows(history_nBT, order))
        return x_BTD

    def history(self, tokens_BT: Tensor, cached_BS: Tensor | None, positions_BT: Tensor, document_BT: Tensor | None):
        """The ids 0, 1, ... places to the left of each target, `outside` where there is none; each (B, T)."""
        places = [tokens_BT]
        for back in range(1, max(self.orders)):
            at_BT = (positions_BT - back).expand_as(tokens_BT)
            source_BS = tokens_BT if cached_BS is None else cached_BS
            ids_BT = source_BS.gather(1, at_BT.clamp(min=0))
            inside_BT = at_BT >= 0
            if document_BT is not None:
                inside_BT = inside_BT & (document_BT.gather(1, at_BT.clamp(min=0)) == document_BT)
            places.append(ids_BT.where(inside_BT, self.outside))
        return places

    def rows(self, history_nBT: list[Tensor], order: int) -> Tensor:
        """Table rows of the n-grams that end at each target, (B, T)."""
        hash_BT = torch.full_like(history_nBT[0], order)
        for ids_BT, multiplier in zip(history_nBT[:order], _MULTIPLIERS, strict=False):
            hash_BT = hash_BT ^ ((ids_BT + 1) * multiplier)
            hash_BT = hash_BT ^ (hash_BT >> 29)
        return hash_BT % self.n_buckets


class NoNgrams(nn.Module):
    """Adds nothing and looks back on nothing."""

    def history(self, tokens_BT: Tensor, cached_BS, positions_BT: Tensor, document_BT) -> list[Tensor]:
        return []

    def forward(self, x_BTD: Tensor, history_nBT: list[Tensor]) -> Tensor:
        return x_BTD


class PlainValues(nn.Module):
    """Attention's values as they are."""

    def forward(self, v_BTGK: Tensor, tokens_BT: Tensor) -> Tensor:
        return v_BTGK


class EmbeddedValues(nn.Module):
    """own * values + other * embedding of the token, both scalars learned (arXiv 2410.17897; modded-nanogpt)."""

    def __init__(self, vocabulary_size: int, n_kv_heads: int, d_head: int):
        super().__init__()
        self.shape = (n_kv_heads, d_head)
        self.table = Embedding(vocabulary_size, n_kv_heads * d_head)
        self.mix = nn.Parameter(torch.empty(2))

    def forward(self, v_BTGK: Tensor, tokens_BT: Tensor) -> Tensor:
        own, other = self.mix
        return own * v_BTGK + other * self.table(tokens_BT).unflatten(-1, self.shape)


def build_ngrams(config: GPTConfig, vocabulary_size: int) -> nn.Module:
    """The n-gram tables, or none."""
    if not config.ngram_orders:
        return NoNgrams()
    return NgramEmbedding(config.ngram_orders, config.ngram_buckets, vocabulary_size, config.d_model)


def build_values(config: GPTConfig, layer: int, vocabulary_size: int) -> nn.Module:
    """What a layer does to its values."""
    if layer not in config.value_embedding_layers:
        return PlainValues()
    return EmbeddedValues(vocabulary_size, config.resolved_n_kv_heads, config.resolved_d_head)
