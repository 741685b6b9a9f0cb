"""The n-gram family: a language model that counts instead of learning by gradient, behind the contract of all others.

    hidden_BTC   the ids a target is predicted from: the last order - 1 read, -1 where there is none
    head         interpolated Kneser-Ney probabilities of every next id after them (kneser_ney.py), as logits

`fit` is its training; counts are buffers, so that checkpoints, `load_state_dict` and `to` treat them as weights.
"""

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from idiolect.errors import RecipeError, ResourceError
from idiolect.models.config import NGramConfig
from idiolect.models.kneser_ney import KneserNey
from idiolect.models.ngram_counts import BYTES_PER_TOKEN_AND_ORDER, Level, NGramCounts
from idiolect.progress import show_bytes

NOWHERE = -1


class NGram(nn.Module):
    """Interpolated Kneser-Ney as a model; see `contract.Model`. Gradients stop at it: it has no parameters."""

    reads = "left"
    unbounded = True
    head_names = ()
    fused_rows: dict[str, tuple[int, ...]] = {}
    logit_softcap = 0.0
    # How its weights come about: by `fit`, not by the training loop.
    learns = "counts"

    def __init__(self, config: NGramConfig, vocabulary_size: int):
        super().__init__()
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.n_context = config.order - 1
        for k in range(config.order):
            for name, dtype in (("keys", torch.int64), ("raw", torch.int32), ("continuation", torch.int32)):
                self.register_buffer(_buffer(k, name), torch.zeros(0, dtype=dtype))
        self._kneser_ney: KneserNey | None = None

    def initialise(self, seed: int) -> None:
        """Nothing to draw: before it has counted it knows nothing, and says so when it is asked."""

    def fit(self, ids: np.ndarray) -> None:
        """Count a stream of ids. Raises ResourceError when the counts can't fit in memory, DataError for bad ids."""
        check_room(len(ids), self.config.order)
        counts = NGramCounts(ids, self.vocabulary_size, self.config.order)
        for k, level in enumerate(counts.levels):
            for name in ("keys", "raw", "continuation"):
                setattr(self, _buffer(k, name), torch.from_numpy(getattr(level, name)))
        self._kneser_ney = KneserNey(counts, self.config.modified)

    @property
    def n_entries(self) -> int:
        """N-grams held, of all orders."""
        return sum(len(getattr(self, _buffer(k, "keys"))) for k in range(self.config.order))

    @property
    def kneser_ney(self) -> KneserNey:
        """The probabilities, built from the counts at first use. Raises RecipeError when nothing was counted."""
        if self._kneser_ney is None:
            if not self.n_entries:
                raise RecipeError(
                    "this n-gram model has counted nothing yet",
                    why="its probabilities are counts of the training text",
                    fix="idiolect train with the same recipe, or model.fit(ids) from Python",
                )
            levels = [
                Level(*(getattr(self, _buffer(k, name)).cpu().numpy() for name in ("keys", "raw", "continuation")))
                for k in range(self.config.order)
            ]
            counts = NGramCounts.from_levels(levels, self.vocabulary_size)
            self._kneser_ney = KneserNey(counts, self.config.modified)
        return self._kneser_ney

    def forward(
        self, tokens_BT: Tensor, cache: "NGramCache | None" = None, document_BT: Tensor | None = None
    ) -> tuple[Tensor, "NGramCache | None"]:
        assert cache is None or document_BT is None, "a cache holds one document a row"
        n_rows, n_new = tokens_BT.shape
        before_BC = tokens_BT.new_full((n_rows, self.n_context), NOWHERE) if cache is None else cache.extend(tokens_BT)
        if not self.n_context:
            return tokens_BT.new_zeros((n_rows, n_new, 0)), cache
        hidden_BTC = torch.cat((before_BC, tokens_BT), dim=1).unfold(1, self.n_context, 1)[:, 1:]
        if document_BT is not None:
            # Ids of another document than the last one's are out of sight.
            padded_BS = torch.cat((document_BT.new_full((n_rows, self.n_context), NOWHERE), document_BT), dim=1)
            other = padded_BS.unfold(1, self.n_context, 1)[:, 1:] != document_BT[..., None]
            hidden_BTC = hidden_BTC.masked_fill(other, NOWHERE)
        return hidden_BTC, cache

    def head(self, hidden: Tensor) -> Tensor:
        """ln p of every next id (..., V) after contexts (..., order - 1)."""
        contexts_NC = hidden.flatten(0, -2).cpu().numpy()
        logits_NV = np.log(self.kneser_ney.probabilities_of(contexts_NC)).astype(np.float32)
        return torch.from_numpy(logits_NV).to(hidden.device).view(*hidden.shape[:-1], self.vocabulary_size)

    def price(self, hidden_NC: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
        """Nats of each target, and whether it was the likeliest id, without a row of logits for each."""
        contexts_NC, ids_N = hidden_NC.cpu().numpy(), targets_N.cpu().numpy()
        nats_N = -np.log(self.kneser_ney.probability_of(contexts_NC, ids_N))
        right_N = self.kneser_ney.likeliest_of(contexts_NC) == ids_N
        return torch.from_numpy(nats_N), torch.from_numpy(right_N)

    @property
    def head_weight(self) -> Tensor:
        raise RecipeError(
            "an n-gram model has no matrix of logits",
            why="its probabilities are looked up, not multiplied out",
            fix="--model.kind=gpt for what needs hidden states: fine-tuning, distillation",
        )

    def new_cache(self, n_rows: int, capacity: int = 0) -> "NGramCache":
        """An empty cache: the last ids of each row."""
        return NGramCache(n_rows, self.n_context)

    def _load_from_state_dict(self, state_dict, prefix, *arguments) -> None:
        # The buffers' sizes are the text's, so a loaded tensor takes its place instead of being copied into it.
        for name in list(self._buffers):
            if (found := state_dict.get(prefix + name)) is not None:
                self._buffers[name] = found.to(self._buffers[name].dtype)
        self._kneser_ney = None
        super()._load_from_state_dict(state_dict, prefix, *arguments)


class NGramCache:
    """The ids of each row. All are kept, at 8 bytes each: rows of unequal length are cut back to their own."""

    def __init__(self, n_rows: int, n_context: int):
        self.n_rows, self.n_context = n_rows, n_context
        self.ids_BS = torch.zeros(n_rows, 0, dtype=torch.int64)
        self.lengths_B = torch.zeros(n_rows, dtype=torch.int64)

    def extend(self, tokens_BT: Tensor) -> Tensor:
        """Take in the new ids; the `n_context` ids before them, (B, n_context)."""
        n_new = tokens_BT.shape[1]
        held_BS = self.ids_BS.to(tokens_BT.device)
        lengths_B1 = self.lengths_B.to(tokens_BT.device)[:, None]
        places_BC = lengths_B1 - self.n_context + torch.arange(self.n_context, device=tokens_BT.device)
        if held_BS.shape[1]:
            before_BC = held_BS.gather(1, places_BC.clamp(0, held_BS.shape[1] - 1))
        else:
            before_BC = torch.full_like(places_BC, NOWHERE)
        before_BC = before_BC.masked_fill(places_BC < 0, NOWHERE)
        room_BS = held_BS.new_zeros(self.n_rows, int(lengths_B1.max()) + n_new)
        room_BS[:, : held_BS.shape[1]] = held_BS[:, : room_BS.shape[1]]
        self.ids_BS = room_BS.scatter(1, lengths_B1 + torch.arange(n_new, device=room_BS.device), tokens_BT)
        self.lengths_B = (lengths_B1 + n_new).squeeze(1)
        return before_BC

    def lengths(self) -> Tensor:
        return self.lengths_B

    def set_lengths(self, lengths_B: Tensor) -> None:
        assert (lengths_B <= self.lengths_B.to(lengths_B.device)).all(), (lengths_B, self.lengths_B)
        self.lengths_B = lengths_B.clone()
        self.ids_BS = self.ids_BS[:, : int(lengths_B.max())]

    def select(self, rows_B: Tensor) -> "NGramCache":
        chosen = NGramCache(len(rows_B), self.n_context)
        chosen.ids_BS, chosen.lengths_B = self.ids_BS[rows_B], self.lengths_B[rows_B]
        return chosen

    def reorder(self, rows_B: Tensor) -> None:
        assert len(rows_B) == self.n_rows, (len(rows_B), self.n_rows)
        self.ids_BS, self.lengths_B = self.ids_BS[rows_B], self.lengths_B[rows_B]


def check_room(n_tokens: int, order: int) -> None:
    """Raises ResourceError when counting this many tokens would take more memory than is free."""
    needed, free = n_tokens * order * BYTES_PER_TOKEN_AND_ORDER, psutil.virtual_memory().available
    if needed > free:
        fits = int(0.8 * free / (order * BYTES_PER_TOKEN_AND_ORDER))
        raise ResourceError(
            f"counting {n_tokens:,} tokens up to order {order} does not fit in memory",
            why=f"it takes about {show_bytes(needed)} at its peak, and {show_bytes(free)} are free",
            fix=f"--model.train_tokens={fits} (spread over the text), or --model.order={max(2, order - 2)}",
        )


def _buffer(k: int, name: str) -> str:
    return f"{name}_{k + 1}"
