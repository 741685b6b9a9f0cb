"""A linear recurrence is carried from window to window by the loop's own means, and a killed run goes on bitwise."""

import pytest
import torch

from idiolect.data.batch import Batch
from idiolect.models.build import build_model
from idiolect.models.config import CNNConfig, Mamba2Config
from idiolect.train.carry import Carry
from idiolect.train.loss import lm_loss
from tests.models.toys import build_open, draw_tokens
from tests.train import test_carry as carrying
from tests.train.test_carry import run_until, shards, unbroken  # noqa: F401
from tests.train.tiny import digest

CONFIG = Mamba2Config(
    context_length=carrying.T, n_layers=2, d_model=16, d_head=8, d_state=4, dropout=0.2, zero_init_projections=False
)


@pytest.fixture(autouse=True, scope="module")
def mamba2_in_place_of_an_lstm():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "CONFIG", CONFIG)
        yield


def test_the_next_window_reads_on_and_sends_no_gradient_back():
    model = build_open(CONFIG.model_copy(update=dict(dropout=0.0, init_std=0.2)), 31).double()
    tokens, streams = draw_tokens(3, 15, 31), torch.arange(3)
    priced = Carry(model, 3).carrying(lm_loss)
    nats = []
    for first, last in ((0, 7), (7, 14)):
        targets = tokens[:, first + 1 : last + 1]
        batch = Batch(tokens[:, first:last], targets, torch.ones_like(targets, dtype=torch.bool), stream_B=streams)
        nats.append(priced(model, batch))
    whole = Batch(tokens[:, :14], tokens[:, 1:15], torch.ones(3, 14, dtype=torch.bool))
    assert sum(part.nats.item() for part in nats) == pytest.approx(lm_loss(model, whole).nats.item(), rel=1e-6)
    # The first window's graph was not kept: both can be run backward, each on its own.
    for part in nats:
        part.loss.backward()
    assert Carry(build_model(CONFIG, 31, 0), 3).states[0][1].shape == (3, 2 * 8 * 4)


@pytest.mark.parametrize("step", [5, 23])
def test_a_killed_run_goes_on_to_the_last_bit(tmp_path, shards, unbroken, step):  # noqa: F811
    run_until(tmp_path, shards, step)
    carrying.train(carrying.carried(tmp_path, shards))
    assert digest(tmp_path) == unbroken


@pytest.mark.parametrize("config", [CONFIG, CNNConfig(context_length=carrying.T, n_layers=2, d_model=16, norm="none")])
def test_rough_inputs_are_carried_too(config):
    """Under bfloat16 autocast a convolution's inputs are bfloat16, and what is kept of them between windows is not."""
    model = build_open(config.model_copy(update=dict(dropout=0.0, init_std=0.2)), 31)
    tokens, streams = draw_tokens(3, 15, 31), torch.arange(3)
    nats = {}
    for rough in (False, True):
        carry, nats[rough] = Carry(model, 3), []
        priced = carry.carrying(lm_loss)
        for first, last in ((0, 7), (7, 14)):
            targets = tokens[:, first + 1 : last + 1]
            batch = Batch(tokens[:, first:last], targets, torch.ones_like(targets, dtype=torch.bool), stream_B=streams)
            with torch.autocast("cpu", torch.bfloat16, enabled=rough):
                nats[rough].append(priced(model, batch).nats.item())
        assert all(h.dtype == torch.float32 and h.any() for state in carry.states for h in state)
    assert nats[True] == pytest.approx(nats[False], rel=0.02) and nats[True] != nats[False]
