"""Pseudo-likelihood against the loop anybody would write: hide one token, read the window, price the token."""

import numpy as np
import pytest
import torch

from idiolect.data.config import MaskedObjective
from idiolect.data.objectives import build_objective
from idiolect.errors import NumericsError, RecipeError
from idiolect.evaluate.pseudo import PseudoWindows, masked_score
from idiolect.evaluate.score import score, token_scores
from idiolect.models.build import build_model
from idiolect.models.config import BertConfig
from tests.evaluate.test_score import END, split_of

V = 12  # the split's eleven ids, and the mask
T = 16


def model_of(**changes):
    return build_model(
        BertConfig(**dict(context_length=T, n_layers=2, d_model=32, n_heads=2, init_std=0.3, dropout=0.1) | changes),
        V,
        0,
    )


def by_hand(model, ids, start, place, hidden=(), boundaries="open"):
    """Nats of the token at `place` of a window, it and the others of `hidden` masked."""
    window = torch.tensor(ids[start : start + T].astype(np.int64))
    masked = window.clone()
    masked[[place, *hidden]] = V - 1
    document = (window == END).cumsum(0)[None] if boundaries == "masked" else None
    model.eval()
    with torch.no_grad():
        logits = model.head(model(masked[None], document_BT=document)[0])[0, place]
    return -logits.double().log_softmax(-1)[window[place]].item()


@pytest.mark.parametrize("boundaries", ["open", "masked"])
def test_each_token_is_hidden_in_turn(boundaries):
    split, model = split_of(n_documents=5), model_of()
    scores = token_scores(model, split, T, boundaries=boundaries)
    ids, n = split.all_ids, split.n_tokens
    assert scores.position_N.tolist() == [i for i in range(n) if ids[i] != END]
    for position, nats in list(zip(scores.position_N, scores.nats_N, strict=True))[::3]:
        start = min(position // T * T, n - T)
        assert nats == pytest.approx(by_hand(model, ids, start, position - start, boundaries=boundaries), abs=1e-5)


def test_several_masks_a_pass_stand_far_apart():
    split, model = split_of(n_documents=4), model_of()
    ids = split.all_ids
    scores = token_scores(model, split, T, masks_per_pass=3)
    assert scores.position_N.tolist() == [i for i in range(split.n_tokens) if ids[i] != END]
    places = [p for p in range(T) if ids[p] != END]
    n_passes = -(-len(places) // 3)
    for i, place in enumerate(places):
        others = [p for j, p in enumerate(places) if j % n_passes == i % n_passes and p != place]
        assert len(others) <= 2 and min((abs(p - place) for p in others), default=T) >= n_passes
        assert scores.nats_N[i] == pytest.approx(by_hand(model, ids, 0, place, others), abs=1e-5)


@pytest.mark.parametrize("stride", [0, 1, 4, 7])
def test_every_token_is_scored_once_with_context_on_both_sides(stride):
    split, model = split_of(n_documents=6), model_of()
    scores = token_scores(model, split, T, stride=stride)
    assert scores.position_N.tolist() == np.flatnonzero(split.all_ids != END).tolist()
    windows = PseudoWindows(split, T, stride)
    for sample in range(windows.n_samples):
        _, starts = windows.read(np.array([sample]))
        begin, end = windows.scored(sample)
        margin = (T - (stride or T)) // 2
        assert starts[0] <= begin and end <= starts[0] + T
        assert begin - starts[0] >= min(margin, begin) and starts[0] + T - end >= min(margin, split.n_tokens - end)


def test_a_split_shorter_than_a_window():
    split, model = split_of(n_documents=1, seed=5, longest=12), model_of()
    assert split.n_tokens < T
    assert len(token_scores(model, split, T).nats_N) == split.n_tokens - 1


def test_what_must_not_change_a_score():
    split, model = split_of(n_documents=5), model_of().train()
    whole = token_scores(model, split, T)
    assert model.training
    np.testing.assert_allclose(token_scores(model, split, T, batch_tokens=3 * T).nats_N, whole.nats_N, atol=1e-5)
    part = token_scores(model, split, T, limit_tokens=2 * T)
    assert 0 < len(part.nats_N) <= 2 * T
    np.testing.assert_allclose(part.nats_N, whole.nats_N[np.isin(whole.position_N, part.position_N)], atol=1e-5)


def test_the_result_says_what_it_is():
    split, model = split_of(n_documents=50), model_of()
    found = score(model, split, T, masks_per_pass=4, against={"unigram": np.ones(split.n_tokens)})
    assert found["about"]["kind"] == "pseudo-likelihood" and found["about"]["masks_per_pass"] == 4
    assert "against" not in found
    scores = token_scores(model, split, T, masks_per_pass=4)
    assert found["nats"]["value"] == pytest.approx(scores.nats_N.mean())
    with pytest.raises(RecipeError, match="do not fit"):
        score(model, split, T + 1)


def test_numbers_that_are_none_are_an_error():
    model = model_of()
    with torch.no_grad():
        model.embed.weight[3] = torch.nan
    with pytest.raises(NumericsError):
        token_scores(model, split_of(n_documents=3), T)


def objective(**settings):
    return build_objective(
        MaskedObjective(**settings), context_length=T, vocabulary_size=V - 1, end_id=END, boundaries="open", seed=0
    )


def test_masked_nats_are_the_objectives_on_fixed_masks():
    split, model = split_of(n_documents=40), model_of()
    found = masked_score(model, split, objective())
    assert found["about"]["kind"] == "masked tokens" and "bits_per_byte" not in found
    again = masked_score(model, split, objective(), batch_tokens=2 * T)
    assert again["nats"]["value"] == pytest.approx(found["nats"]["value"], abs=1e-6)
    nats, n = 0.0, 0
    for sample in range(split.n_tokens // T):
        window = torch.tensor(split.all_ids[sample * T : (sample + 1) * T].astype(np.int64))[None]
        batch = objective().batch(window, np.array([sample]))
        model.eval()
        with torch.no_grad():
            logits = model.head(model(batch.tokens_BT)[0])[batch.loss_mask_BT]
        nats += torch.nn.functional.cross_entropy(logits, batch.targets_BT[batch.loss_mask_BT], reduction="sum").item()
        n += batch.n_scored
    assert found["nats"]["value"] == pytest.approx(nats / n, abs=1e-5) and found["nats"]["n"] == n
    part = masked_score(model, split, objective(), limit_tokens=5 * T)
    assert 5 <= part["nats"]["n"] < n
    # A split shorter than a window is read round its ring.
    short = masked_score(model, split_of(n_documents=1, seed=5, longest=12), objective())
    assert short["nats"]["n"] >= 1
