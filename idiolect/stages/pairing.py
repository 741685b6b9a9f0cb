"""Scores of every pair of contenders -> differences with intervals over seeds and over the text, and verdicts."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from idiolect.evaluate.figures import bytes_of, clusters_of
from idiolect.evaluate.statistics import ratio_interval
from idiolect.stages.easier import transforms_of
from idiolect.stages.entries import Entry
from idiolect.stages.trials import nats_of, same_ids
from idiolect.tune.compare import Pair, compare


def judged(entries: list[Entry], folder: Path, split: str) -> list[Pair]:
    """Every pair of contenders whose scores are probabilities of the text."""
    ranked = {entry.one.name: entry for entry in entries if entry.scores and entry.one.role != "apart"}
    pairs = compare(
        {name: entry.scores for name, entry in ranked.items()},
        fixed=[name for name, entry in ranked.items() if entry.one.role == "counted"],
        text=lambda first, second: over_text(ranked[first], ranked[second], folder, split),
    )
    return [qualified(pair, ranked[pair.first], ranked[pair.second]) for pair in pairs]


def qualified(pair: Pair, first: Entry, second: Entry) -> Pair:
    """The pair with a verdict that calls nobody better for having less to say: a transform throws information away."""
    if transforms_of(first.one.recipe) == transforms_of(second.one.recipe):
        return pair
    words = pair.verdict.replace(" better than ", " takes fewer bits than ")
    return replace(
        pair, verdict=f"{words}; but their texts differ, and what was taken out of one is never predicted: no proof of "
        "a better model",
    )  # fmt: skip


def over_text(first: Entry, second: Entry, folder: Path, split: str) -> dict | None:
    """The paired interval of second minus first over the scored text, each token's price averaged over seeds."""
    one, other = first.one, second.one
    if not same_ids(one.ready, other.ready, split) or {one.role, other.role} & {"apart"}:
        return None
    prices = [mean_prices(folder, entry) for entry in (first, second)]
    if None in prices or not np.array_equal(prices[0][0], prices[1][0]):
        return None
    position_N, difference_N = prices[0][0], prices[1][1] - prices[0][1]
    shards = one.ready.split(split)
    length = max(one.recipe.model.context_length, other.recipe.model.context_length)
    cluster_N, _ = clusters_of(position_N, shards.document_starts, shards.n_tokens, length)
    bytes_N = bytes_of(position_N, shards, one.ready.tokenizer.bytes_per_token)
    total = [np.bincount(cluster_N, weights=values_N) for values_N in (difference_N / np.log(2), bytes_N)]
    return ratio_interval(*total, len(position_N))


def mean_prices(folder: Path, entry: Entry) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions, and each token's nats averaged over the contender's seeds."""
    found = [nats_of(folder / run["folder"]) for run in entry.runs if "score" in run]
    if not found or None in found or any(not np.array_equal(a[0], b[0]) for a, b in itertools.pairwise(found)):
        return None
    return found[0][0], np.mean([nats_N for _, nats_N in found], axis=0)
