"""A teacher that learned to read on is carried beside its student: as one long read, and bitwise after a kill."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from idiolect.data.config import CausalObjective
from idiolect.data.objectives.causal import Causal
from idiolect.data.streams import Streams
from idiolect.errors import CheckpointError
from idiolect.models.build import build_model
from idiolect.models.config import LSTMConfig, Mamba2Config
from idiolect.train.carry import Beside, Carry
from idiolect.train.config import LossConfig
from idiolect.train.loop import train
from idiolect.train.loss import build_loss
from tests.data.token_rows import BYTES, END
from tests.models.toys import build_open
from tests.train import test_carry as carrying
from tests.train.test_carry import ROWS, T, carried, run_until, shards, source_of  # noqa: F401
from tests.train.tiny import digest

TEACHERS = {
    "lstm": LSTMConfig(context_length=T, d_model=10, embedding_range=0.5, init_range=0.5),
    "mamba2": Mamba2Config(
        context_length=T, n_layers=2, d_model=16, d_head=8, d_state=4, init_std=0.3, zero_init_projections=False
    ),  # fmt: skip
}
# The distance from the teacher is the whole loss.
LOSS = LossConfig(teacher="runs/big", teacher_weight=1.0, teacher_temperature=1.5)


def taught_by(name):
    return build_open(TEACHERS[name], BYTES.vocabulary_size).eval().requires_grad_(False)


@pytest.mark.parametrize("boundaries", ["open", "masked"])
@pytest.mark.parametrize("name", TEACHERS)
def test_lessons_of_windows_are_those_of_one_long_read(shards, name, boundaries):  # noqa: F811
    """Nine windows in micro-batches; and, as a control, the same without what the teacher carries."""
    teacher = taught_by(name)
    student = build_model(LSTMConfig(context_length=T, d_model=12), BYTES.vocabulary_size, 0).eval()

    def priced(carrying) -> float:
        source, loss_of = source_of(shards, boundaries), build_loss(LOSS, teacher, carrying)
        loss_of = Carry(student, ROWS).carrying(loss_of)
        batches = (source.batch(step * ROWS, ROWS).slice(i, i + 2) for step in range(9) for i in range(0, ROWS, 2))
        return sum(loss_of(student, batch).loss.item() for batch in batches)

    long = Causal(CausalObjective(), context_length=9 * T, end_id=END, boundaries=boundaries)
    whole = Streams(shards, long, ROWS, seed=2).batch(0, ROWS)
    expected = build_loss(LOSS, teacher)(student, whole).loss.item()
    assert priced(Carry(teacher, ROWS).carrying) == pytest.approx(expected, rel=1e-5)
    assert abs(priced(None) - expected) > 1e-3 * expected


def beside(folder, shards, name="lstm", **others):  # noqa: F811
    """A run of 40 steps whose student and teacher are both carried."""
    training = carried(folder, shards, **others)
    teacher = taught_by(name)
    own, heard = Carry(training.model, ROWS), Carry(teacher, ROWS)
    loss_of = own.carrying(build_loss(LOSS, teacher, heard.carrying))
    return replace(training, loss_of=loss_of, carry=Beside(own, heard))


@pytest.fixture(scope="module", params=TEACHERS)
def unbroken(request, tmp_path_factory, shards):  # noqa: F811
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("unbroken")
    train(beside(folder, shards, request.param))
    return request.param, digest(folder)


def killed(folder, shards, name, step, monkeypatch):  # noqa: F811
    with monkeypatch.context() as patch:
        patch.setattr(carrying, "carried", partial(beside, name=name))
        run_until(folder, shards, step)


@pytest.mark.parametrize("step", [8, 21, 39])
def test_a_killed_run_goes_on_to_the_last_bit(tmp_path, shards, unbroken, monkeypatch, step):  # noqa: F811
    name, whole = unbroken
    killed(tmp_path, shards, name, step, monkeypatch)
    train(beside(tmp_path, shards, name))
    assert digest(tmp_path) == whole


def test_a_teacher_that_forgot_is_caught(tmp_path, shards, unbroken, monkeypatch):  # noqa: F811
    """Negative control: with the student's states back and the teacher's not, the run ends elsewhere."""
    name, whole = unbroken
    killed(tmp_path, shards, name, 23, monkeypatch)
    monkeypatch.setattr(Beside, "load_tensors", lambda self, tensors: self.parts["student"].load_tensors(
        {key.removeprefix("student."): x for key, x in tensors.items() if key.startswith("student.")}
    ))  # fmt: skip
    train(beside(tmp_path, shards, name))
    assert digest(tmp_path) != whole


def test_states_without_the_teachers_are_refused():
    student, teacher = taught_by("lstm"), taught_by("mamba2")
    both = Beside(Carry(student, 2), Carry(teacher, 2))
    with pytest.raises(CheckpointError, match="not those of 2 rows"):
        both.load_tensors(Carry(student, 2).tensors())
    both.load_tensors(both.tensors())
