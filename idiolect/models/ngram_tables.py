"""Tables of learned rows picked by the last n token ids: added to the embeddings, or to the logits.

A row of logits is an n-gram model learned by gradient along with the network, which is left to learn the rest. On
characters 1.78 nats became 1.66 after 400 updates (one run each, one seed; docs/log.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.errors import RecipeError
from idiolect.models.config import GPTConfig, table_rows
from idiolect.models.layers import Embedding

# Odd 63-bit multipliers (from the fraction of pi), one per place in the n-gram: a polynomial in one small base maps
# neighbouring ids to neighbouring rows, and n-grams that differ in two places then collide systematically.
_MULTIPLIERS = (
    0x243F6A8885A308D3, 0x13198A2E03707345, 0x24093822299F31D1, 0x082EFA98EC4E6C89,
    0x452821E638D01377, 0x3E5466CF34E90C6D, 0x40AC29B7C97C50DD, 0x3F84D5B5B5470917,
)  # fmt: skip
MOST_HEAD_BYTES = 2 * 2**30


class NgramTables(nn.Module):
    """For each order n a table with a row for the last n token ids; the rows of all orders are summed.

    Where there are more n-grams than rows, a hash picks the row, and two n-grams may share it (arXiv 1607.01759). Ids
    before the start of the text, or of the document, count as a token of their own. Gradients are sparse: a step
    touches at most B x T rows of a table that may have hundreds of thousands.
    """

    def __init__(self, orders: tuple[int, ...], n_buckets: int, vocabulary_size: int, width: int):
        super().__init__()
        self.orders, self.vocabulary_size = orders, vocabulary_size
        rows = {order: table_rows(order, n_buckets, vocabulary_size) for order in orders}
        self.tables = nn.ModuleDict({str(n): Embedding(rows[n], width, sparse=True) for n in orders})

    def look_up(self, history_nBT: list[Tensor]) -> Tensor:
        """The sum of the rows of all orders, (B, T, width)."""
        first, *others = (self.tables[str(order)](self.rows(history_nBT, order)) for order in self.orders)
        return sum(others, first)

    def rows(self, history_nBT: list[Tensor], order: int) -> Tensor:
        """Table rows of the n-grams that end at each target, (B, T)."""
        n_rows, base = self.tables[str(order)].num_embeddings, self.vocabulary_size + 1
        if n_rows == base**order:
            return sum(ids_BT * base**place for place, ids_BT in enumerate(history_nBT[:order]))
        hash_BT = torch.full_like(history_nBT[0], order)
        for ids_BT, multiplier in zip(history_nBT[:order], _MULTIPLIERS, strict=False):
            hash_BT = hash_BT ^ ((ids_BT + 1) * multiplier)
            hash_BT = hash_BT ^ (hash_BT >> 29)
        return hash_BT % n_rows


def look_back(
    n_places: int,
    outside: int,
    tokens_BT: Tensor,
    cached_BS: Tensor | None,
    positions_BT: Tensor,
    document_BT: Tensor | None,
) -> list[Tensor]:
    """The ids 0, 1, ... n_places - 1 to the left of each target, `outside` where there is none; each (B, T)."""
    source_BS = tokens_BT if cached_BS is None else cached_BS
    places = [tokens_BT]
    for back in range(1, n_places):
        at_BT = (positions_BT - back).expand_as(tokens_BT)
        inside_BT, at_BT = at_BT >= 0, at_BT.clamp(min=0)
        if document_BT is not None:
            inside_BT = inside_BT & (document_BT.gather(1, at_BT) == document_BT)
        places.append(source_BS.gather(1, at_BT).where(inside_BT, outside))
    return places


class PlainInput(nn.Module):
    """Embeddings as they are."""

    def forward(self, x_BTD: Tensor, history_nBT: list[Tensor]) -> Tensor:
        return x_BTD


class NgramInput(NgramTables):
    """Adds the rows of the last ids to their embedding."""

    def forward(self, x_BTD: Tensor, history_nBT: list[Tensor]) -> Tensor:
        return x_BTD + self.look_up(history_nBT)


class LinearHead(nn.Module):
    """Logits by a matrix, which is the model's to own: it may be the token embedding."""

    def extend(self, hidden_BTD: Tensor, history_nBT: list[Tensor]) -> Tensor:
        """What the trunk hands to the head."""
        return hidden_BTD

    def matrix(self, weight_VD: Tensor) -> Tensor:
        """The head as one matrix over what `extend` gave."""
        return weight_VD

    def forward(self, hidden: Tensor, weight_VD: Tensor) -> Tensor:
        return F.linear(hidden, weight_VD)


class NgramHead(NgramTables):
    """Logits by a matrix, and rows of the last ids added to them.

    The head sees hidden states alone, no ids, so the summed rows travel as V more channels of the hidden state. The
    whole head is then the matrix beside the identity, and whoever knows only `head_weight` still gets it right.
    """

    @property
    def head_names(self) -> tuple[str, ...]:
        """What an optimiser is to treat as parts of the head."""
        return tuple(f"tables.{order}.weight" for order in self.orders)

    def extend(self, hidden_BTD: Tensor, history_nBT: list[Tensor]) -> Tensor:
        return torch.cat((hidden_BTD, self.look_up(history_nBT)), dim=-1)

    def matrix(self, weight_VD: Tensor) -> Tensor:
        return torch.cat((weight_VD, torch.eye(len(weight_VD), dtype=weight_VD.dtype, device=weight_VD.device)), dim=1)

    def forward(self, hidden: Tensor, weight_VD: Tensor) -> Tensor:
        hidden, rows = hidden.split(weight_VD.shape[::-1], dim=-1)
        return F.linear(hidden, weight_VD) + rows


def build_input(config: GPTConfig, vocabulary_size: int) -> nn.Module:
    """What is added to the embeddings."""
    if not config.ngram_orders:
        return PlainInput()
    return NgramInput(config.ngram_orders, config.ngram_buckets, vocabulary_size, config.d_model)


def build_head(config: GPTConfig, vocabulary_size: int) -> nn.Module:
    """How logits are made."""
    if not config.ngram_head_orders:
        return LinearHead()
    return NgramHead(config.ngram_head_orders, config.ngram_head_buckets, vocabulary_size, vocabulary_size)


def check_head_bytes(config: GPTConfig, vocabulary_size: int) -> None:
    """Raises RecipeError when the head's tables pass MOST_HEAD_BYTES: they are for small vocabularies."""
    orders, n_buckets = config.ngram_head_orders, config.ngram_head_buckets
    n_rows = sum(table_rows(order, n_buckets, vocabulary_size) for order in orders)
    n_bytes = 4 * n_rows * vocabulary_size
    if n_bytes > MOST_HEAD_BYTES:
        fitting = MOST_HEAD_BYTES // (4 * len(orders) * vocabulary_size)
        # Few rows for very many n-grams say nothing any more.
        fix = f"--model.ngram_head_buckets={2 ** (fitting.bit_length() - 1)}, or " if fitting >= 4096 else ""
        raise RecipeError(
            f"model.ngram_head_orders = {list(orders)} would make tables of {n_bytes / 2**30:.1f} GB",
            why=f"{n_rows:,} rows of a logit for each of {vocabulary_size:,} words, in float32, and as much again for "
            "the optimiser; they are meant for characters and bytes",
            fix=fix + "--model.ngram_orders for the embeddings instead, whose rows are as wide as the model",
        )
