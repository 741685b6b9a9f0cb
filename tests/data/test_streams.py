"""Rows that read the text on, window after window: nothing twice, nothing left out but the ends of rows."""

import numpy as np
import pytest
import torch

from idiolect.data.config import CausalObjective
from idiolect.data.loader import Loader
from idiolect.data.objectives.causal import Causal
from idiolect.data.streams import Streams
from idiolect.errors import DataError
from tests.data.token_rows import END, random_texts, split_of


def streams_of(shards, T=5, rows=4, **settings):
    objective = Causal(CausalObjective(), context_length=T, end_id=END, boundaries="open")
    return Streams(shards, objective, rows, **settings)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return split_of(tmp_path_factory.mktemp("streams"), random_texts(40), shard_tokens=100)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_windows_of_a_row_follow_each_other(shards, shuffle):
    T, rows = 5, 4
    source = streams_of(shards, T, rows, seed=3, shuffle=shuffle)
    steps = source.n_samples // rows
    batches = [source.batch(step * rows, rows) for step in range(2 * steps)]
    for epoch in (0, 1):
        mine = batches[epoch * steps : (epoch + 1) * steps]
        for row in range(rows):
            assert {int(batch.stream_B[row]) for batch in mine} == {epoch * rows + row}
            read = torch.cat([batch.tokens_BT[row] for batch in mine])
            targets = torch.cat([batch.targets_BT[row] for batch in mine])
            assert torch.equal(read[1:], targets[:-1])
            ring = np.tile(shards.ids(), 2).astype(np.int64)
            place = np.flatnonzero([np.array_equal(ring[i : i + len(read)], read) for i in range(shards.n_tokens)])
            assert len(place) == 1
            if not shuffle:
                assert place[0] == row * (shards.n_tokens // rows)


def test_no_token_is_a_target_twice_in_an_epoch(shards):
    source = streams_of(shards, seed=1)
    starts = []
    shards_rows = shards.rows

    class Noted:
        def __getattr__(self, name):
            return getattr(shards, name)

        def rows(self, starts_B, width, out):
            starts.extend((starts_B % shards.n_tokens).tolist())
            return shards_rows(starts_B, width, out)

    source.shards = Noted()
    source.batch(0, source.n_samples)
    targets = [(start + 1 + t) % shards.n_tokens for start in starts for t in range(5)]
    assert len(set(targets)) == len(targets) == source.n_samples * 5
    assert source.ledger(source.n_samples).dropped["end of a row, shorter than a window"] == shards.n_tokens - len(
        targets
    )


def test_a_sample_is_a_function_of_its_index_alone(shards):
    source, again = streams_of(shards, seed=5), streams_of(shards, seed=5)
    whole = source.batch(0, 3 * source.n_samples)
    for i in np.random.default_rng(0).integers(0, len(whole), 50).tolist():
        one = again.batch(i, 1)
        assert torch.equal(one.tokens_BT[0], whole.tokens_BT[i]) and one.stream_B[0] == whole.stream_B[i]
    other = streams_of(shards, seed=6).batch(0, 4)
    assert not torch.equal(other.tokens_BT, whole.tokens_BT[:4])


@pytest.mark.parametrize("length", [1, 3, 7])
def test_streams_begin_anew_the_rows_in_turn(shards, length):
    T, rows = 5, 4
    plain, source = streams_of(shards, T, rows), streams_of(shards, T, rows, stream_windows=length)
    steps = 2 * source.n_samples // rows
    batches = [source.batch(step * rows, rows) for step in range(steps)]
    assert all(torch.equal(batch.tokens_BT, plain.batch(n * rows, rows).tokens_BT) for n, batch in enumerate(batches))
    stream_SB = torch.stack([batch.stream_B for batch in batches])
    assert (stream_SB % rows == torch.arange(rows)).all()
    for row in range(rows):
        _, lengths = stream_SB[:, row].unique_consecutive(return_counts=True)
        # A number that came back would take up a state that was left long ago.
        assert len(lengths) == len(stream_SB[:, row].unique()) and lengths.max() == length
    begins_S = (stream_SB[1:] != stream_SB[:-1]).sum(1)[: steps // 2 - 1]
    assert begins_S.max() <= -(-rows // length)


def test_ranks_read_their_own_rows_and_go_on_with_them(shards):
    source = streams_of(shards)
    whole = Loader(source, 4, prefetch=0)
    parts = [Loader(source, 4, rank=rank, world_size=2, prefetch=0) for rank in (0, 1)]
    for (_, batch), (_, a), (_, b), _ in zip(whole, *parts, range(2 * source.n_samples // 4), strict=False):
        assert torch.equal(batch.tokens_BT, torch.cat([a.tokens_BT, b.tokens_BT]))
        assert (a.stream_B % 4).tolist() == [0, 1] and (b.stream_B % 4).tolist() == [2, 3]


def test_too_many_rows_are_refused_with_a_number_that_fits(shards):
    with pytest.raises(DataError, match="too few for 500 rows of 5") as caught:
        streams_of(shards, rows=500)
    fits = int(caught.value.fix.split("batch_tokens=")[1].split(",")[0])
    assert streams_of(shards, rows=fits // 5).n_samples
