"""What the documents are about: hashed TF-IDF, spherical mini-batch k-means (Sculley 2010), telling words as names."""

from collections import Counter

import numpy as np

from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.hashed import Words, mixed, words_of

BATCH, PASSES, STARTS = 256, 12, 3
LEAST_LETTERS, NAMED, SAMPLES, WIDTH, SIGNS = 3, 10, 3, 256, 4
# Words in more documents than this share say nothing about any; in fewer than so many, they are that document's own.
COMMON, RARE = 0.5, 3


def topics(documents: list[dict], n: int, seed: int) -> dict:
    """Clusters of `documents` (id, source, language, text, bytes): largest first, the same ones every time."""
    words = words_of([d["text"] for d in documents])
    pairs = _Pairs(words, len(documents))
    x = pairs.vectors()
    usable = np.flatnonzero(np.abs(x).sum(1) > 0)
    n = min(n, len(usable) // 5)
    if n < 2:
        return {"documents": len(documents), "explained": None, "clusters": []}
    runs = [_cluster(x[usable], n, seed + k) for k in range(STARTS)]
    labels, centres = max(runs, key=lambda run: _closeness(x[usable], *run))
    whole = x[usable].mean(0)
    clusters = []
    for k in range(n):
        at = usable[labels == k]
        if len(at):
            nearest = at[np.argsort(-(x[at] @ (centres[k] - whole)), kind="stable")[:SAMPLES]]
            chosen, shown = ([documents[i] for i in places] for places in (at, nearest))
            clusters.append(_described(pairs.telling(at), chosen, shown, len(usable)))
    clusters.sort(key=lambda c: (-c["documents"], c["words"]))
    numbered = [{"topic": i} | cluster for i, cluster in enumerate(clusters)]
    return {"documents": len(documents), "explained": _closeness(x[usable], labels, centres), "clusters": numbered}


class _Pairs:
    """Which documents hold which words, and how often; words in too many or too few documents are left out."""

    def __init__(self, words: Words, n: int):
        long = np.flatnonzero(words.lengths >= LEAST_LETTERS)
        hashes, first, ids = np.unique(words.hashes[long], return_index=True, return_inverse=True)
        self.n, self._words, self._hashes, self._first = n, words, hashes, long[first]
        key, count = np.unique(words.document[long] * max(len(hashes), 1) + ids, return_counts=True)
        row, word = np.divmod(key, max(len(hashes), 1))
        self._found = np.bincount(word, minlength=len(hashes))
        useful = (self._found[word] <= max(COMMON * n, RARE)) & (self._found[word] >= RARE)
        self._row, self._word, self._count = row[useful], word[useful], count[useful]

    def vectors(self) -> np.ndarray:
        """A unit row for each document: TF-IDF in a signed random projection, which keeps angles (Achlioptas 2003)."""
        weight = (1 + np.log(self._count)) * np.log(self.n / self._found[self._word])
        x = np.zeros((self.n, WIDTH))
        for k in range(SIGNS):
            hashed = mixed(self._hashes[self._word] + np.uint64(k + 1))
            sign = np.where(hashed & np.uint64(1), 1.0, -1.0)
            cell = self._row * WIDTH + (hashed >> np.uint64(40)).astype(np.int64) % WIDTH
            x += np.bincount(cell, weight * sign, self.n * WIDTH).reshape(self.n, WIDTH)
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

    def telling(self, chosen: np.ndarray) -> list[str]:
        """The words most surely commoner inside than outside: log odds over their error (Monroe et al. 2008)."""
        is_in = np.zeros(self.n, bool)
        is_in[chosen] = True
        inside = np.bincount(self._word[is_in[self._row]], minlength=len(self._hashes)) + 0.5
        outside = np.bincount(self._word[~is_in[self._row]], minlength=len(self._hashes)) + 0.5
        odds = np.log(inside / (len(chosen) + 1 - inside)) - np.log(outside / (self.n - len(chosen) + 1 - outside))
        strength = np.where(inside >= 1, odds / np.sqrt(1 / inside + 1 / outside), -np.inf)
        best = [i for i in np.argsort(-strength, kind="stable")[:NAMED] if np.isfinite(strength[i])]
        return [self._words.spelled(self._first[i]) for i in best]


def _cluster(x: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    centres = x[[draw.integers(len(x))]]
    for _ in range(n - 1):  # k-means++ (Arthur and Vassilvitskii 2007)
        far = np.maximum(1 - (x @ centres.T).max(1), 0)
        centres = np.vstack(
            [centres, x[np.searchsorted(np.cumsum(far), draw.random() * far.sum()).clip(0, len(x) - 1)]]
        )
    counts = np.ones(n)
    for _ in range(PASSES):
        order = draw.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = x[order[start : start + BATCH]]
            own = np.eye(n)[:, (rows @ centres.T).argmax(1)]
            size = own.sum(1)
            counts += size
            centres += (own @ rows - size[:, None] * centres) / counts[:, None]
            centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return (x @ centres.T).argmax(1), centres


def _closeness(x: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> float:
    """Mean cosine between a document and its centre."""
    return float((x * centres[labels]).sum(1).mean())


def _described(words: list[str], chosen: list[dict], nearest: list[dict], n: int) -> dict:
    return {
        "words": words, "documents": len(chosen), "share": len(chosen) / n, "bytes": sum(d["bytes"] for d in chosen),
        "languages": _shares(Counter(d["language"] for d in chosen)),
        "sources": _shares(Counter(d["source"].partition("/")[0] for d in chosen)),
        "samples": [{"id": d["id"], "source": d["source"], "example": example(d["text"])} for d in nearest],
    }  # fmt: skip


def _shares(counts: Counter) -> list[list]:
    total = sum(counts.values())
    return [[name, n / total] for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]]
