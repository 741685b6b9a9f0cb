"""What the documents are about: hashed TF-IDF, spherical mini-batch k-means (Sculley 2010), telling words as names."""

from collections import Counter

import numpy as np

from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.hashed import mixed, words_of

BITS = 15
BATCH, PASSES, STARTS = 256, 12, 3
LEAST_LETTERS, NAMED, SAMPLES, WIDTH = 3, 10, 3, 256
# Words in more documents than this share say nothing about any; in fewer than so many, they are that document's own.
COMMON, RARE = 0.5, 3


def topics(documents: list[dict], n: int, seed: int) -> dict:
    """Clusters of `documents` (id, source, language, text, bytes): largest first, the same ones every time."""
    x, texts = _vectors([d["text"] for d in documents])
    usable = np.flatnonzero(np.abs(x).sum(1) > 0)
    n = min(n, len(usable) // 5)
    if n < 2:
        return {"documents": len(documents), "explained": None, "clusters": []}
    runs = [_cluster(x[usable], n, seed + k) for k in range(STARTS)]
    labels, centres = max(runs, key=lambda run: _closeness(x[usable], *run))
    whole = x[usable].mean(0)
    explained = _closeness(x[usable], labels, centres)
    everywhere = Counter(word for i in usable for word in texts[i])
    clusters = []
    for k in range(n):
        at = usable[labels == k]
        if len(at):
            nearest = at[np.argsort(-(x[at] @ (centres[k] - whole)), kind="stable")[:SAMPLES]]
            inside = Counter(word for i in at for word in texts[i])
            words = _telling(inside, len(at), everywhere, len(usable))
            clusters.append(_described(words, [documents[i] for i in at], [documents[i] for i in nearest], len(usable)))
    clusters.sort(key=lambda c: (-c["documents"], c["words"]))
    numbered = [{"topic": i} | cluster for i, cluster in enumerate(clusters)]
    return {"documents": len(documents), "explained": explained, "clusters": numbered}


def _vectors(texts: list[str]) -> tuple[np.ndarray, list[list[str]]]:
    """Unit TF-IDF rows over hashed words, projected to a size that k-means likes; and each text's words."""
    words = words_of(texts)
    long = words.lengths >= LEAST_LETTERS
    column, row = (words.hashes >> np.uint64(64 - BITS)).astype(np.int64)[long], words.document[long]
    key, count = np.unique((row << BITS) | column, return_counts=True)
    row, column = key >> BITS, key & ((1 << BITS) - 1)
    found = np.bincount(column, minlength=1 << BITS)
    useful = (found[column] <= max(COMMON * len(texts), RARE)) & (found[column] >= RARE)
    row, column, count = row[useful], column[useful], count[useful]
    weight = (1 + np.log(count)) * np.log(len(texts) / found[column])
    norm = np.sqrt(np.bincount(row, weight**2, len(texts)))
    weight /= norm[row]
    # Signed random projection keeps angles (Achlioptas 2003) and lets every document be a short dense row.
    x = np.zeros((len(texts), WIDTH))
    for k in range(4):
        hashed = mixed(column.astype(np.uint64) * np.uint64(4) + np.uint64(k) + np.uint64(1))
        sign = np.where(hashed & np.uint64(1), 0.5, -0.5)
        np.add.at(x, (row, (hashed >> np.uint64(56)).astype(np.int64)), weight * sign)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    bounds = zip(words.offsets[:-1], words.offsets[1:], strict=True)
    return x, [sorted({words.spelled(i) for i in range(a, b) if long[i]}) for a, b in bounds]


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
            labels = (rows @ centres.T).argmax(1)
            for k in np.unique(labels):
                own = rows[labels == k]
                counts[k] += len(own)
                centres[k] += (own - centres[k]).sum(0) / counts[k]
                centres[k] /= max(np.linalg.norm(centres[k]), 1e-12)
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


def _telling(inside: Counter, n_inside: int, everywhere: Counter, n: int) -> list[str]:
    """The words most surely commoner inside than outside: log odds over their error (Monroe et al. 2008)."""

    def strength(word: str) -> float:
        a, b = inside[word], everywhere[word] - inside[word]
        odds = np.log((a + 0.5) / (n_inside - a + 0.5)) - np.log((b + 0.5) / (max(n - n_inside - b, 0) + 0.5))
        return odds / np.sqrt(1 / (a + 0.5) + 1 / (b + 0.5))

    useful = [word for word in inside if everywhere[word] <= max(COMMON * n, RARE)]
    return sorted(useful, key=lambda word: (-strength(word), word))[:NAMED]


def _shares(counts: Counter) -> list[list]:
    total = sum(counts.values())
    return [[name, n / total] for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]]
