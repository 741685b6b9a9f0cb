"""Vectors from one's own text: the same each time, lined up with the vocabulary, nothing cut, and of some sense."""

import hashlib
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from idiolect.embeddings.config import SkipGramConfig
from idiolect.embeddings.inspect import unit
from idiolect.embeddings.train import Sentences, count_ids, train_skip_gram
from idiolect.errors import DataError, MissingExtra
from idiolect.progress import Progress
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.shards import Shards, write

ANIMALS, TOOLS = ("cat dog horse cow sheep".split(), "hammer saw drill wrench file".split())


def documents() -> list[str]:
    choose = random.Random(1)
    return [" ".join(choose.choices(group, k=30)) for _ in range(150) for group in (ANIMALS, TOOLS)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder, texts = tmp_path_factory.mktemp("shards"), documents()
    tokenizer = build(TokenizerConfig(kind="word", vocabulary_size=64, min_frequency=1), texts)
    write(tokenizer, texts, folder, "train")
    return Shards(folder, "train", tokenizer), tokenizer


CONFIG = SkipGramConfig(min_count=1, epochs=8, learning_rate=0.05)


@pytest.fixture(scope="module")
def trained(shards):
    pytest.importorskip("gensim")
    return train_skip_gram(shards[0], 16, CONFIG, Progress.silent())


def test_words_of_one_company_lie_together(shards, trained):
    rows_N, vectors_NW = trained
    place = {shards[1].token_text(i).strip(): unit(v) for i, v in zip(rows_N.tolist(), vectors_NW, strict=True)}
    within = np.mean([place[a] @ place[b] for group in (ANIMALS, TOOLS) for a in group for b in group if a != b])
    between = np.mean([place[a] @ place[b] for a in ANIMALS for b in TOOLS])
    assert within > between + 0.3


def test_each_vector_has_the_row_of_its_id(shards, trained):
    rows_N, vectors_NW = trained
    counts_V = count_ids(shards[0])
    special = set(shards[1].special_ids.values())
    assert rows_N.tolist() == [i for i in range(len(counts_V)) if counts_V[i] and i not in special]
    assert vectors_NW.shape == (len(rows_N), 16) and vectors_NW.dtype == np.float32


def test_the_same_text_gives_the_same_vectors_in_another_process(shards, trained, tmp_path):
    code = (
        "import sys, hashlib; from pathlib import Path; from idiolect.embeddings.config import SkipGramConfig\n"
        "from idiolect.embeddings.train import train_skip_gram; from idiolect.progress import Progress\n"
        "from idiolect.tokenizer.shards import Shards\n"
        "c = SkipGramConfig(min_count=1, epochs=8, learning_rate=0.05)\n"
        "v = train_skip_gram(Shards(Path(sys.argv[1]), 'train'), 16, c, Progress.silent())[1]\n"
        "print(hashlib.sha256(v.tobytes()).hexdigest())"
    )
    for hash_seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(shards[0].folder)], capture_output=True, text=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        assert done.stdout.strip() == hashlib.sha256(trained[1].tobytes()).hexdigest(), done.stderr
    other = train_skip_gram(shards[0], 16, CONFIG.model_copy(update={"seed": 5}), Progress.silent())[1]
    assert not np.array_equal(other, trained[1])


def test_sentences_are_the_documents_and_nothing_is_cut(tmp_path):
    texts = ["cat " * 25_000, "dog cat"]
    tokenizer = build(TokenizerConfig(kind="word", vocabulary_size=64, min_frequency=1), texts)
    write(tokenizer, texts, tmp_path, "train")
    split = Shards(tmp_path, "train", tokenizer)
    for _ in range(2):  # it can be read again
        found = list(Sentences(split))
        assert max(map(len, found)) == 10_000
        ids = [int(word) for sentence in found for word in sentence]
        assert ids == [i for text in texts for i in tokenizer.encode(text).tolist()]


def test_rare_tokens_alone_are_a_data_error(shards):
    pytest.importorskip("gensim")
    with pytest.raises(DataError, match="nothing to learn"):
        train_skip_gram(shards[0], 16, SkipGramConfig(min_count=10**6), Progress.silent())


def test_without_gensim_it_says_what_to_install(shards, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(MissingExtra, match="gensim"):
        train_skip_gram(shards[0], 16, CONFIG, Progress.silent())


def test_ids_are_counted_over_all_shards(shards):
    np.testing.assert_array_equal(
        count_ids(shards[0]), np.bincount(shards[0].ids(), minlength=shards[1].vocabulary_size)
    )
