"""The last floor: what a text of known entropy must cost each held-out token, computed from its own process.

A model may come near these nats and, but for luck on the tokens at hand, never below: below is a leak, above is a bug
or too little training. They are priced on the very tokens that the model is scored on, so the comparison is in pairs
and most of the luck cancels.
"""

import math
from collections.abc import Iterable

import numpy as np

from idiolect.config import Config
from idiolect.corpus.exact.process import build

LABEL = "exact entropy of this text"


def exact_nats(config: Config, texts: Iterable[str], shards) -> np.ndarray:
    """(n_tokens,) nats of each token of a split: `texts` are its documents, in the order of its shards.

    With one token a symbol these are each symbol's own. Other tokenizers keep a document's sum, spread evenly over
    its tokens: what a document costs doesn't depend on how it is cut.
    """
    parts = []
    counts = np.diff(np.append(shards.document_starts, shards.n_tokens)).tolist()
    for nats, count in zip(build(config).nats_of(texts), counts, strict=True):
        parts.append(nats if len(nats) == count else np.full(count, nats.sum() / count))
    return np.concatenate(parts)


def exact_floor(nats_N: np.ndarray, n_bytes: int) -> dict:
    """The figures as floors.summarise has them; `limit` says that no model gets below, unlike the other floors."""
    return {
        "label": LABEL,
        "nats": float(nats_N.mean()),
        "bits_per_byte": float(nats_N.sum()) / math.log(2) / n_bytes,
        "best": False,
        "limit": True,
    }
