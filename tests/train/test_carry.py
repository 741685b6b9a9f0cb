"""Carried state: the next window reads on, gradients stop at its edge, and a killed run goes on to the last bit."""

import pytest
import torch

from idiolect.data.config import CausalObjective
from idiolect.data.objectives.causal import Causal
from idiolect.data.streams import Streams
from idiolect.errors import CheckpointError
from idiolect.models.build import build_model
from idiolect.models.config import GRUConfig, LSTMConfig
from idiolect.train.carry import Carry
from idiolect.train.config import TrainConfig
from idiolect.train.loop import train
from idiolect.train.loss import lm_loss
from tests.data.token_rows import BYTES, END, random_texts, split_of
from tests.train.test_resume import Killed, die_at
from tests.train.tiny import digest, make

T, ROWS = 6, 4
CONFIG = LSTMConfig(
    context_length=T, d_model=12, input_dropout=0.2, hidden_dropout=0.2, output_dropout=0.2, word_dropout=0.1,
    weight_dropout=0.3, activation_penalty=1.0, change_penalty=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return split_of(tmp_path_factory.mktemp("carry"), random_texts(20), shard_tokens=200)


def source_of(shards, boundaries="open"):
    objective = Causal(CausalObjective(), context_length=T, end_id=END, boundaries=boundaries)
    return Streams(shards, objective, ROWS, seed=2)


def carried(folder, shards, boundaries="open", **others):
    """A run of 40 steps over more than two epochs."""
    model = build_model(CONFIG, BYTES.vocabulary_size, 0)
    carry = Carry(model, ROWS)
    source = source_of(shards, boundaries)
    assert source.n_samples // ROWS < 20
    parts = dict(source=source, batch_samples=ROWS, loss_of=carry.carrying(lm_loss), carry=carry, probes=[])
    config = TrainConfig(steps=40, log_every_steps=3, save_every_steps=7)
    return make(folder, model=model, config=config, **(parts | others))


def run_until(folder, shards, step, **others):
    work = carried(folder, shards, **others)
    with pytest.raises(Killed):
        train(carried(folder, shards, schedule=die_at(step)(work), **others))
    torch.manual_seed(999)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, shards):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("unbroken")
    train(carried(folder, shards))
    return digest(folder)


@pytest.mark.parametrize("step", [1, 7, 8, 14, 20, 21, 30, 39])
def test_a_resumed_run_is_the_unbroken_one_to_the_last_bit(tmp_path, shards, unbroken, step):
    run_until(tmp_path, shards, step)
    train(carried(tmp_path, shards))
    assert digest(tmp_path) == unbroken and "carry.safetensors" in unbroken


def test_masked_documents_resume_to_the_last_bit_too(tmp_path, shards, unbroken):
    train(carried(tmp_path / "a", shards, "masked"))
    run_until(tmp_path / "b", shards, 23, boundaries="masked")
    train(carried(tmp_path / "b", shards, "masked"))
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != unbroken


@pytest.mark.parametrize("part", ["nothing is restored", "streams are forgotten"])
def test_a_broken_restore_is_caught(tmp_path, shards, unbroken, monkeypatch, part):
    """Negative controls: without the states, or without whose they are, the comparison above must see it."""
    run_until(tmp_path, shards, 23)
    load = Carry.load_tensors
    broken = {
        "nothing is restored": lambda self, tensors: None,
        "streams are forgotten": lambda self, tensors: load(self, tensors | {"stream": tensors["stream"] * 0 - 1}),
    }
    monkeypatch.setattr(Carry, "load_tensors", broken[part])
    train(carried(tmp_path, shards))
    assert digest(tmp_path) != unbroken


def losses_of(model, shards, steps, micro=ROWS, boundaries="open"):
    """Nats of each step in evaluation mode, through the carry, by micro-batches."""
    carry, source = Carry(model, ROWS), source_of(shards, boundaries)
    loss_of, found = carry.carrying(lm_loss), []
    for step in range(steps):
        batch = source.batch(step * ROWS, ROWS)
        found.append(sum(loss_of(model, batch.slice(i, i + micro)).nats.item() for i in range(0, ROWS, micro)))
    return found, source


@pytest.mark.parametrize("config", [LSTMConfig, GRUConfig])
@pytest.mark.parametrize("boundaries", ["open", "masked"])
def test_windows_with_a_carried_state_are_one_long_window(shards, config, boundaries):
    model = build_model(config(context_length=T, d_model=12), BYTES.vocabulary_size, 0).eval()
    found, source = losses_of(model, shards, 9, boundaries=boundaries)
    long = Causal(CausalObjective(), context_length=9 * T, end_id=END, boundaries=boundaries)
    whole = Streams(shards, long, ROWS, seed=2).batch(0, ROWS)
    assert sum(found) == pytest.approx(lm_loss(model, whole).nats.item(), rel=1e-6)
    cold = sum(lm_loss(model, source.batch(step * ROWS, ROWS)).nats.item() for step in range(9))
    assert abs(cold - sum(found)) > 1e-3


def test_an_epoch_begins_with_nothing(shards):
    model = build_model(LSTMConfig(context_length=T, d_model=12), BYTES.vocabulary_size, 0).eval()
    steps = source_of(shards).n_samples // ROWS
    found, source = losses_of(model, shards, steps + 2)
    cold = [lm_loss(model, source.batch(step * ROWS, ROWS)).nats.item() for step in (0, steps, steps + 1)]
    assert found[0] == pytest.approx(cold[0], rel=1e-6) and found[steps] == pytest.approx(cold[1], rel=1e-6)
    assert found[steps + 1] != pytest.approx(cold[2], rel=1e-6)


@pytest.mark.parametrize("micro", [1, 2, 3])
def test_micro_batches_carry_the_same_states(shards, micro):
    model = build_model(GRUConfig(context_length=T, d_model=12), BYTES.vocabulary_size, 0).eval()
    whole, _ = losses_of(model, shards, 12)
    assert losses_of(model, shards, 12, micro)[0] == pytest.approx(whole, rel=1e-5)


def test_no_gradient_runs_back_into_the_window_before(shards):
    model = build_model(LSTMConfig(context_length=T, d_model=12), BYTES.vocabulary_size, 0)
    carry, source = Carry(model, ROWS), source_of(shards)
    loss_of = carry.carrying(lm_loss)
    loss_of(model, source.batch(0, ROWS)).loss.backward()
    assert not any(h.requires_grad for state in carry.states for h in state)
    assert any(h.any() for state in carry.states for h in state)
    loss_of(model, source.batch(ROWS, ROWS)).loss.backward()


def test_states_of_another_number_of_rows_are_refused(shards):
    model = build_model(CONFIG, BYTES.vocabulary_size, 0)
    with pytest.raises(CheckpointError, match="4 rows"):
        Carry(model, ROWS).load_tensors(Carry(model, 3).tensors())


def test_ranks_gather_what_each_has_read(shards, monkeypatch):
    """Two ranks, one after the other: each sums what both would have sent."""
    model = build_model(GRUConfig(context_length=T, d_model=12), BYTES.vocabulary_size, 0).eval()
    source, carries = source_of(shards), [Carry(model, ROWS) for _ in range(3)]
    for step in range(3):
        batch = source.batch(step * ROWS, ROWS)
        for carry, rows in zip(carries, ((0, 2), (2, 4), (0, 4)), strict=True):
            carry.carrying(lm_loss)(model, batch.slice(*rows))
    sent = {}
    monkeypatch.setattr("idiolect.distributed.world_size", lambda: 2)

    def collect(x):
        sent.setdefault("now", []).append(x)
        return x

    monkeypatch.setattr("idiolect.distributed.all_reduce_sum", collect)
    parts = []
    for carry in carries[:2]:
        sent["now"] = []
        carry.tensors()
        parts.append(sent["now"])
    sums = iter([a + b for a, b in zip(*parts, strict=True)])
    monkeypatch.setattr("idiolect.distributed.all_reduce_sum", lambda x: next(sums))
    gathered = carries[0].tensors()
    monkeypatch.setattr("idiolect.distributed.world_size", lambda: 1)
    expected = carries[2].tensors()
    assert gathered["stream"].tolist() == expected["stream"].tolist()
    for name, x in expected.items():
        torch.testing.assert_close(gathered[name], x, msg=name)
