"""Scores against sums worked out by hand, and what must not change them: batch size, slices, mode, boundaries."""

import math

import numpy as np
import pytest
import torch

from idiolect.data.windows import SequentialWindows
from idiolect.device import DeviceConfig, resolve_device
from idiolect.errors import DataError, NumericsError, RecipeError
from idiolect.evaluate import score as score_module
from idiolect.evaluate.figures import clusters_of
from idiolect.evaluate.score import samples_of, score, token_scores
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig, NGramConfig
from tests.evaluate.toys import MemorySplit, TableModel

V, END = 11, 10


def split_of(n_documents=60, seed=0, longest=30):
    random = np.random.default_rng(seed)
    documents = [[*random.integers(0, 10, random.integers(1, longest)), END] for _ in range(n_documents)]
    starts = np.cumsum([0, *map(len, documents)])[:-1]
    ids = np.concatenate(documents).astype(np.uint16)
    return MemorySplit(ids, starts, n_bytes=int((ids != END).sum()) * 2)


def table(seed=0):
    return np.random.default_rng(seed).normal(size=(V, V))


def nats_by_hand(split, logits_VV):
    previous = np.concatenate([[END], split.all_ids[:-1]])
    logits = torch.as_tensor(logits_VV, dtype=torch.float64)[torch.as_tensor(previous.astype(np.int64))]
    return -logits.log_softmax(-1).numpy()[np.arange(len(previous)), split.all_ids]


def gpt(seed=0, **changes):
    config = GPTConfig(
        **(
            {
                "context_length": 16,
                "n_layers": 2,
                "d_model": 32,
                "n_heads": 2,
                "dropout": 0.1,
                "zero_init_projections": False,
            }
            | changes
        )
    )
    return build_model(config, V, seed)


@pytest.mark.parametrize("stride", [0, 1, 5])
def test_each_token_is_scored_once_and_in_order(stride):
    split = split_of(n_documents=7)
    scores = token_scores(gpt(), split, 16, stride=stride)
    np.testing.assert_array_equal(scores.position_N, np.arange(split.n_tokens))


@pytest.mark.parametrize("context_length", [2, 6, 64])
def test_an_ngram_model_looks_back_as_far_as_it_can_whatever_the_window(context_length):
    model = build_model(NGramConfig(order=3, context_length=context_length), V, 0)
    model.fit(split_of(seed=1).all_ids)
    split = split_of()
    scores = token_scores(model, split, context_length)
    np.testing.assert_array_equal(scores.position_N, np.arange(split.n_tokens))
    np.testing.assert_allclose(scores.nats_N[2:], model.kneser_ney.nats(split.all_ids)[2:], rtol=1e-6)
    about = score(model, split, context_length)["about"]
    assert about["stride"] == context_length - 1


def test_a_limit_takes_evenly_spaced_windows_and_the_same_ones_each_time():
    windows = SequentialWindows(split_of(), 16)
    kept = samples_of(windows, limit_tokens=160)
    assert len(kept) == 10 and kept[0] == 0 and kept[-1] == windows.n_samples - 1
    assert np.ptp(np.diff(kept)) <= 1
    np.testing.assert_array_equal(kept, samples_of(windows, limit_tokens=160))
    assert len(samples_of(windows, limit_tokens=10**9)) == len(samples_of(windows, 0)) == windows.n_samples


@pytest.mark.parametrize("stride", [0, 4])
def test_every_figure_equals_the_sum_by_hand(stride):
    split, logits = split_of(), table()
    expected = nats_by_hand(split, logits)
    bytes_per_token = np.array([2] * 10 + [0])
    result = score(TableModel(logits, 16), split, 16, bytes_per_token=bytes_per_token, stride=stride)
    assert result["nats"]["value"] == pytest.approx(expected.mean(), abs=1e-6)
    assert result["bits_per_byte"]["value"] == pytest.approx(expected.sum() / math.log(2) / split.n_bytes, abs=1e-6)
    assert result["perplexity"]["value"] == pytest.approx(math.exp(expected.mean()), rel=1e-6)
    assert result["perplexity"]["vocabulary"] == V
    previous = np.concatenate([[END], split.all_ids[:-1]])
    assert result["token_accuracy"]["value"] == pytest.approx((logits[previous].argmax(1) == split.all_ids).mean())
    for name in ("nats", "bits_per_byte", "perplexity", "token_accuracy"):
        entry = result[name]
        assert entry["low"] < entry["value"] < entry["high"] and entry["n"] == split.n_tokens
    assert result["about"]["complete"] and result["about"]["bytes"] == split.n_bytes
    assert "clustered by document (60 clusters)" in result["about"]["method"]


def test_batch_size_and_head_slices_change_nothing(monkeypatch):
    split, model = split_of(), gpt()
    whole = token_scores(model, split, 16)
    for batch_tokens in (1, 50, 333):
        part = token_scores(model, split, 16, batch_tokens=batch_tokens)
        np.testing.assert_allclose(part.nats_N, whole.nats_N, atol=2e-6)
    monkeypatch.setattr(score_module, "HEAD_ENTRIES", 3 * V)
    np.testing.assert_allclose(token_scores(model, split, 16).nats_N, whole.nats_N, atol=2e-6)


def test_a_device_sets_the_precision():
    split, model = split_of(), gpt()
    exact = token_scores(model, split, 16).nats_N
    for dtype, tolerance in (("float32", 0), ("bfloat16", 5e-2)):
        device = resolve_device(DeviceConfig(kind="cpu", dtype=dtype))
        nats = token_scores(model, split, 16, device=device).nats_N
        np.testing.assert_allclose(nats, exact, atol=tolerance)
        assert np.array_equal(nats, exact) == (dtype == "float32")


def test_a_sliding_window_gives_each_token_its_context():
    split, model = split_of(), gpt()
    sliding = token_scores(model, split, 16, stride=1)
    model.eval()
    stream = torch.as_tensor(np.concatenate([[END], split.all_ids]).astype(np.int64))
    for position in (0, 3, 15, 16, 200, split.n_tokens - 1):
        read = stream[max(0, position - 15) : position + 1][None]
        logits = model.head(model(read)[0][0, -1])
        expected = torch.nn.functional.cross_entropy(logits, stream[position + 1])
        assert sliding.nats_N[position] == pytest.approx(expected.item(), abs=1e-5)


def test_a_limited_score_is_a_subset_of_the_whole_one():
    split, model = split_of(), gpt()
    whole, some = (token_scores(model, split, 16, limit_tokens=limit) for limit in (0, 100))
    assert 96 < len(some.nats_N) <= 112  # whole windows, of which the last may be short
    np.testing.assert_allclose(some.nats_N, whole.nats_N[some.position_N], atol=2e-6)
    result = score(model, split, 16, limit_tokens=100, bytes_per_token=[2] * 10 + [0])
    ids = split.all_ids[some.position_N]
    assert not result["about"]["complete"] and result["about"]["bytes"] == 2 * (ids != END).sum()


def test_lost_text_does_not_flatter():
    """A table that knows only half of the original bytes is scaled up to all of them."""
    split, model = split_of(), TableModel(table(), 16)
    exact = score(model, split, 16, bytes_per_token=[2] * 10 + [0])
    lossy = score(model, split, 16, bytes_per_token=[1] * 10 + [0])
    assert lossy["bits_per_byte"] == pytest.approx(exact["bits_per_byte"])
    without = score(model, split, 16)["bits_per_byte"]["value"]
    assert without == pytest.approx(exact["bits_per_byte"]["value"])


def test_masked_boundaries_hide_the_previous_document():
    split = split_of(n_documents=40, longest=12)
    masked = token_scores(gpt(), split, 16, boundaries="masked", stride=4)
    other = MemorySplit(split.all_ids.copy(), split.document_starts, split.n_bytes)
    cut = int(split.document_starts[20])
    other.all_ids[: cut - 1] = (other.all_ids[: cut - 1] + 1) % 10  # documents before change, their last end stays
    again = token_scores(gpt(), other, 16, boundaries="masked", stride=4)
    np.testing.assert_allclose(again.nats_N[cut:], masked.nats_N[cut:], atol=2e-6)
    open_ones = [token_scores(gpt(), s, 16, stride=4).nats_N[cut:] for s in (split, other)]
    assert np.abs(open_ones[0] - open_ones[1]).max() > 1e-4


def test_modes_come_back_also_after_an_error():
    split, model = split_of(), gpt()
    model.train()
    model.blocks[0].eval()
    score(model, split, 16)
    assert model.training and model.blocks[1].training and not model.blocks[0].training
    with torch.no_grad():
        model.embed.weight[3] = float("nan")
    with pytest.raises(NumericsError, match="no finite loss"):
        score(model, split, 16)
    assert model.training


def test_the_global_random_state_is_left_alone():
    split, model = split_of(), gpt()
    before = torch.get_rng_state()
    score(model, split, 16)
    assert torch.equal(before, torch.get_rng_state())


def test_bad_requests_are_named():
    split, model = split_of(), gpt()
    with pytest.raises(RecipeError, match="windows of 17"):
        score(model, split, 17)
    with pytest.raises(RecipeError, match="stride = 20"):
        score(model, split, 16, stride=20)
    with pytest.raises(DataError, match="no tokens"):
        score(model, MemorySplit(split.all_ids[:0], split.document_starts[:0], 0), 16)


def test_few_documents_are_cut_into_blocks():
    position = np.arange(50_000)
    cluster, method = clusters_of(position, np.array([0, 10_000]), 50_000, 64)
    assert cluster.max() + 1 == 100 and "block of 500 consecutive tokens" in method
    lopsided = np.concatenate([[0], np.arange(49_900, 50_000)])  # 101 documents, but one is nearly everything
    assert "block" in clusters_of(position, lopsided, 50_000, 64)[1]
    assert "no interval" in clusters_of(position[:60], np.array([0]), 60, 64)[1]


def test_beside_a_floor():
    split, logits = split_of(), table()
    model, by_hand = TableModel(logits, 16), nats_by_hand(split, logits)
    against = {"unigram": by_hand + 0.5, "kneser_ney_5": by_hand + np.random.default_rng(0).normal(0, 1, len(by_hand))}
    result = score(model, split, 16, against=against)["against"]
    bits = 0.5 * split.n_tokens / math.log(2) / split.n_bytes
    assert result["unigram"]["difference"]["value"] == pytest.approx(-bits, abs=1e-5)
    assert result["unigram"]["verdict"].startswith(f"better than the unigram floor by {bits:.3f} bits per byte")
    assert result["kneser_ney_5"]["verdict"].startswith("no difference from the kneser ney 5 floor")
