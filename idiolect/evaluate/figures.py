"""Token scores as figures: bits per byte, nats, perplexity and accuracy of a split, each with its interval.

Tokens of one text rise and fall together, so standard errors are clustered (statistics.py): by document where there
are enough of them, else by block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from idiolect.evaluate.statistics import estimate, ratio_interval, verdict

# Ids read at once where a whole split is walked.
READ_TOKENS = 1 << 22
# Fewer effective documents than this say too little about their own spread; blocks are used instead.
MIN_CLUSTERS = 40
N_BLOCKS = 100


@dataclass(frozen=True)
class TokenScores:
    """One entry a scored token: its position in the split, -ln p of it, and whether it was the likeliest."""

    position_N: np.ndarray
    nats_N: np.ndarray
    right_N: np.ndarray
    vocabulary_size: int


def summarise(scores: TokenScores, shards, context_length: int, bytes_per_token=None, against=None) -> dict:
    """Token scores as figures with intervals, and as verdicts against each floor in `against`."""
    cluster_N, method = clusters_of(scores.position_N, shards.document_starts, shards.n_tokens, context_length)
    n, n_clusters = len(scores.position_N), int(cluster_N.max()) + 1
    bytes_N = bytes_of(scores.position_N, shards, bytes_per_token)

    def total(values_N=None):
        return np.bincount(cluster_N, weights=values_N, minlength=n_clusters)

    n_C, nats_C, bytes_C = total(), total(scores.nats_N), total(bytes_N)
    nats = ratio_interval(nats_C, n_C, n)
    result = {
        "bits_per_byte": ratio_interval(nats_C / np.log(2), bytes_C, n),
        "nats": nats,
        "perplexity": estimate(*(np.exp(nats[key]) for key in ("value", "low", "high")), n)
        | {"vocabulary": scores.vocabulary_size},
        "token_accuracy": ratio_interval(total(scores.right_N), n_C, n),
    }
    if against:
        result["against"] = {
            name: beside(name, total(scores.nats_N - floor_N[scores.position_N]) / np.log(2), bytes_C, n)
            for name, floor_N in against.items()
        }
    return result | {
        "about": {
            "method": method,
            "clusters": n_clusters,
            "tokens": n,
            "bytes": round(bytes_N.sum()),
            "complete": n == shards.n_tokens,
        }
    }


def beside(name: str, difference_C, bytes_C, n: int) -> dict:
    """Bits per byte minus a floor's on the same tokens, and what that means."""
    difference = ratio_interval(difference_C, bytes_C, n)
    words = verdict(difference, plain(name), scale=1, unit="bits per byte", digits=3, higher_is_better=False)
    return {"difference": difference, "verdict": words}


def clusters_of(position_N, document_starts, n_tokens: int, context_length: int) -> tuple[np.ndarray, str]:
    """Which cluster each token belongs to, numbered from 0, and the method in words.

    Documents are the clusters while there are enough of similar weight (their effective number, (sum n)^2 / sum n^2,
    is at least MIN_CLUSTERS); otherwise blocks of consecutive tokens, never shorter than a window.
    """
    document_N = np.searchsorted(document_starts, position_N, side="right")
    sizes = np.unique(document_N, return_counts=True)[1].astype(float)
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    if effective >= MIN_CLUSTERS:
        label_N, what = document_N, "document"
    else:
        block = max(context_length, -(-len(position_N) // N_BLOCKS))
        label_N, what = np.arange(len(position_N)) // block, f"block of {block:,} consecutive tokens"
    cluster_N = np.unique(label_N, return_inverse=True)[1]
    n_clusters = int(cluster_N.max()) + 1
    if n_clusters == 1:
        return cluster_N, f"one {what} only: no interval can be given, low and high repeat the value"
    return cluster_N, f"95 % interval from standard errors clustered by {what} ({n_clusters:,} clusters)"


def bytes_of(position_N, shards, bytes_per_token) -> np.ndarray:
    """Bytes of the original text each scored token stands for; over the whole split they sum to `shards.n_bytes`.

    A lossless tokenizer's table gives them exactly. Where text was lost (unknown words, normalisation) the table is
    scaled to the original bytes, so that dropping text never makes a score look better.
    """
    if bytes_per_token is None:
        return np.full(len(position_N), shards.n_bytes / shards.n_tokens)
    table_V, whole = np.asarray(bytes_per_token, float), 0.0
    bytes_N = np.empty(len(position_N))
    for start in range(0, shards.n_tokens, READ_TOKENS):
        stop = min(start + READ_TOKENS, shards.n_tokens)
        span = table_V[shards.ids(start, stop)]
        whole += span.sum()
        first, last = np.searchsorted(position_N, [start, stop])
        bytes_N[first:last] = span[position_N[first:last] - start]
    return bytes_N * (shards.n_bytes / whole if whole else 0.0)


def plain(name: str) -> str:
    """kneser_ney_5 -> the kneser ney 5 floor."""
    return "the exact entropy" if name == "exact" else f"the {name.replace('_', ' ')} floor"
