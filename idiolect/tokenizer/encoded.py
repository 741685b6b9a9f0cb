"""Documents as arrays, on their way into a shard."""

from dataclasses import dataclass

import numpy as np

from idiolect.errors import DataError
from idiolect.tokenizer.encode import Tokenizer
from idiolect.tokenizer.shard_file import token_bytes_for


@dataclass(frozen=True)
class Encoded:
    """Some documents' tokens, end tokens included, in a row; tokens and UTF-8 bytes of each document."""

    ids: np.ndarray
    n_tokens_D: np.ndarray
    n_bytes_D: np.ndarray


def encode_documents(tokenizer: Tokenizer, first: int, texts: list[str]) -> Encoded:
    """Encode documents, the first of them number `first` of its split. Raises DataError naming one that can't be."""
    dtype = np.dtype(f"<u{token_bytes_for(tokenizer.vocabulary_size)}")
    end = np.array([tokenizer.end_id], dtype)
    parts, n_tokens, n_bytes = [], [], []
    for n, text in enumerate(texts):
        try:
            ids = tokenizer.encode(text)
            n_bytes.append(len(text.encode("utf-8", "surrogateescape")))
        except DataError as error:
            raise DataError(
                f"document {first + n:,} of the split can't be encoded: {error.what}",
                why=f"{error.why}; the document starts with {text[:40]!r}",
                fix=error.fix,
            ) from error
        parts += [ids.astype(dtype), end]
        n_tokens.append(len(ids) + 1)
    return Encoded(np.concatenate(parts), np.array(n_tokens, np.int64), np.array(n_bytes, np.int64))
