"""The figures a model has to beat: uniform, unigram and Kneser-Ney n-grams of the same text, in nats and bits per byte.

    training ids -> Floors (counted once) -> Floors.of(held-out ids) -> {"unigram": {"nats", "bits_per_byte"}, ...}

A model above the n-grams is undertrained or broken; far below them on little text, look for a leak. The counting and
the probabilities are in models/kneser_ney.py.
"""

from __future__ import annotations

import math

import numpy as np

from idiolect.errors import DataError
from idiolect.evaluate.config import FloorsConfig
from idiolect.models.kneser_ney import KneserNey
from idiolect.models.ngram_counts import NGramCounts

# A capped corpus is counted in this many equal pieces spread over it, so that no source is left out.
N_SPANS = 64


class Floors:
    """Floors of one training split; `training` is an id array or anything with `n_tokens` and `ids(start, stop)`."""

    def __init__(self, training, vocabulary_size: int, config: FloorsConfig | None = None):
        self.config = config or FloorsConfig()
        self.vocabulary_size = vocabulary_size
        self.n_train_tokens = count_ids(training)
        ids = spread_ids(training, self.config.train_tokens)
        self.n_counted = len(ids)
        order = max(1, *(k for k in (*self.config.orders, 1) if k <= len(ids)))
        self.model = KneserNey(NGramCounts(ids, vocabulary_size, order), self.config.modified)

    @property
    def names(self) -> dict[str, int]:
        """Every n-gram floor's name and its order."""
        orders = [order for order in sorted(self.config.orders) if order <= self.model.order]
        return {"unigram": 1} | {f"kneser_ney_{order}": order for order in orders}

    def nats(self, held_out) -> dict[str, np.ndarray]:
        """Nats of every held-out token under each n-gram floor: what a model's own nats are compared with, in pairs."""
        ids = spread_ids(held_out, count_ids(held_out))
        nats = self.model.nats_of_orders(ids, self.names.values())
        return {name: nats[order] for name, order in self.names.items()}

    def of(self, held_out, n_bytes: int) -> dict:
        """Each floor's mean nats a token and bits a byte on the held-out ids, which were `n_bytes` of text.

        `about` names the best floor and says how many tokens were counted. Raises DataError when nothing is held out.
        """
        n_tokens = count_ids(held_out)
        if not n_tokens or n_bytes <= 0:
            raise DataError(
                "there is no held-out text to measure the floors on",
                why=f"it has {n_tokens} tokens and {n_bytes} bytes",
                fix="give the validation and test splits a share of the documents",
            )
        return summarise(self.nats(held_out), n_bytes, self)


def floors(training, held_out, vocabulary_size: int, n_bytes: int, config: FloorsConfig | None = None) -> dict:
    """`Floors(...).of(...)` in one call."""
    return Floors(training, vocabulary_size, config).of(held_out, n_bytes)


def summarise(nats: dict[str, np.ndarray], n_bytes: int, floors: Floors) -> dict:
    """The floors as the console, the curve and the report read them."""
    kind = "modified Kneser-Ney" if floors.config.modified else "Kneser-Ney"
    labels = {"uniform": "uniform", "unigram": "unigram"} | {
        name: f"{kind} {order}-gram" for name, order in floors.names.items() if order > 1
    }
    n_tokens = len(next(iter(nats.values())))
    means = {"uniform": math.log(floors.vocabulary_size)} | {name: float(v.mean()) for name, v in nats.items()}
    best = min(means, key=means.get)
    whole = floors.n_counted == floors.n_train_tokens
    found = {
        name: {
            "label": labels[name],
            "nats": mean,
            "bits_per_byte": mean * n_tokens / math.log(2) / n_bytes,
            "best": name == best,
        }
        for name, mean in means.items()
    }
    counted = f"all {floors.n_counted:,}" if whole else f"{floors.n_counted:,} of {floors.n_train_tokens:,}"
    return found | {
        "about": {
            "best": best,
            "vocabulary": floors.vocabulary_size,
            "held_out_tokens": n_tokens,
            "held_out_bytes": int(n_bytes),
            "train_tokens": floors.n_train_tokens,
            "train_tokens_counted": floors.n_counted,
            "note": f"n-grams counted on {counted} training tokens",
        }
    }


def count_ids(source) -> int:
    """How many ids an array or a set of shards holds."""
    return int(source.n_tokens) if hasattr(source, "n_tokens") else len(source)


def spread_ids(source, limit: int) -> np.ndarray:
    """All ids, or `limit` of them in evenly spaced spans."""
    n = count_ids(source)
    if n <= limit:
        return np.asarray(source.ids(0, n) if hasattr(source, "ids") else source)
    n_spans = min(N_SPANS, limit)
    lengths = np.diff(np.linspace(0, limit, n_spans + 1).astype(np.int64))
    starts = np.linspace(0, n - lengths.max(), n_spans).astype(np.int64)
    read = source.ids if hasattr(source, "ids") else lambda start, stop: source[start:stop]
    return np.concatenate([read(int(a), int(a + length)) for a, length in zip(starts, lengths, strict=True)])
