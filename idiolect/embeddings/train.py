"""Word vectors from the user's own text: gensim's skip-gram with negative sampling over the run's own token ids.

The ids are the words, so each vector belongs to a row of the model's embedding, whatever the tokenizer. With one
thread the vectors are the same each time (docs/decisions/0007-word-vectors.md).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from idiolect.embeddings.config import SkipGramConfig
from idiolect.errors import DataError, MissingExtra
from idiolect.progress import Bar, Progress
from idiolect.tokenizer.shards import Shards

# gensim drops what stands beyond this in a sentence, and says nothing.
_LONGEST_SENTENCE = 10_000


class Sentences:
    """Documents as lists of ids spelled out, again from the start each time; end tokens are left out."""

    def __init__(self, shards: Shards, bar: Bar | None = None):
        self._shards, self._bar = shards, bar
        self._spelled = [str(i) for i in range(shards.vocabulary_size)]

    def __iter__(self) -> Iterator[list[str]]:
        starts = [*self._shards.document_starts.tolist(), self._shards.n_tokens]
        for first, after in zip(starts, starts[1:], strict=False):
            last = after - 1  # the end token: it stands between texts, not in one
            for start in range(first, last, _LONGEST_SENTENCE):
                ids = self._shards.ids(start, min(last, start + _LONGEST_SENTENCE)).tolist()
                yield [self._spelled[i] for i in ids]
            if self._bar is not None:
                self._bar.advance(after - first)


def train_skip_gram(
    shards: Shards, width: int, config: SkipGramConfig, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (N,), ascending, and their vectors (N, width) float32.

    Raises MissingExtra without gensim, DataError when no token occurs often enough.
    """
    word2vec = library().Word2Vec(
        vector_size=width, sg=1, hs=0, negative=config.negative, window=config.window, min_count=config.min_count,
        alpha=config.learning_rate, min_alpha=config.learning_rate * 1e-4, sample=config.sample, epochs=config.epochs,
        seed=config.seed, workers=config.workers,
    )  # fmt: skip
    with progress.bar("word vectors", shards.n_tokens * (1 + config.epochs), "tokens") as bar:
        sentences = Sentences(shards, bar)
        word2vec.build_vocab(sentences)
        if len(word2vec.wv) < 2:
            raise DataError(
                "there is nothing to learn word vectors from",
                why=f"{len(word2vec.wv)} of the training split's tokens occur {config.min_count} times or more",
                fix="--embeddings.skip_gram.min_count=1, or add text",
            )
        word2vec.train(sentences, total_examples=word2vec.corpus_count, epochs=config.epochs)
    rows_N = np.array([int(word) for word in word2vec.wv.index_to_key], np.int64)
    order_N = np.argsort(rows_N)
    return rows_N[order_N], np.ascontiguousarray(word2vec.wv.vectors[order_N], np.float32)


def library() -> Any:
    try:
        from gensim.models import word2vec
    except ImportError as missing:
        raise MissingExtra("embeddings", needs="gensim") from missing
    return word2vec


def count_ids(shards: Shards) -> np.ndarray:
    """(V,) int64: how often each id stands in a split, counted a piece at a time."""
    counts_V = np.zeros(shards.vocabulary_size, np.int64)
    for start in range(0, shards.n_tokens, 1 << 22):
        counts_V += np.bincount(shards.ids(start, min(shards.n_tokens, start + (1 << 22))), minlength=len(counts_V))
    return counts_V
