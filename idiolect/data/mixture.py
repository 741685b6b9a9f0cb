"""Training samples from several sources: whose turn it is is in `turns.py`, how often each has one in `shares.py`.

    sample i  ->  (source, n): window n of that source  ->  its own epoch, permutation and cut  ->  tokens

A window never holds two sources, and each source has a ring, an order and epochs of its own. Which tokens a sample
holds is a pure function of (seed, shares, i).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from idiolect.corpus.mixture.config import SourceConfig
from idiolect.data.batch import Batch
from idiolect.data.cuts import Cuts
from idiolect.data.ledger import Ledger, joined
from idiolect.data.objectives import Objective
from idiolect.data.shares import Portion, Shares
from idiolect.data.turns import Turns
from idiolect.errors import DataError, RecipeError
from idiolect.tokenizer.shards import Shards
from idiolect.tokenizer.source_row import SourceRow

# Passes over the same text up to which repeats are nearly as good as fresh text (arXiv 2305.16264).
GOOD_EPOCHS = 4


@dataclass(frozen=True)
class Plan:
    """What a recipe asks of its sources: their tables, and what they share."""

    sources: tuple[SourceConfig, ...]
    temperature: float = 1.0
    anneal_fraction: float = 0.1

    def portions(self, sizes: Sequence[int], pieces: Sequence[int], piece_tokens: int) -> list[Portion]:
        """What each source may give, in pieces of tokens; `sizes` are the sources' tokens, `pieces` one pass over them.

        A source that has no weight counts as much as its size, to the power of the temperature, as languages do in
        multilingual BERT and T5 (arXiv 2010.11934, section 3.1).
        """
        found = []
        for source, size, whole in zip(self.sources, sizes, pieces, strict=True):
            weight = float(size) ** self.temperature if source.weight is None else source.weight
            last = weight if source.anneal_weight is None else source.anneal_weight
            most = np.inf if source.epochs is None else int(source.epochs * whole)
            quota = None if source.tokens is None else source.tokens // piece_tokens
            found.append(Portion(weight, last, quota, most))
        return found


class Mixture:
    """Samples of several sources of a split, for a run of `total` samples. Raises DataError, RecipeError."""

    def __init__(
        self, shards: Shards, objective: Objective, plan: Plan, total: int, seed: int = 0, shuffle: bool = True
    ):
        self.objective, self.total = objective, total
        self.rows = rows_of(shards, plan, objective.window)
        self.cuts = [Cuts(row.n_tokens, objective.stride, seed_of(seed, row.source), shuffle) for row in self.rows]
        self.n_samples = sum(cuts.n_samples for cuts in self.cuts)
        self.shares = shares_of(plan, self.rows, [cuts.n_samples for cuts in self.cuts], objective.stride, total)
        self.turns = Turns(self.shares)

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count) of the run."""
        sample_B = np.arange(first, first + count)
        source_B, number_B = self.turns.at(sample_B)
        window_BW = np.empty((count, self.objective.window), np.int64)
        for source in np.unique(source_B).tolist():
            here = source_B == source
            number = number_B[here]
            starts = self.cuts[source].starts(int(number[0]), len(number))
            window_BW[here] = self.rows[source].rows(starts, self.objective.window)
        return self.objective.batch(torch.from_numpy(window_BW), sample_B)

    def given(self, position: int) -> np.ndarray:
        """(S,) samples that each source gave among the first `position`."""
        return self.turns.counts(position)

    def ledger(self, position: int) -> Ledger:
        """Where the tokens of each source went when training has consumed `position` samples."""
        parts = {}
        for row, cuts, given in zip(self.rows, self.cuts, self.given(position).tolist(), strict=True):
            trained, left = given * self.objective.stride, cuts.left(given)
            parts[row.source] = Ledger(trained + left, trained, {"end of an epoch, shorter than a window": left})
        return joined(parts)


def rows_of(shards: Shards, plan: Plan, least: int) -> list[SourceRow]:
    """Each source's tokens as a row of its own. Raises DataError naming a source of fewer tokens than `least`."""
    rows = [SourceRow(shards, source.name) for source in plan.sources]
    for row in rows:
        if row.n_tokens < least:
            raise DataError(
                f'source "{row.source}" has {row.n_tokens:,} tokens in the {shards.split} split, fewer than {least:,}',
                why="each source of a mixture must fill what is read from it at once: a window, or a carried stretch",
                fix="join it with another source, add text to it, or a smaller --model.context_length",
            )
    return rows


def shares_of(plan: Plan, rows: Sequence[SourceRow], pieces: Sequence[int], piece_tokens: int, total: int) -> Shares:
    """The sources' shares of a run of `total` pieces. Raises RecipeError when they may not give so many."""
    portions = plan.portions([row.n_tokens for row in rows], pieces, piece_tokens)
    for source, portion in zip(plan.sources, portions, strict=True):
        if portion.limit < 1:
            raise RecipeError(
                f'source "{source.name}" may give less than the {piece_tokens:,} tokens that are read at once',
                why=f"its quota is {source.tokens or 'none'} tokens, its epochs {source.epochs or 'unlimited'}",
                fix="raise its tokens or epochs, leave its table away, or a smaller --model.context_length",
            )
    shares = Shares(portions, total, plan.anneal_fraction)
    if shares.short:
        may = max(0, total - shares.short) * piece_tokens
        raise RecipeError(
            f"the sources may give {may:,} tokens, and the run reads {total * piece_tokens:,}",
            why="every source has a limit, in tokens or epochs, and together they end before the training does",
            fix="a smaller --train.steps, or leave one source without tokens and epochs",
        )
    return shares


def seed_of(seed: int, source: str) -> int:
    """A source's own seed: it keeps its order whatever stands before it in the recipe."""
    return seed ^ int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest(), "big") >> 1
