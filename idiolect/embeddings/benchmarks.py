"""Two standard questions to an embedding: analogies (questions-words.txt), and similarities as people judge them
(WordSim-353, SimLex-999).

Words that aren't single tokens are left out and counted: a score over few pairs says little, and `n` tells.
"""

from pathlib import Path

import numpy as np

from idiolect.embeddings.inspect import Lexicon, unit
from idiolect.errors import DataError

_BATCH = 256


def analogy_scores(lexicon: Lexicon, path: Path) -> dict:
    """Share of analogies whose fourth word is the nearest of all (3CosAdd, the three given words apart).

    By section and in all; `n` counts those asked, `skipped` those with a word that is no token. Lines of four words,
    sections begun by ": name". Raises DataError for other files.
    """
    sections: dict[str, list[tuple[int, int, int, int]]] = {}
    name, n_skipped = "all", 0
    for number, line in _lines(path):
        if line.startswith(":"):
            name = line[1:].strip()
            continue
        words = line.split()
        if len(words) != 4:
            raise _malformed(path, number, "four words, or a section's name after a colon")
        ids = [lexicon.find(word) for word in words]
        if None in ids or len(set(ids)) < 4:
            n_skipped += 1
        else:
            sections.setdefault(name, []).append(tuple(ids))
    if not sections and not n_skipped:
        raise _malformed(path, 1, "four words, or a section's name after a colon")
    right = {name: int(_answered(lexicon, np.array(asked)).sum()) for name, asked in sections.items()}
    n = sum(map(len, sections.values()))
    return {
        "accuracy": sum(right.values()) / n if n else None,
        "n": n,
        "skipped": n_skipped,
        "sections": {name: {"accuracy": right[name] / len(asked), "n": len(asked)} for name, asked in sections.items()},
    }


def _answered(lexicon: Lexicon, asked_N4: np.ndarray) -> np.ndarray:
    """(N,) bool: whether the fourth word is the nearest. Candidates are whole words; capitals make no difference."""
    candidates = np.union1d(np.flatnonzero(lexicon.words_V), asked_N4.ravel())
    unit_CD = lexicon.unit_VD[candidates]
    _, word_C = np.unique([lexicon.label(i).lower() for i in candidates.tolist()], return_inverse=True)
    right = []
    for start in range(0, len(asked_N4), _BATCH):
        asked_n4 = asked_N4[start : start + _BATCH]
        a, b, c, _ = asked_n4.T
        word_n4 = word_C[np.searchsorted(candidates, asked_n4)]
        cosine_nC = unit(lexicon.unit_VD[b] - lexicon.unit_VD[a] + lexicon.unit_VD[c]) @ unit_CD.T
        for given_n in word_n4[:, :3].T:
            cosine_nC[word_C == given_n[:, None]] = -np.inf
        right.append(word_C[cosine_nC.argmax(1)] == word_n4[:, 3])
    return np.concatenate(right)


def similarity_scores(lexicon: Lexicon, path: Path) -> dict:
    """Spearman's rank correlation between people's judgements and cosines.

    Lines of two words and a number, separated by tabs, commas or spaces; `#` begins a comment. Raises DataError for
    other files.
    """
    judged, cosines, n_skipped = [], [], 0
    for number, line in _lines(path):
        if line.startswith("#"):
            continue
        fields = line.replace("\t", " ").replace(",", " ").split()
        try:
            first, second, score = fields[0], fields[1], float(fields[2])
        except (IndexError, ValueError):
            if not judged and not n_skipped and len(fields) >= 3:
                continue  # the names of the columns
            raise _malformed(path, number, "two words and a number") from None
        a, b = lexicon.find(first), lexicon.find(second)
        if a is None or b is None:
            n_skipped += 1
            continue
        judged.append(score)
        cosines.append(float(lexicon.unit_VD[a] @ lexicon.unit_VD[b]))
    if not judged and not n_skipped:
        raise _malformed(path, 1, "two words and a number")
    rho = spearman(np.array(judged), np.array(cosines)) if len(judged) > 2 else None
    return {"spearman": rho, "n": len(judged), "skipped": n_skipped}


def spearman(first_N: np.ndarray, second_N: np.ndarray) -> float | None:
    """Correlation of ranks, ties at their mean rank; None where one side is all ties."""
    x_N, y_N = (ranks(values_N) for values_N in (first_N, second_N))
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    size = np.sqrt((x_N @ x_N) * (y_N @ y_N))
    return float(x_N @ y_N / size) if size else None


def ranks(values_N: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, place_N, n_U = np.unique(values_N, return_inverse=True, return_counts=True)
    last_U = np.cumsum(n_U)
    return ((last_U - n_U + 1 + last_U) / 2)[place_N]


def _lines(path: Path):
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise DataError(
            f"{path} can't be read", why=error.strerror or str(error), fix="name a file that is there"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8", why=str(error), fix="convert it, or name another file") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty", why="there is nothing in it to ask", fix="name a file with questions in it")
    return lines


def _malformed(path: Path, number: int, wanted: str) -> DataError:
    return DataError(
        f"line {number} of {path} can't be read", why=f"a line holds {wanted}",
        fix="analogies: questions-words.txt; similarities: WordSim-353 or SimLex-999, or files like these",
    )  # fmt: skip
