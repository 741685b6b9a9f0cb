"""A carried state in scoring: every token once, and what the split costs when it is read in one go."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from idiolect.evaluate import streams
from idiolect.evaluate.score import score, token_scores
from idiolect.evaluate.streams import plan_streams
from idiolect.models.build import build_model
from idiolect.models.config import GRUConfig, LSTMConfig
from tests.evaluate.toys import MemorySplit

V, T = 11, 8


def split(n_tokens, seed=0):
    ids = np.random.default_rng(seed).integers(0, V, n_tokens)
    return MemorySplit(ids, np.array([0]), n_bytes=n_tokens)


def model_of(config=LSTMConfig, **changes):
    settings = dict(context_length=T, d_model=12, embedding_range=0.5, embedding_scale=1.0, init_range=0.4) | changes
    return build_model(config(**settings), V, 0)


def nats_in_one_go(model, held):
    """Each token's nats when the whole split is one row after an end token."""
    ids = torch.from_numpy(held.all_ids)[None]
    with torch.no_grad():
        logits = model.eval().head(model(ids.roll(1))[0])
    return F.cross_entropy(logits[0], ids[0], reduction="none").double().numpy()


@pytest.mark.parametrize("n_tokens", [1, 7, 8, 9, 250, 16 * 8 * 16, 16 * 8 * 16 + 5, 5000])
def test_every_token_is_scored_once_whatever_the_length(n_tokens):
    found = token_scores(model_of(), split(n_tokens), T, carry_state=True)
    assert found.position_N.tolist() == list(range(n_tokens))


@pytest.mark.parametrize("config", [LSTMConfig, GRUConfig])
def test_one_stream_is_the_split_read_in_one_go(config):
    held, model = split(15 * T), model_of(config)
    assert len(plan_streams(15, T, 0)[0]) == 1
    found = token_scores(model, held, T, carry_state=True)
    np.testing.assert_allclose(found.nats_N, nats_in_one_go(model, held), atol=1e-5)
    windows = token_scores(model, held, T)
    assert np.abs(windows.nats_N[T:] - found.nats_N[T:]).max() > 1e-3
    np.testing.assert_allclose(windows.nats_N[:T], found.nats_N[:T], atol=1e-5)


def test_many_streams_differ_only_by_what_lies_beyond_a_window():
    held, model = split(4000), model_of()
    found, whole = token_scores(model, held, T, carry_state=True), nats_in_one_go(model, held)
    first_R, length = plan_streams(500, T, 0)
    assert len(first_R) == 16 and length == 32
    np.testing.assert_allclose(found.nats_N[: length * T], whole[: length * T], atol=1e-5)
    late = (found.position_N % (length * T)) > 8 * T
    np.testing.assert_allclose(found.nats_N[late], whole[late], atol=1e-3)


def test_the_warm_up_is_what_makes_it_so(monkeypatch):
    """Negative control: begun cold, the streams' first tokens cost something else."""
    held, model = split(4000), model_of(forget_bias=-2.0)
    warm = token_scores(model, held, T, carry_state=True)
    whole = nats_in_one_go(model, held)
    monkeypatch.setattr(streams, "_emptied_first", lambda h_RD: h_RD * 0)
    cold = token_scores(model, held, T, carry_state=True)
    begins = (warm.position_N % (32 * T) == 0) & (warm.position_N > 0)
    assert np.abs(cold.nats_N - whole)[begins].mean() > 3 * np.abs(warm.nats_N - whole)[begins].mean()


def test_masked_documents_are_scored_as_if_alone():
    held = split(16 * T)
    held.all_ids[[13, 14, 40, 127]] = held.end_id
    model = model_of()
    found = token_scores(model, held, T, boundaries="masked", carry_state=True)
    ends = np.flatnonzero(held.all_ids == held.end_id) + 1
    for a, b in zip([0, *ends[:-1]], ends, strict=True):
        text = torch.from_numpy(np.concatenate([[held.end_id], held.all_ids[a:b]]))[None]
        with torch.no_grad():
            logits = model.eval().head(model(text[:, :-1])[0])
        alone = F.cross_entropy(logits[0], text[0, 1:], reduction="none").numpy()
        np.testing.assert_allclose(found.nats_N[a:b], alone, atol=1e-5)


def test_a_limit_takes_even_parts_of_the_split():
    found = token_scores(model_of(), split(20_000), T, limit_tokens=4000, carry_state=True)
    assert 4000 <= len(found.position_N) < 4000 + 16 * T
    assert len(np.unique(found.position_N)) == len(found.position_N)
    assert np.histogram(found.position_N, 4, (0, 20_000))[0].min() > 900


@pytest.mark.parametrize("n_windows", [1, 2, 15, 16, 17, 255, 256, 257, 300, 1000])
@pytest.mark.parametrize("limit", [0, 1, 100, 2000, 10**9])
def test_streams_never_overlap(n_windows, limit):
    first_R, length = plan_streams(n_windows, T, limit)
    read = [w for first in first_R for w in range(first, min(first + length, n_windows))]
    assert len(set(read)) == len(read) and read
    if not limit or limit >= n_windows * T:
        assert sorted(read) == list(range(n_windows))


def test_a_score_says_how_it_was_made():
    found = score(model_of(), split(3000), T, stride=4, carry_state=True)
    assert "carried" in found["about"]["state"] and found["about"]["complete"] and found["about"]["stride"] == T
    assert "state" not in score(model_of(), split(3000), T)["about"]
