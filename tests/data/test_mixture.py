"""Samples from several sources: the right tokens, the right share of each, in an order that nothing else decides."""

import hashlib
import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from idiolect.corpus.mixture.config import SourceConfig
from idiolect.data.config import CausalObjective
from idiolect.data.loader import Loader
from idiolect.data.mixed_streams import MixedStreams
from idiolect.data.mixture import Mixture, Plan
from idiolect.data.objectives.causal import Causal
from idiolect.data.windows import causal_windows
from idiolect.errors import DataError, RecipeError
from idiolect.tokenizer.source_row import SourceRow
from tests.data.token_rows import END, random_texts, split_of

T, TOTAL = 7, 1200
# Each source writes with letters of its own, so that a window tells where it is from.
LETTERS = {"books": "abcd", "web": "efgh", "code": "ijkl"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    random, documents = np.random.default_rng(3), []
    for name, n in zip(random.choice(list(LETTERS), 150, p=[0.2, 0.6, 0.2]), random.integers(0, 60, 150), strict=True):
        documents.append((str(name), "".join(random.choice(list(LETTERS[name]), n))))
    names, texts = zip(*documents, strict=True)
    return split_of(tmp_path_factory.mktemp("mixture"), texts, shard_tokens=500, sources=names)


def plan(**doses):
    return Plan(
        tuple(SourceConfig(name=name, text=("x",), **dose) for name, dose in doses.items()), anneal_fraction=0.2
    )


def causal():
    return Causal(CausalObjective(), context_length=T, end_id=END, boundaries="open")


def mixture(shards, asked, total=TOTAL, **settings):
    return Mixture(shards, causal(), asked, total, **settings)


def source_of(row):
    """The one source whose letters a row holds; end tokens are everybody's."""
    found = {name for name, letters in LETTERS.items() for token in row if chr(token) in letters and token != END}
    assert len(found) <= 1, f"a window of two sources: {row}"
    return found.pop() if found else None


WEIGHTED = plan(books={"weight": 3.0}, web={"weight": 1.0}, code={"tokens": 50 * T})


def test_one_source_s_row_is_its_documents_in_order(shards):
    ids = shards.ids()
    edges = [*shards.document_starts.tolist(), shards.n_tokens]
    for number, name in enumerate(shards.sources):
        row = SourceRow(shards, name)
        mine = [ids[edges[d] : edges[d + 1]] for d in np.flatnonzero(shards.document_sources == number)]
        ring = np.tile(np.concatenate(mine).astype(np.int64), 3)
        assert row.n_tokens == sum(map(len, mine)) and row.n_documents == len(mine)
        starts = np.random.default_rng(0).integers(-row.n_tokens, 2 * row.n_tokens, 80)
        for width in (1, 9, 200, row.n_tokens + 5):
            assert np.array_equal(row.rows(starts, width), [ring[s % row.n_tokens :][:width] for s in starts])
    assert sum(SourceRow(shards, name).n_bytes for name in LETTERS) == shards.n_bytes


def test_every_window_is_of_one_source_and_shares_are_kept(shards):
    source = mixture(shards, WEIGHTED, seed=4)
    batch = source.batch(0, TOTAL)
    assert torch.equal(batch.tokens_BT[:, 1:], batch.targets_BT[:, :-1])
    for end in (TOTAL // 3, TOTAL):
        seen = Counter(source_of(row) for row in batch.tokens_BT[:end].tolist())
        given = dict(zip(LETTERS, source.given(end).tolist(), strict=True))
        assert all(given[name] - seen[None] <= seen[name] <= given[name] for name in LETTERS)
    assert np.abs(source.given(TOTAL) - [0.75 * (TOTAL - 50), 0.25 * (TOTAL - 50), 50]).max() < 1


def test_each_source_reads_every_token_once_an_epoch_and_differently_each(shards):
    source = mixture(shards, WEIGHTED, seed=4)
    books, n = source.cuts[0], source.cuts[0].n_samples
    assert source.given(TOTAL)[0] > 2 * n
    epochs = [books.starts(epoch * n, n) for epoch in (0, 1)]
    assert [len(set((starts % books.n_tokens).tolist())) for starts in epochs] == [n, n]
    assert not np.array_equal(*epochs)
    assert source.cuts[0].seed != source.cuts[1].seed


def test_the_order_of_tables_changes_no_source_s_own_order(shards):
    turned = plan(code={"tokens": 50 * T}, web={"weight": 1.0}, books={"weight": 3.0})
    here, there = mixture(shards, WEIGHTED), mixture(shards, turned)
    for name in LETTERS:
        rows = [m.cuts[[r.source for r in m.rows].index(name)].starts(0, 40) for m in (here, there)]
        assert np.array_equal(*rows)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_resumes_and_batches_change_nothing(shards, world_size):
    whole = mixture(shards, WEIGHTED, seed=2).batch(0, 320).tokens_BT
    for step in (0, 17):
        loaders = [
            Loader(mixture(shards, WEIGHTED, seed=2), 8, step * 8, rank, world_size) for rank in range(world_size)
        ]
        for n, parts in enumerate(itertools.islice(zip(*loaders, strict=True), 10), step):
            assert {position for position, _ in parts} == {8 * (n + 1)}
            assert torch.equal(torch.cat([batch.tokens_BT for _, batch in parts]), whole[8 * n : 8 * n + 8])


@pytest.mark.parametrize("position", [0, 1, 333, TOTAL])
def test_the_ledger_balances_for_each_source(shards, position):
    ledger = mixture(shards, WEIGHTED).ledger(position)
    assert ledger.trained == position * T == sum(part.trained for part in ledger.sources.values())
    assert ledger.read == sum(part.read for part in ledger.sources.values())
    assert set(ledger.to_json()["sources"]) == set(LETTERS)


def test_passes_are_counted_exactly(shards):
    asked = plan(books={"weight": 5.0, "epochs": 1.5}, web={"weight": 1.0}, code={"weight": 1.0, "epochs": 2.0})
    source = mixture(shards, asked)
    books, _, code = (cuts.n_samples for cuts in source.cuts)
    given = source.given(TOTAL)
    assert given[0] == int(1.5 * books) and given[2] == 2 * code and given.sum() == TOTAL
    assert set(source.shares.used_up) == {0, 2}


def test_sizes_count_to_the_power_of_the_temperature(shards):
    names = {name: {} for name in LETTERS}
    sizes = np.array([SourceRow(shards, name).n_tokens for name in LETTERS])
    for temperature in (1.0, 0.7, 0.0):
        asked = Plan(plan(**names).sources, temperature)
        expected = sizes**temperature / (sizes**temperature).sum()
        assert np.abs(mixture(shards, asked).given(TOTAL) - TOTAL * expected).max() < 1


def test_what_cannot_be_is_refused_in_words(shards):
    with pytest.raises(RecipeError, match="may give .* tokens, and the run reads 8,400"):
        mixture(shards, plan(books={"epochs": 1.0}, web={"tokens": 700}))
    with pytest.raises(RecipeError, match='"books" may give less than the 7 tokens'):
        mixture(shards, plan(books={"tokens": 5}, web={}))
    with pytest.raises(DataError, match='source "poems" has 0 tokens in the train split'):
        mixture(shards, plan(poems={}, web={}))


def test_without_sources_the_order_is_that_of_all_earlier_versions(tmp_path):
    """A digest taken before there were mixtures."""
    split, digest = split_of(tmp_path, random_texts(3000, seed=1)), hashlib.sha256()
    for seed, shuffle in itertools.product((0, 5), (True, False)):
        windows = causal_windows(split, 7, seed=seed, shuffle=shuffle)
        for first, count in ((0, 3 * windows.n_samples), (5000, 17)):
            digest.update(windows.batch(first, count).tokens_BT.numpy().tobytes())
    assert digest.hexdigest() == "1ccdfba5024b3341a8ca9cdeca6538a4fa270811ddf8cfc9aa86de2368904e47"


def streams(shards, rows=4, length=6, total=TOTAL, asked=WEIGHTED, **settings):
    return MixedStreams(shards, causal(), asked, total, rows, stream_windows=length, **settings)


def test_a_stretch_reads_on_in_one_source(shards):
    rows, length = 4, 6
    source = streams(shards, rows, length, seed=1)
    batch = source.batch(0, 240)
    assert torch.equal(batch.stream_B % rows, torch.arange(240) % rows)
    for stream in batch.stream_B.unique().tolist():
        mine = batch.stream_B == stream
        tokens, targets = batch.tokens_BT[mine], batch.targets_BT[mine]
        assert 1 <= len(tokens) <= length
        assert torch.equal(tokens[1:, 0], targets[:-1, -1])
        source_of(tokens.flatten().tolist())
    begins = [{int(s) for s in batch.stream_B[i : i + rows]} for i in range(0, 240, rows)]
    assert max(len(b - a) for a, b in itertools.pairwise(begins)) < rows, "all rows began anew in one step"


def test_streams_are_a_function_of_the_index_and_count_what_they_give(shards):
    source = streams(shards, seed=1)
    whole = source.batch(0, 400)
    for first, count in ((0, 4), (37, 9), (396, 4)):
        part = streams(shards, seed=1).batch(first, count)
        assert torch.equal(part.tokens_BT, whole.tokens_BT[first : first + count])
        assert torch.equal(part.stream_B, whole.stream_B[first : first + count])
    for position in (0, 3, 25, 160, 399):
        seen = Counter(source_of(row) for row in whole.tokens_BT[:position].tolist())
        given = dict(zip(LETTERS, source.given(position).tolist(), strict=True))
        assert sum(given.values()) == position
        assert all(given[name] - seen[None] <= seen[name] <= given[name] for name in LETTERS)
        assert source.ledger(position).trained == position * T
    assert np.abs(source.given(TOTAL) / TOTAL - [0.72, 0.24, 0.04]).max() < 0.03


def test_streams_need_stretches(shards):
    with pytest.raises(RecipeError, match="carry_windows = 0"):
        streams(shards, length=0)
    with pytest.raises(DataError, match="fewer than 70,000"):
        streams(shards, length=10_000)
