"""How much of one text stands in another: runs of words of held-out or evaluation text, looked up in training text.

The n-grams of the held-out side are held sorted (8 bytes each); training text streams past them.
"""

import numpy as np

from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.hashed import Words, ngrams_of, words_of

ORDERS = (8, 13)
WORST = 3
TABLE_BITS = 24


class Overlap:
    """One side that is looked for: its documents, and which of their n-grams were met."""

    def __init__(self, name: str, documents: list[dict]):
        self.name, self.documents = name, documents
        words = words_of([d["text"] for d in documents])
        self._parts = {n: _Grams(words, n) for n in ORDERS}

    def look_in(self, words: Words) -> None:
        """Mark what these words of training text hold."""
        for n, part in self._parts.items():
            part.mark(ngrams_of(words, n)[0])

    def figures(self) -> list[dict]:
        """One row for each n."""
        return [self._row(n, part) for n, part in self._parts.items()]

    def _row(self, n: int, part: "_Grams") -> dict:
        found, total = part.found(len(self.documents))
        share = found / np.maximum(total, 1)
        worst = sorted(np.flatnonzero(found), key=lambda i: (-share[i], self.documents[i]["id"]))[:WORST]
        rows = [
            {"id": self.documents[i]["id"], "source": self.documents[i]["source"], "share": float(share[i]),
             "example": example(self.documents[i]["text"])}
            for i in worst
        ]  # fmt: skip
        grams, touched = int(total.sum()), int((found > 0).sum())
        return {
            "of": self.name, "within": "train", "n": n, "grams": grams, "shared": int(found.sum()),
            "share": float(found.sum() / grams) if grams else 0.0, "documents": len(self.documents),
            "touched": touched, "touched_share": touched / max(len(self.documents), 1), "worst": rows,
        }  # fmt: skip


class _Grams:
    """N-grams of one length, a bit for each that was met, and a table that turns most strangers away at once."""

    def __init__(self, words: Words, n: int):
        hashes, first = ngrams_of(words, n)
        self._document = words.document[first]
        self._keys, self._inverse = np.unique(hashes, return_inverse=True)
        self._met = np.zeros(len(self._keys), bool)
        self._table = np.zeros(1 << TABLE_BITS, bool)
        self._table[self._keys >> np.uint64(64 - TABLE_BITS)] = True

    def mark(self, hashes: np.ndarray) -> None:
        if not len(self._keys):
            return
        likely = hashes[self._table[hashes >> np.uint64(64 - TABLE_BITS)]]
        at = np.minimum(np.searchsorted(self._keys, likely), len(self._keys) - 1)
        self._met[at[self._keys[at] == likely]] = True

    def found(self, n_documents: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each document: n-grams that were met, and all."""
        total = np.bincount(self._document, minlength=n_documents)
        met = np.bincount(self._document, self._met[self._inverse], n_documents).astype(np.int64)
        return met, total
