import copy
import json
import os
import signal

import pytest
import torch

from idiolect.errors import CheckpointError, RecipeError, Stopped
from idiolect.progress import Progress, read_metrics
from idiolect.rundir import write_manifest
from idiolect.train import resume
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.config import TrainConfig
from idiolect.train.loop import train
from idiolect.train.resume import compatibility
from idiolect.train.state import Probe
from tests.train.tiny import TinyModel, digest, make, score


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def say(self, text=""):
        self.lines.append(text)

    def warn(self, text):
        self.lines.append(f"warning: {text}")


class Killed(BaseException):
    """Stands for kill -9: no handler runs, nothing is saved (tests/train/test_kill.py does it for real)."""


def die_at(step):
    def schedule_dies(work):
        real = work.schedule

        def schedule(now, total):
            if now == step:
                raise Killed
            return real(now, total)

        return schedule

    return schedule_dies


def run_until(folder, step):
    """Train until just before an update, then die; the global generator is left in another state."""
    work = make(folder)
    with pytest.raises(Killed):
        train(make(folder, schedule=die_at(step)(work)))
    torch.manual_seed(999)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("unbroken")
    train(make(folder))
    return digest(folder)


# Saved at 7, 10, 14, 20, 21, ... with probes at 10, 20, 30, 40; an epoch of 50 samples ends within step 9.
@pytest.mark.parametrize("step", [1, 7, 8, 10, 11, 14, 19, 20, 21, 33, 39])
def test_a_resumed_run_is_the_unbroken_one_to_the_last_bit(tmp_path, unbroken, step):
    run_until(tmp_path, step)
    train(make(tmp_path))
    assert digest(tmp_path) == unbroken


def test_ten_interruptions(tmp_path, unbroken):
    for step in (3, 8, 12, 13, 16, 22, 25, 29, 36, 38):
        run_until(tmp_path, step)
    train(make(tmp_path))
    assert digest(tmp_path) == unbroken


def test_two_equal_runs_are_equal_and_two_seeds_are_not(tmp_path, unbroken):
    train(make(tmp_path / "a"))
    assert digest(tmp_path / "a") == unbroken
    train(make(tmp_path / "b", model=TinyModel(seed=1)))
    assert digest(tmp_path / "b")["weights.safetensors"] != unbroken["weights.safetensors"]


def break_weights(monkeypatch):
    monkeypatch.setattr(TinyModel, "load_state_dict", lambda self, tensors: None)


def break_moments(monkeypatch):
    from idiolect.optim.optimiser import Optimiser

    monkeypatch.setattr(Optimiser, "load_tensors", lambda self, tensors: None)


def break_step_counter(monkeypatch):
    from idiolect.optim.optimiser import Optimiser

    load = Optimiser.load_tensors
    zeroed = lambda t: {k: torch.zeros_like(v) if k.endswith("/step") else v for k, v in t.items()}  # noqa: E731
    monkeypatch.setattr(Optimiser, "load_tensors", lambda self, tensors: load(self, zeroed(tensors)))


def break_average(monkeypatch):
    from idiolect.optim.average import WeightAverage

    monkeypatch.setattr(WeightAverage, "load_tensors", lambda self, tensors: None)


def break_random(monkeypatch):
    monkeypatch.setattr(resume, "restore_random_states", lambda saved: True)


def break_state(name, value):
    def breaks(monkeypatch):
        real = resume.State.from_json

        def from_json(saved):
            state = real(saved)
            setattr(state, name, value() if callable(value) else value)
            return state

        monkeypatch.setattr(resume.State, "from_json", from_json)

    return breaks


def break_rewind(monkeypatch):
    from idiolect.progress import MetricsLog

    monkeypatch.setattr(MetricsLog, "rewind", lambda self, step: None)


BROKEN = {
    "weights": break_weights,
    "moments": break_moments,
    "optimiser's step": break_step_counter,
    "average": break_average,
    "random state": break_random,
    "step": break_state("step", 0),
    "position": break_state("position", 0),
    "tokens": break_state("n_tokens", 0),
    "interval": break_state("interval", resume.Interval),
    "best": break_state("best_value", None),
    "patience": break_state("n_stale", 0),
    "metrics": break_rewind,
}


@pytest.mark.parametrize("part", BROKEN)
def test_a_broken_restore_is_caught(tmp_path, unbroken, monkeypatch, part):
    """Negative controls: leave out one part of the restore, and the comparison above must see it."""
    work = {"probes": [Probe("validation", 10, rising)]} if part in ("best", "patience") else {}
    want = unbroken
    if work:
        train(make(tmp_path / "unbroken", **work))
        want = digest(tmp_path / "unbroken")
    plain = make(tmp_path / "broken", **work)
    with pytest.raises(Killed):
        train(make(tmp_path / "broken", schedule=die_at(23)(plain), **work))
    torch.manual_seed(999)
    whole = copy.deepcopy(want)
    BROKEN[part](monkeypatch)
    try:
        train(make(tmp_path / "broken", **work))
    except CheckpointError:
        return
    assert digest(tmp_path / "broken") != whole


def rising(model, step):
    return score(model, step) | {"validation_nats": 1.0 + step}


def test_a_damaged_newest_is_named_and_the_one_before_gives_the_same_end(tmp_path, unbroken):
    run_until(tmp_path, 24)
    newest = tmp_path / "checkpoints" / "step-000021" / "optimiser.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    progress = Heard()
    train(make(tmp_path, progress=progress))
    assert any("step-000021 is damaged" in line and "optimiser.safetensors" in line for line in progress.lines)
    assert "resuming at step 20 from step-000020" in progress.lines
    assert digest(tmp_path) == unbroken


def test_metrics_hold_every_step_once_after_a_half_written_line(tmp_path, unbroken):
    for step in (5, 9, 18, 24, 31):
        run_until(tmp_path, step)
        with open(tmp_path / "metrics.jsonl", "a") as file:
            file.write('{"step": 99, "train_na')
    train(make(tmp_path))
    assert digest(tmp_path)["metrics"] == unbroken["metrics"]


def test_more_steps_go_on_from_the_end(tmp_path):
    train(make(tmp_path))
    progress = Heard()
    longer = TrainConfig(steps=50, log_every_steps=3, eval_every_steps=10, save_every_steps=7)
    assert train(make(tmp_path, config=longer, progress=progress)).step == 50
    assert "resuming with a changed setting: train.steps: 40 -> 50" in progress.lines
    assert len({row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")}) == len(
        read_metrics(tmp_path / "metrics.jsonl")
    )


HARMLESS = """train.steps train.keep train.patience report.title data.prefetch device.threads train.log_every_steps
    corpus_note models optimum""".split()
BREAKING = """model.d_model model.n_layers model.kind model.windows tokenizer.vocabulary_size tokenizer.kind optim.kind
    optim.beta1 data.seed data""".split()


@pytest.mark.parametrize("key", HARMLESS)
def test_harmless_changes_are_told(key):
    assert compatibility({key: 1}, {key: 2}, ("model", "tokenizer", "optim", "data.seed")) == [f"{key}: 1 -> 2"]


@pytest.mark.parametrize("key", BREAKING)
@pytest.mark.parametrize("old, new", [(1, 2), ("gpt", None), ([1, 2], (1, 3))])
def test_breaking_changes_are_refused_by_name(key, old, new):
    with pytest.raises(RecipeError) as caught:
        compatibility({key: old}, {key: new}, ("model", "tokenizer", "optim", "data"))
    assert caught.value.exit_code == 2
    assert f"{key} = {list(new) if isinstance(new, tuple) else new}" in caught.value.what
    assert f"{key} = {old}" in caught.value.what and f"--{key}={old}" in caught.value.fix


def test_what_json_makes_of_a_tuple_is_no_change():
    now = {"model.windows": (1, 2), "train.lr": 1e-3, "model.none": None}
    assert compatibility(json.loads(json.dumps(now)), now, ("model",)) == []


def test_a_breaking_change_is_refused_before_any_step(tmp_path):
    run_until(tmp_path, 12)

    def forbidden(*_):
        raise AssertionError("a step was made")

    with pytest.raises(RecipeError, match="model.d_model = 32"):
        train(make(tmp_path, loss_of=forbidden, settings={"model.d_model": 32, "train.steps": 40}))


def test_another_format_or_environment(tmp_path, monkeypatch):
    run_until(tmp_path, 12)
    torch.set_num_threads(2)
    progress = Heard()
    with pytest.raises(Killed):
        train(make(tmp_path, progress=progress, schedule=die_at(11)(make(tmp_path))))
    assert "warning: threads was 1 and is 2: results may differ in the last bits" in progress.lines
    folder = CheckpointStore(tmp_path / "checkpoints").path(10)
    state = json.loads((folder / "state.json").read_text())
    for change in ({"format": 99}, {"state": {"step": 3}}):
        (folder / "state.json").write_text(json.dumps(state | change))
        write_manifest(folder)
        with pytest.raises(CheckpointError):
            train(make(tmp_path))


def test_random_states_of_other_ranks_are_told(tmp_path):
    saved = resume.random_states()
    torch.rand(5)
    assert resume.restore_random_states(saved)
    assert resume.random_states() == saved
    assert not resume.restore_random_states({"cpu": saved["cpu"] * 2})
    assert not resume.restore_random_states(saved | {"cuda": saved["cpu"]})


def test_stopped_runs_resume_bitwise_too(tmp_path, unbroken):
    plain = make(tmp_path).schedule

    def schedule(step, total):
        if step in (6, 26):
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(step, total)

    with pytest.raises(Stopped, match="step 7 "):
        train(make(tmp_path, schedule=schedule))
    torch.manual_seed(1)
    with pytest.raises(Stopped, match="step 27 "):
        train(make(tmp_path, schedule=schedule))
    train(make(tmp_path))
    assert digest(tmp_path) == unbroken
