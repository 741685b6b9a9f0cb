"""Scores of each source of a split: a mean over all of them hides what a model is bad at."""

import numpy as np

from idiolect.evaluate.figures import TokenScores, bytes_of, clusters_of
from idiolect.evaluate.statistics import ratio_interval

# Sources beyond these, by tokens, are left to the whole: files named one by one are sources, too.
MOST = 40


def by_source(scores: TokenScores, shards, context_length: int, bytes_per_token=None) -> dict[str, dict]:
    """Bits per byte and nats a token of the split's largest sources; nothing for a split of one."""
    if len(shards.sources) < 2:
        return {}
    bytes_N = bytes_of(scores.position_N, shards, bytes_per_token)
    document_N = np.searchsorted(shards.document_starts, scores.position_N, side="right") - 1
    source_N = shards.document_sources[document_N]
    n_S = np.bincount(source_N, minlength=len(shards.sources))
    found = {}
    for source in np.argsort(-n_S, kind="stable")[:MOST].tolist():
        if not n_S[source]:
            continue
        mine = source_N == source
        cluster_N, _ = clusters_of(scores.position_N[mine], shards.document_starts, shards.n_tokens, context_length)
        nats_C, bytes_C = (np.bincount(cluster_N, values[mine]) for values in (scores.nats_N, bytes_N))
        n = int(n_S[source])
        found[shards.sources[source]] = {
            "bits_per_byte": ratio_interval(nats_C / np.log(2), bytes_C, n),
            "nats": ratio_interval(nats_C, np.bincount(cluster_N), n),
        }
    return found
