"""Small vocabularies and files of vectors that the tests of this room share."""

from pathlib import Path

import numpy as np
import pytest

from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

DATA = Path(__file__).parents[3] / "shared" / "data" / "embeddings"
TEXT = (
    "The king and the queen live in Paris . A king is a man , a queen is a woman . The man and the woman walk to the "
    "river . The old king walks , the young queen runs . Running and walking are good for 42 men and 17 women .\n"
) * 20


@pytest.fixture
def real():
    """The folder of real files of vectors; skips where they are not."""
    if not DATA.is_dir():
        pytest.skip("the real files are not here")
    return DATA


@pytest.fixture(scope="session")
def tokenizers():
    """One small tokenizer of each kind, of the same text."""
    kinds = ("word", "bpe", "unigram", "wordpiece", "character", "byte")
    return {kind: build(TokenizerConfig(kind=kind, vocabulary_size=400), [TEXT]) for kind in kinds}


def vectors(n: int, width: int = 4, seed: int = 0) -> np.ndarray:
    """(n, width) float32."""
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def as_text(words: list[str], rows: np.ndarray, header: bool) -> bytes:
    """A file of vectors as text: word2vec's with a header, GloVe's without."""
    lines = [" ".join([word, *(f"{x:.9g}" for x in row)]) for word, row in zip(words, rows, strict=True)]
    return "\n".join([*([f"{len(words)} {rows.shape[1]}"] if header else []), *lines, ""]).encode()


def as_binary(words: list[str], rows: np.ndarray, line_ends: bool = True) -> bytes:
    """word2vec's binary format."""
    parts = [f"{len(words)} {rows.shape[1]}\n".encode()]
    for word, row in zip(words, rows, strict=True):
        parts += [word.encode(), b" ", row.astype("<f4").tobytes(), b"\n" if line_ends else b""]
    return b"".join(parts)
