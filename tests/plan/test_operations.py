"""What a step computes for a token, under every objective, against PyTorch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from idiolect.data import config as objectives
from idiolect.models import FAMILIES
from idiolect.models.build import build_model
from idiolect.models.measure import flops_per_token
from idiolect.plan.operations import operations_per_token
from idiolect.plan.throughput import random_batch, random_objective
from idiolect.train.loss import lm_loss

V, C, ROWS = 211, 24, 200
PAIRS = [
    ("gpt", objectives.CausalObjective()),
    ("gpt", objectives.PrefixObjective()),
    ("gpt", objectives.PrefixObjective(prefix="random")),
    ("gpt", objectives.FillInTheMiddleObjective(share=0.0)),
    ("bert", objectives.MaskedObjective()),
    ("bert", objectives.MaskedObjective(share=0.4)),
    ("t5", objectives.PrefixObjective()),
    ("t5", objectives.SpanCorruptionObjective()),
    ("t5", objectives.SpanCorruptionObjective(share=0.5)),
]


def small(kind):
    config = FAMILIES[kind].config.sized(32, C)
    return config.model_copy(update=dict(ngram_head_orders=(), ngram_orders=())) if kind == "gpt" else config


def counted(config, batch):
    """PyTorch's count of the forward pass and its loss, per token read."""
    model = build_model(config, V, seed=0).eval()
    products = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with FlopCounterMode(display=False) as counter, products, torch.no_grad():
        lm_loss(model, batch)
    n_read = batch.tokens_BT.numel() + (0 if batch.source_BS is None else batch.source_BS.numel())
    return counter.get_total_flops() / n_read


@pytest.mark.parametrize(("kind", "objective"), PAIRS, ids=lambda x: x if isinstance(x, str) else repr(x)[:60])
def test_operations_are_those_that_pytorch_counts(kind, objective):
    config = small(kind)
    built, _ = random_objective(config, V, objective)
    said = operations_per_token(config, built, V)
    found = counted(config, random_batch(ROWS, config, V, objective))
    # Of 4,800 places the share that counts is drawn, where it is random.
    assert said["forward"] == pytest.approx(found, rel=0.02)
    assert said["training"] == 3 * said["forward"]
    assert said["forward"] == sum(n for part, n in said.items() if part not in ("forward", "training"))


def test_counting_a_head_for_every_token_would_be_seen():
    config, objective = small("bert"), objectives.MaskedObjective()
    found = counted(config, random_batch(ROWS, config, V, objective))
    assert flops_per_token(config, V)["forward"] > 1.1 * found
