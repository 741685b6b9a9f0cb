"""The loader: one integer is its state, ranks and micro-batches change nothing, errors and threads are not lost."""

import itertools
import random
import threading

import numpy as np
import pytest
import torch

from idiolect.data.batch import Batch
from idiolect.data.loader import Loader
from idiolect.data.windows import causal_windows
from idiolect.errors import DataError, RecipeError
from tests.data.token_rows import random_texts, split_of


@pytest.fixture
def windows(tmp_path):
    return causal_windows(split_of(tmp_path, random_texts(60)), 8, seed=9, boundaries="masked")


def take(loader, n):
    batches = iter(loader)
    found = list(itertools.islice(batches, n))
    batches.close()
    return found


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_resumed_at_any_position_it_goes_on_the_same(windows, prefetch):
    whole = take(Loader(windows, 6, prefetch=prefetch), 60)  # more than two epochs
    for stop in (1, 17, 59):
        position = whole[stop - 1][0]
        for (p, a), (q, b) in zip(whole[stop:], take(Loader(windows, 6, position, prefetch=prefetch), 5), strict=False):
            assert p == q
            assert torch.equal(a.tokens_BT, b.tokens_BT) and torch.equal(a.document_BT, b.document_BT)


@pytest.mark.parametrize("batch_samples", [8, 7])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_ranks_share_the_same_steps(windows, world_size, batch_samples):
    alone = take(Loader(windows, batch_samples), 20)
    ranks = [take(Loader(windows, batch_samples, rank=r, world_size=world_size), 20) for r in range(world_size)]
    for step in range(20):
        together = torch.cat([ranks[r][step][1].tokens_BT for r in range(world_size)])
        assert torch.equal(together, alone[step][1].tokens_BT)
        assert {ranks[r][step][0] for r in range(world_size)} == {alone[step][0]}


def test_micro_batches_are_slices(windows):
    _, batch = take(Loader(windows, 8), 1)[0]
    parts = [batch.slice(i, i + 3) for i in range(0, 8, 3)]
    assert [len(part) for part in parts] == [3, 3, 2]
    for name in ("tokens_BT", "targets_BT", "loss_mask_BT", "document_BT"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    assert sum(part.n_scored for part in parts) == batch.n_scored
    assert batch.to("cpu").source_BS is None and batch.slice(0, 1).labels_B is None


def test_nobody_s_random_state_is_touched(windows):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    take(Loader(windows, 4), 40)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]


def test_the_thread_ends_with_the_iteration(windows):
    batches = iter(Loader(windows, 4, prefetch=2))
    next(batches)
    assert any(t.name == "idiolect-loader" for t in threading.enumerate())
    batches.close()
    assert not any(t.name == "idiolect-loader" for t in threading.enumerate())


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_source_s_error_arrives(prefetch):
    class Source:
        n_samples = 10

        def batch(self, first, count):
            if first >= 4:
                raise DataError("a shard is damaged")
            return Batch(torch.zeros(count, 1, dtype=torch.int64), None, None)

    batches = iter(Loader(Source(), 2, prefetch=prefetch))
    assert [next(batches)[0], next(batches)[0]] == [2, 4]
    with pytest.raises(DataError, match="damaged"):
        next(batches)


def test_more_ranks_than_samples_is_refused(windows):
    with pytest.raises(RecipeError, match="can't be shared by 4"):
        Loader(windows, 3, world_size=4)
