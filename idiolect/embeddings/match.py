"""Which token is which word: for every kind of tokenizer, in declared steps, with what was covered.

Tokens are compared as text in which a leading space marks the start of a word, whatever marker a vocabulary uses:

    byte-level BPE   "Ġking" -> " king"    "ing" -> "ing"      words of a file are whole: "king" -> " king"
    WordPiece        "king"  -> " king"    "##ing" -> "ing"
    SentencePiece    "▁king" -> " king"    "ing" -> "ing"

A piece from inside a word is no word: "ing" of a BPE doesn't get the vector of a word "ing". Where tokens are whole
words, or single characters, the space makes no difference.
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idiolect.embeddings.config import EmbeddingsConfig
from idiolect.embeddings.huggingface import read_folder
from idiolect.embeddings.read import Vectors, read_vectors
from idiolect.errors import DataError
from idiolect.tokenizer.encode import Tokenizer

_STEPS = {
    "lower_case": str.lower,
    "title_case": str.title,
    # GoogleNews' vectors were made of text whose numbers were written so.
    "digits_as_hashes": lambda text: "".join("#" if c.isdigit() else c for c in text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
}
_UNKNOWN = (" <unk>", " <UNK>", " [UNK]")
_SHOWN = 30


@dataclass(frozen=True)
class Matched:
    """Ids (N,), their vectors (N, width) float32 as the source has them, and the report of the match."""

    rows_N: np.ndarray
    vectors_NW: np.ndarray
    report: dict


def match(config: EmbeddingsConfig, tokenizer: Tokenizer, counts_V: np.ndarray) -> Matched:
    """The vectors of a file or a folder for a vocabulary; `counts_V`: how often each id occurs in the training text.

    `check_coverage` says whether they are enough. Raises DataError or UnsafeError for what can't be read.
    """
    path = Path(config.source)
    texts, whole = spellings(tokenizer), whole_words(tokenizer)
    keys = [keys_of(tokenizer, i, text, whole, config.match) for i, text in enumerate(texts)]
    wanted = {key for steps in keys for key, _ in steps}
    folder = config.format == "huggingface" or (config.format == "auto" and path.is_dir())
    if folder:
        found = read_folder(path, wanted, spellings)
    else:
        found = read_vectors(path, {key[1:] for key in wanted if key[:1] == " "}, config.format)
    rows_N, at_N, steps = _best(keys, found, prefix="" if folder else " ")
    report = coverage(tokenizer, counts_V, rows_N) | {
        "format": found.format, "width": int(found.vectors_NW.shape[1]), "steps": steps, "file": found.figures,
    }  # fmt: skip
    return Matched(rows_N, found.vectors_NW[at_N], report)


def _best(keys: list[list[tuple[str, str]]], found: Vectors, prefix: str) -> tuple[np.ndarray, np.ndarray, dict]:
    place = {prefix + word: n for n, word in enumerate(found.words)}
    rows, at, steps = [], [], {}
    for i, tried in enumerate(keys):
        hit = next(((place[key], step) for key, step in tried if key in place), None)
        if hit is not None:
            rows.append(i)
            at.append(hit[0])
            steps[hit[1]] = steps.get(hit[1], 0) + 1
    return np.array(rows, np.int64), np.array(at, np.int64), steps


def keys_of(tokenizer: Tokenizer, i: int, text: str, whole: bool, other_steps: Sequence[str]) -> list[tuple[str, str]]:
    """The spellings under which a token is looked for, the best first, each with the step that gave it.

    `whole`: tokens stand for words or characters, not for pieces of words.
    """
    if i == tokenizer.unknown_id:
        return [(key, "unknown") for key in _UNKNOWN]
    if i in tokenizer.special_ids.values() or not text:
        return []
    bare = text.strip()
    keys = {text: "exact"}
    if bare and (whole or not any(map(str.isalnum, bare))):
        keys.setdefault(f" {bare}", "exact")
    for step in other_steps:
        for key in list(keys):
            keys.setdefault(_STEPS[step](key), step)
    return list(keys.items())


def whole_words(tokenizer: Tokenizer) -> bool:
    """Whether each token stands for itself, a word or a character, and is no piece of a word."""
    return _model(tokenizer)["type"] == "WordLevel" or tokenizer.kind in ("character", "byte")


def spellings(tokenizer: Tokenizer) -> list[str]:
    """Each id's text, a leading space marking the start of a word; empty where an id has no text of its own."""
    model = _model(tokenizer)
    inside = model.get("continuing_subword_prefix") if model["type"] == "WordPiece" else None
    # A loaded byte-level file without merges of its own is spelled in byte letters; token_text knows.
    texts = [tokenizer.token_text(i) for i in range(tokenizer.vocabulary_size)]
    if inside:
        return [text.removeprefix(inside) if text.startswith(inside) else f" {text}" for text in texts]
    return [f" {text[1:]}" if text.startswith("\u2581") and len(text) > 1 else text for text in texts]


def _model(tokenizer: Tokenizer) -> dict:
    return json.loads(tokenizer.parts()[0])["model"]


def coverage(tokenizer: Tokenizer, counts_V: np.ndarray, rows_N: np.ndarray) -> dict:
    """How much of the vocabulary, and of the running text, has a vector; special tokens are in neither.

    Words outside the vocabulary (<|unk|>) count as text without a vector, unless the source has one for them.
    """
    ordinary_V = np.ones(tokenizer.vocabulary_size, bool)
    ordinary_V[list(tokenizer.special_ids.values())] = False
    text_V = ordinary_V.copy()
    if tokenizer.unknown_id is not None:
        text_V[tokenizer.unknown_id] = True
    found_V = np.zeros(tokenizer.vocabulary_size, bool)
    found_V[rows_N] = True
    running = np.where(text_V, counts_V, 0)
    lost = np.flatnonzero(ordinary_V & ~found_V)
    lost = lost[np.lexsort((lost, -counts_V[lost]))][:_SHOWN]
    n_types, n_tokens = int(ordinary_V.sum()), int(running.sum())
    return {
        "types": n_types,
        "types_found": int((found_V & ordinary_V).sum()),
        "coverage": float((found_V & ordinary_V).sum() / max(1, n_types)),
        "tokens": n_tokens,
        "token_coverage": float(running[found_V].sum() / max(1, n_tokens)),
        "not_found": [{"token": tokenizer.token_text(i), "count": int(counts_V[i])} for i in lost.tolist()],
    }


def check_coverage(report: dict, config: EmbeddingsConfig, tokenizer: Tokenizer) -> None:
    """Raise DataError when the share of the vocabulary that was found is below the least.

    Of vectors trained on the text itself it is the share of the text: a token without one hardly occurs there.
    """
    own = config.source == "corpus"
    share = report["token_coverage" if own else "coverage"]
    if share >= config.least_coverage:
        return
    lost = ", ".join(repr(entry["token"]) for entry in report["not_found"][:8])
    anyway = f"--embeddings.least_coverage={int(share * 1000) / 1000:g} to take it so"
    if own:
        why, fix = "rarer tokens get no vector", f"--embeddings.skip_gram.min_count=1, or {anyway}"
    elif whole_words(tokenizer) and tokenizer.kind not in ("character", "byte"):
        why = "words of your text that the source has never met start at random"
        fix = f"a smaller --tokenizer.vocabulary_size, --embeddings.source=corpus, or {anyway}"
    else:
        why = (
            f"tokens of kind {tokenizer.kind} are mostly pieces of words, and a list of words has no vectors for those"
        )
        fix = f"--tokenizer.kind=word, --embeddings.source=corpus (vectors for any tokens), or {anyway}"
    whole = "training text" if own else "vocabulary"
    raise DataError(
        f"only {share:.1%} of the {whole} has a vector in the source ({report['types_found']:,} of "
        f"{report['types']:,} tokens; {report['token_coverage']:.1%} of the running text)",
        why=f"{why}; the most frequent that were not found: {lost}",
        fix=fix,
    )
