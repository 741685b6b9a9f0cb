"""Splits with known tokens, written without a text."""

import numpy as np

from idiolect.tokenizer import shards
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

BYTES = build(TokenizerConfig(kind="byte"), [])
END = BYTES.end_id


def split_of(folder, texts, shard_tokens=1 << 20, sources=None):
    shards.write(BYTES, texts, folder, "train", shard_tokens=shard_tokens, sources=sources)
    return shards.Shards(folder, "train", BYTES)


def random_texts(n_documents, seed=0, longest=30):
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("abcdefgh"), random.integers(0, longest))) for _ in range(n_documents)]
