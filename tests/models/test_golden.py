"""Losses of a fixed small training, to the digits a float32 sum allows: a changed number is a changed model.

Recorded 2026-11-21 with torch 2.13.0 on a CPU; plain gradient descent, so that only the model speaks.
"""

import pytest
import torch
import torch.nn.functional as F

from tests.models.settings import VARIANTS, V
from tests.models.toys import build_open, draw_tokens

GOLDEN = {
    "default": [4.268578, 3.832248, 3.521376, 3.270974],
    "gpt2": [4.776599, 3.973642, 3.620595, 3.50738],
    "llama": [4.096845, 3.314688, 2.925366, 2.768057],
    "n-grams": [4.161813, 3.833726, 3.561018, 3.325282],
    "n-gram head and input": [4.17841, 3.929252, 3.724766, 3.554343],
    "values": [4.141925, 3.703642, 3.404218, 3.164767],
    "sliding and full": [4.172839, 3.547134, 3.183095, 2.882936],
    "experts": [4.332485, 3.672099, 3.361325, 3.120759],
    "one expert of many": [4.12261, 3.866568, 3.687681, 3.533577],
    "experts, alternate": [3.861308, 3.670348, 3.561956, 3.474231],
}


def losses(config) -> list[float]:
    model = build_open(config, V)
    tokens, found = draw_tokens(4, 25, V, seed=3), []
    for _ in range(4):
        logits = model.head(model(tokens[:, :-1])[0])
        nats = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        nats.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-0.05)
                parameter.grad = None
        found.append(nats.item())
    return found


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_losses(name):
    assert losses(VARIANTS[name]) == pytest.approx(GOLDEN[name], rel=2e-5)
