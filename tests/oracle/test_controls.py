"""Negative controls: five bugs, each put into the real path on purpose, each caught by the suite's own assertions.

    targets shifted by one      the model is scored on another token than the next one
    a leaking attention mask    each token sees the one after it, which is its own target
    a wrong denominator         the sum of nats is divided by all targets, those that don't count included
    a dropped end               documents are written without their end token
    a mask that hides nothing   BERT's hidden symbols stay in sight

A check that none of these could fail would prove nothing when it passes.
"""

import dataclasses

import numpy as np
import pytest
import torch

from idiolect.data.windows import SequentialWindows
from idiolect.evaluate.score import evaluating, token_scores
from idiolect.models.masks import Reach
from idiolect.tokenizer import shard_writer
from idiolect.tokenizer.encoded import Encoded
from idiolect.train.loss import lm_loss
from tests.oracle.judge import check, check_reported, gap_of
from tests.oracle.path import Learned, Measured, document_of, learn, masked_symbols, measure, next_tokens
from tests.oracle.settings import recipe_values, settings_of

CAUSAL = ("gpt", "causal", "markov")
TOLERANCE = settings_of("gpt").tolerance["causal", "markov"]


def test_the_checks_pass_where_nothing_is_wrong(learned):
    found = learned(*CAUSAL)
    check(measure(found), TOLERANCE)
    check_reported(reported(found), measure(found))


def test_targets_shifted_by_one_are_caught(learned, monkeypatch):
    """Each place is asked for the token after its next: a bug that training alone would not show."""
    from idiolect.data import windows

    right = windows.causal

    def shifted(window_BW, *rest):
        batch = right(window_BW, *rest)
        return dataclasses.replace(batch, targets_BT=batch.targets_BT.roll(-1, 1))

    monkeypatch.setattr(windows, "causal", shifted)
    with pytest.raises(AssertionError, match="not within"):
        check(next_tokens(learned(*CAUSAL)), TOLERANCE)


def test_targets_that_are_the_tokens_themselves_are_caught(tmp_path, monkeypatch):
    """The shift forgotten, in training and in scoring alike: the model copies, and falls below what is possible."""
    from idiolect.data import windows
    from idiolect.data.objectives import causal

    right = causal.causal

    def unshifted(window_BW, *rest):
        batch = right(window_BW, *rest)
        return dataclasses.replace(batch, tokens_BT=batch.targets_BT)

    monkeypatch.setattr(causal, "causal", unshifted)
    monkeypatch.setattr(windows, "causal", unshifted)
    with pytest.raises(AssertionError, match="below the exact entropy"):
        check(next_tokens(learn(recipe_values(*CAUSAL, steps=60), tmp_path, "run")), TOLERANCE)


def test_a_leaking_attention_mask_is_caught(tmp_path, monkeypatch):
    """A mask that is off by one, from the first step on: each token sees the next of its document."""

    def leaking(window, positions_BT, n_source, ragged, document_BT):
        ahead_BTS = positions_BT[..., None] + 1 >= torch.arange(n_source)
        return Reach((ahead_BTS & (document_BT[:, :, None] == document_BT[:, None, :]))[:, None], False)

    monkeypatch.setattr("idiolect.models.gpt.build_reach", leaking)
    run = learn(recipe_values(*CAUSAL, steps=120), tmp_path, "run")
    with pytest.raises(AssertionError, match="below the exact entropy"):
        check(next_tokens(run), TOLERANCE)


def reported(learned: Learned, count=lambda batch, priced: priced.n_scored) -> float:
    """The mean that training would report for the held-out tokens, by its own loss; half of each window is context."""
    length = learned.job.recipe.model.context_length
    windows = SequentialWindows(learned.held, length, "masked", stride=length // 2)
    nats, n = 0.0, 0
    with evaluating(learned.model), torch.no_grad():
        for first in range(0, windows.n_samples, 32):
            batch = windows.batch(first, min(32, windows.n_samples - first))
            priced = lm_loss(learned.model, batch)
            nats, n = nats + priced.nats.item(), n + int(count(batch, priced))
    return nats / n


def test_a_wrong_denominator_is_caught(learned):
    """All targets counted, also those that are only context: the mean comes out far too good."""
    found = learned(*CAUSAL)
    wrong = reported(found, lambda batch, priced: batch.targets_BT.numel())
    assert wrong < gap_of(measure(found)).exact
    with pytest.raises(AssertionError, match="reported"):
        check_reported(wrong, measure(found))


def test_a_dropped_end_of_document_is_caught(tmp_path, monkeypatch):
    """Where lengths vary, ends cost something: a model that never has to predict them falls below."""
    right = shard_writer.encode_documents

    def endless(tokenizer, first, texts):
        encoded = right(tokenizer, first, texts)
        return Encoded(encoded.ids[encoded.ids != tokenizer.end_id], encoded.n_tokens_D - 1, encoded.n_bytes_D)

    monkeypatch.setattr(shard_writer, "encode_documents", endless)
    run = learn(recipe_values("ngram", "causal", "markov, any length"), tmp_path, "run")
    with pytest.raises(AssertionError, match="ends are missing"):
        next_tokens(run)
    scores = token_scores(run.model, run.held, 1024)
    whole = np.array([nats.sum() for nats in run.process.nats_of(run.texts)])
    document_N = document_of(run, scores.position_N)
    priced = Measured(np.bincount(document_N, scores.nats_N), whole, np.bincount(document_N), np.arange(len(whole)))
    with pytest.raises(AssertionError, match="below the exact entropy"):
        check(priced, 0.02)


def test_a_mask_that_leaves_the_answer_visible_is_caught(tmp_path):
    """Every symbol that is to be predicted stands in the input as it is."""
    values = recipe_values("bert", "masked", "markov 1", steps=150)
    values["data"]["objective"] = values["data"]["objective"] | {"mask_share": 0.0}
    with pytest.raises(AssertionError, match="below the exact entropy"):
        check(masked_symbols(learn(values, tmp_path, "run")), 0.03)
