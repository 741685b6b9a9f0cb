"""Which tokens are read when: against the definition, by counting every target."""

from collections import Counter

import numpy as np
import pytest
import torch

from idiolect.data.windows import SequentialWindows, causal_windows
from idiolect.errors import DataError
from tests.data.token_rows import END, random_texts, split_of

T = 7


@pytest.fixture(params=[1 << 20, 40], ids=["one shard", "many shards"])
def split(tmp_path, request):
    return split_of(tmp_path, random_texts(60), request.param)


def ring_place(split, batch, row):
    """Where on the ring a row's tokens and last target stand."""
    row_tokens = [*batch.tokens_BT[row].tolist(), int(batch.targets_BT[row, -1])]
    ring = np.tile(split.ids().astype(np.int64), 2)
    places = [p for p in range(split.n_tokens) if ring[p : p + len(row_tokens)].tolist() == row_tokens]
    assert places
    return places


def test_targets_are_the_next_tokens(split):
    windows = causal_windows(split, T, seed=1)
    batch = windows.batch(0, windows.n_samples)
    assert batch.tokens_BT.shape == (windows.n_samples, T) and batch.tokens_BT.dtype == torch.int64
    assert torch.equal(batch.tokens_BT[:, 1:], batch.targets_BT[:, :-1])
    assert batch.loss_mask_BT.all() and batch.document_BT is None
    for row in range(0, len(batch), 9):
        ring_place(split, batch, row)


def test_an_epoch_reads_every_target_at_most_once_and_leaves_less_than_a_window(split):
    windows = causal_windows(split, T, seed=3)
    for epoch in range(4):
        starts = np.concatenate([windows.cuts.block(epoch, b) for b in range(-(-windows.n_samples // 4096))])
        targets = Counter(int(p) for s in starts for p in (s + 1 + np.arange(T)) % split.n_tokens)
        assert max(targets.values()) == 1
        assert split.n_tokens - len(targets) == split.n_tokens - windows.n_samples * T < T


def test_every_epoch_has_its_own_order_and_cut(split):
    windows = causal_windows(split, T, seed=3)
    epochs = [windows.batch(e * windows.n_samples, windows.n_samples).tokens_BT for e in range(4)]
    for a in range(4):
        for b in range(a):
            assert not torch.equal(epochs[a], epochs[b])
    other_seed = causal_windows(split, T, seed=4).batch(0, windows.n_samples).tokens_BT
    assert not torch.equal(epochs[0], other_seed)


def test_order_is_a_function_of_the_index_alone(split):
    """Not of the batch size, of what was read before, nor of torch's or numpy's random state."""
    windows = causal_windows(split, T, seed=5, boundaries="masked")
    whole = windows.batch(0, 3 * windows.n_samples)
    torch.manual_seed(1)
    np.random.seed(1)
    for first, count in [(0, 1), (windows.n_samples - 2, 5), (2 * windows.n_samples, 4), (3, 2 * windows.n_samples)]:
        batch = causal_windows(split, T, seed=5, boundaries="masked").batch(first, count)
        again = windows.batch(first, count)
        for name in ("tokens_BT", "targets_BT", "document_BT"):
            assert torch.equal(getattr(batch, name), getattr(whole, name)[first : first + count])
            assert torch.equal(getattr(again, name), getattr(batch, name))


def test_unshuffled_windows_stand_in_order(split):
    windows = causal_windows(split, T, shuffle=False)
    assert (
        windows.batch(0, windows.n_samples).tokens_BT.flatten().tolist() == split.ids(0, windows.n_samples * T).tolist()
    )


def test_masked_boundaries_number_the_documents(split):
    batch = causal_windows(split, T, seed=2, boundaries="masked").batch(0, 30)
    for tokens, documents in zip(batch.tokens_BT.tolist(), batch.document_BT.tolist(), strict=True):
        expected, document = [], 0
        for token in tokens:
            document += token == END  # an end token, as input, opens the document after it
            expected.append(document)
        assert documents == expected
    assert batch.loss_mask_BT.all()


def test_the_ledger_balances(split):
    windows = causal_windows(split, T)
    for position in (0, 1, windows.n_samples - 1, windows.n_samples, 3 * windows.n_samples + 5):
        ledger = windows.ledger(position)
        counted = sum(windows.batch(i, 1).n_scored for i in range(position))
        assert ledger.trained == counted
        assert ledger.read == ledger.trained + sum(ledger.dropped.values())
    assert windows.ledger(3 * windows.n_samples).read == 3 * split.n_tokens


@pytest.mark.parametrize("boundaries", ["open", "masked"])
@pytest.mark.parametrize("stride", [None, 3, 1, T])
@pytest.mark.parametrize("context_length", [T, 64, 5000])
def test_scoring_covers_every_token_once(tmp_path, context_length, stride, boundaries):
    split = split_of(tmp_path, random_texts(40, seed=2), 100)
    windows = SequentialWindows(split, context_length, boundaries, stride)
    ring = split.ids().astype(np.int64)
    seen = []
    for first in range(0, windows.n_samples, 5):
        batch = windows.batch(first, min(5, windows.n_samples - first))
        seen.append(batch.targets_BT[batch.loss_mask_BT])
        for row in range(len(batch)):
            # What is predicted from is what stands before, starting with an end token.
            assert batch.tokens_BT[row, 1:].tolist() == batch.targets_BT[row, :-1].tolist()
        if first == 0:
            assert batch.tokens_BT[0, 0] == END
    assert torch.cat(seen).tolist() == ring.tolist()


def test_a_sliding_window_gives_every_token_its_context(tmp_path):
    split = split_of(tmp_path, random_texts(40, seed=2))
    windows = SequentialWindows(split, 16, stride=4)
    for i in range(1, windows.n_samples):
        batch = windows.batch(i, 1)
        assert batch.loss_mask_BT[0].nonzero().min() == 12 and batch.n_scored <= 4


def test_too_little_text_says_what_to_type(tmp_path):
    split = split_of(tmp_path, ["a short one"])
    with pytest.raises(DataError, match="12 tokens, fewer than one window of 1,025") as error:
        causal_windows(split, 1024)
    assert "--model.context_length=4" in error.value.fix
    assert causal_windows(split, 4).n_samples == 3
    assert causal_windows(split, 11).batch(0, 5).tokens_BT.shape == (5, 11)
    empty = split_of(tmp_path / "empty", [])
    for made in (lambda: causal_windows(empty, 4), lambda: SequentialWindows(empty, 4)):
        with pytest.raises(DataError, match="tokens"):
            made()
