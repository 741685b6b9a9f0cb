"""What a tokenizer does to text, in numbers and examples: for `idiolect show` and the report."""

import re
from collections.abc import Iterable

import numpy as np

from idiolect.tokenizer.encode import Tokenizer

_EXAMPLE_CHARACTERS = 120


def inspect(tokenizer: Tokenizer, texts: Iterable[str], n_listed: int = 20) -> dict:
    """Measure a tokenizer on texts; lists hold at most `n_listed` entries.

    `bytes_per_token` is of the original UTF-8, so it compares kinds; `fertility` is tokens per word, a word being what
    white space encloses; `unknown` is the share of tokens that are <|unk|>.
    """
    counts = np.zeros(tokenizer.vocabulary_size, np.int64)
    n_bytes = n_words = n_characters = n_documents = 0
    examples = []
    for text in texts:
        ids = tokenizer.encode(text)
        counts += np.bincount(ids, minlength=tokenizer.vocabulary_size)
        n_bytes += len(text.encode("utf-8", "surrogateescape"))
        n_characters += len(text)
        n_words += sum(1 for _ in re.finditer(r"\S+", text))
        n_documents += 1
        if len(examples) < 3 and text.strip():
            shown = tokenizer.encode(text.strip()[:_EXAMPLE_CHARACTERS])
            examples.append([tokenizer.token_text(i) for i in shown])
    ordinary = np.setdiff1d(np.arange(tokenizer.vocabulary_size), list(tokenizer.special_ids.values()))
    n_tokens = int(counts.sum())
    unseen = ordinary[counts[ordinary] == 0]
    used = ordinary[counts[ordinary] > 0]
    by_length = used[np.lexsort((used, -tokenizer.bytes_per_token[used]))]
    by_count = used[np.lexsort((used, -counts[used]))]

    def entries(ids: np.ndarray) -> list[dict]:
        return [{"id": int(i), "token": tokenizer.token_text(i), "count": int(counts[i])} for i in ids[:n_listed]]

    return {
        "kind": tokenizer.kind,
        "hash": tokenizer.hash,
        "vocabulary_size": tokenizer.vocabulary_size,
        "specials": tokenizer.special_ids,
        "lossless": tokenizer.lossless,
        "loss_note": tokenizer.loss_note,
        "documents": n_documents,
        "bytes": n_bytes,
        "characters": n_characters,
        "tokens": n_tokens,
        "bytes_per_token": _ratio(n_bytes, n_tokens),
        "characters_per_token": _ratio(n_characters, n_tokens),
        "fertility": _ratio(n_tokens, n_words),
        "unknown": _ratio(int(counts[tokenizer.unknown_id]), n_tokens) if tokenizer.unknown_id is not None else 0.0,
        "vocabulary_used": _ratio(len(used), len(ordinary)),
        "longest": entries(by_length),
        "most_frequent": entries(by_count),
        "n_unseen": len(unseen),
        "unseen": entries(unseen),
        "examples": examples,
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
