"""Looking at an embedding: nearest neighbours, analogies, a map, how far training has moved it. Any embedding's."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from idiolect.embeddings.fit import principal_axes
from idiolect.embeddings.match import spellings, whole_words
from idiolect.tokenizer.encode import Tokenizer


@dataclass(frozen=True)
class Lexicon:
    """A vocabulary and its embedding (V, D): words are found in it, and vectors of it are compared by their cosine."""

    tokenizer: Tokenizer
    vectors_VD: np.ndarray

    @cached_property
    def unit_VD(self) -> np.ndarray:
        """Every row at length 1, float32; a row of zeros stays one."""
        return unit(self.vectors_VD[: self.tokenizer.vocabulary_size].astype(np.float32))

    @cached_property
    def texts(self) -> list[str]:
        """Each id's text with the space that marks a word's start; empty for special tokens."""
        specials = set(self.tokenizer.special_ids.values())
        return ["" if i in specials else text for i, text in enumerate(spellings(self.tokenizer))]

    @cached_property
    def words_V(self) -> np.ndarray:
        """(V,) bool: ids that stand for a whole word, and neighbours are looked for among: letters or digits alone."""
        whole = whole_words(self.tokenizer)
        return np.array([(whole or text[:1] == " ") and text.strip().isalnum() for text in self.texts])

    @cached_property
    def _ids(self) -> dict[str, int]:
        # " king" before "king": running text has more of it.
        marked = {text.strip(): i for i, text in enumerate(self.texts) if text[:1] == " " and text.strip()}
        bare = {text: i for i, text in enumerate(self.texts) if text} if whole_words(self.tokenizer) else {}
        return bare | marked

    def find(self, word: str) -> int | None:
        """The id that stands for a whole word, else that of its lower case; None where it is written in pieces."""
        return self._ids.get(word, self._ids.get(word.lower()))

    def label(self, i: int) -> str:
        """An id as people write it."""
        return self.texts[i].strip() or self.tokenizer.token_text(i)

    def frequent(self, counts_V: np.ndarray, n: int) -> np.ndarray:
        """The n most frequent whole words, one id for each spelling; where there are none, the most frequent tokens."""
        candidates = self.words_V if self.words_V.sum() >= 8 else np.array([bool(t.strip()) for t in self.texts])
        ids = np.flatnonzero(candidates & (counts_V[: len(candidates)] > 0))
        ids = ids[np.lexsort((ids, -counts_V[ids]))]
        once: dict[str, int] = {}
        for i in ids.tolist():
            once.setdefault(self.label(i), i)
        return np.array(list(once.values())[:n], np.int64)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows at length 1; a row of zeros stays one."""
    size = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(size == 0, 1, size)


def neighbours(lexicon: Lexicon, i: int, n: int = 10) -> list[dict]:
    """The n tokens nearest to an id by cosine, itself and other spellings of the same word apart."""
    return nearest(lexicon, lexicon.unit_VD[i], {lexicon.label(i).lower()}, n)


def analogy(lexicon: Lexicon, a: int, b: int, c: int, n: int = 10) -> list[dict]:
    """What is to c as b is to a: nearest to b - a + c, all at length 1 (3CosAdd: Mikolov et al. 2013, W13-3512)."""
    sought_D = lexicon.unit_VD[b] - lexicon.unit_VD[a] + lexicon.unit_VD[c]
    return nearest(lexicon, unit(sought_D), {lexicon.label(i).lower() for i in (a, b, c)}, n)


def nearest(lexicon: Lexicon, sought_D: np.ndarray, apart: set[str], n: int) -> list[dict]:
    """The n tokens of highest cosine to a vector of length 1, none of them in `apart` (lower case), none twice."""
    cosine_V = lexicon.unit_VD @ sought_D
    found: dict[str, dict] = {}
    for i in np.argsort(-cosine_V, kind="stable").tolist():
        word = lexicon.label(i)
        if lexicon.texts[i].strip() and word.lower() not in apart and word not in found:
            found[word] = {"word": word, "id": i, "cosine": float(cosine_V[i])}
            if len(found) == n:
                break
    return list(found.values())


def flat_map(lexicon: Lexicon, ids_N: np.ndarray) -> dict:
    """Places of words on the plane of most variance of their vectors (at length 1), and how much of it that plane has.

    Principal components, not t-SNE: near on this map is a shadow of near in the vectors, and `share` says how faint.
    """
    unit_ND = lexicon.unit_VD[ids_N].astype(np.float64)
    centred_ND = unit_ND - unit_ND.mean(0) if len(unit_ND) else unit_ND
    at_N2 = centred_ND @ principal_axes(unit_ND, 2) if len(unit_ND) > 2 else np.zeros((len(unit_ND), 2))
    if at_N2.shape[1] < 2:
        at_N2 = np.pad(at_N2, ((0, 0), (0, 1)))
    whole = np.square(centred_ND).sum()
    return {
        "words": [lexicon.label(i) for i in ids_N.tolist()],
        "x": [float(f"{x:.4g}") for x in at_N2[:, 0]],
        "y": [float(f"{y:.4g}") for y in at_N2[:, 1]],
        "share": float(np.square(at_N2).sum() / whole) if whole else 0.0,
    }


def drift(lexicon: Lexicon, start_VD: np.ndarray, counts_V: np.ndarray, n_listed: int = 10) -> dict:
    """Cosine between each row as it is and as it started, of rows that occur in the training text.

    `histogram` counts them in 20 steps from -1 to 1; a row that started at zero has no direction to drift from and is
    left out.
    """
    V = lexicon.tokenizer.vocabulary_size
    start = unit(start_VD[:V].astype(np.float32))
    compared = (counts_V[:V] > 0) & (np.abs(start).sum(1) > 0)
    ids = np.flatnonzero(compared)
    cosine = np.clip((lexicon.unit_VD[ids] * start[ids]).sum(1), -1, 1)
    columns, edges = np.histogram(cosine, 20, (-1, 1))
    order = np.lexsort((ids, cosine))

    def entries(chosen: Sequence[int]) -> list[dict]:
        return [{"word": lexicon.label(int(ids[k])), "id": int(ids[k]), "cosine": float(cosine[k])} for k in chosen]

    return {
        "n": len(ids),
        "mean_cosine": float(cosine.mean()) if len(ids) else None,
        "histogram": [[float(f"{edge:.2f}"), int(n)] for edge, n in zip(edges, columns, strict=False)],
        "most_moved": entries(order[:n_listed]),
        "least_moved": entries(order[::-1][:n_listed]),
    }
