"""Splitting a batch changes nothing but rounding, under every objective and in every family trained by steps."""

import pytest
import torch

from idiolect.data import config as objectives
from idiolect.models import FAMILIES
from idiolect.models.build import build_model
from idiolect.plan.throughput import random_batch
from idiolect.train.loss import lm_loss

V, C, ROWS = 90, 24, 6
PAIRS = [
    ("gpt", objectives.PrefixObjective(prefix="random")),
    ("gpt", objectives.FillInTheMiddleObjective()),
    ("bert", objectives.MaskedObjective()),
    ("t5", objectives.SpanCorruptionObjective()),
    ("t5", objectives.DenoisingObjective()),
    ("t5", objectives.PrefixObjective(prefix="random")),
    ("seq2seq", objectives.DenoisingObjective()),
    *((kind, objectives.CausalObjective()) for kind in ("gpt", "rnn", "lstm", "gru", "cnn", "mamba2")),
]
RAGGED = [("gpt", PAIRS[0][1]), ("t5", PAIRS[4][1])]


def gradients(kind, objective, sizes, weighted=True):
    """Summed over parts of so many rows and divided once; or, not `weighted`, the mean of each part's mean."""
    config = FAMILIES[kind].config.sized(32, C)
    model = build_model(config, V, 0).double()
    batch, first, n_scored = random_batch(ROWS, config, V, objective), 0, 0
    for size in sizes:
        loss, n, _ = lm_loss(model, batch.slice(first, first + size))
        (loss if weighted else loss / n / len(sizes)).backward()
        first, n_scored = first + size, n_scored + int(n)
    return {
        name: p.grad.to_dense() / (n_scored if weighted else 1)
        for name, p in model.named_parameters()
        if p.grad is not None
    }


@pytest.mark.parametrize(("kind", "objective"), PAIRS, ids=lambda x: x if isinstance(x, str) else x.kind)
def test_a_split_batch_gives_the_gradients_of_the_whole(kind, objective):
    whole, parts = gradients(kind, objective, [6]), gradients(kind, objective, [4, 1, 1])
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-9, atol=1e-13, msg=name)


@pytest.mark.parametrize(("kind", "objective"), RAGGED, ids=lambda x: x if isinstance(x, str) else x.kind)
def test_a_mean_of_means_would_be_seen(kind, objective):
    whole, parts = gradients(kind, objective, [6]), gradients(kind, objective, [4, 1, 1], weighted=False)
    assert max((parts[name] - whole[name]).abs().max() for name in whole) > 1e-5
