import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from idiolect.config import Config, field
from idiolect.config_load import load
from idiolect.errors import NumericsError, RecipeError, ResourceError, RunInUse
from idiolect.progress import Progress
from idiolect.rundir import RunDir
from idiolect.tune import search as room
from idiolect.tune import space
from idiolect.tune.config import Axis, TuneConfig

RATE = Axis(key="optim.learning_rate", low=1e-4, high=1e-1, scale="log")
LAYERS = Axis(key="model.n_layers", values=(2, 4, 6))


def bowl(overrides: dict) -> float:
    return (
        2 + (math.log10(overrides["optim.learning_rate"]) + 2) ** 2 + abs(overrides.get("model.n_layers", 4) - 4) / 10
    )


def random_config(**changes) -> TuneConfig:
    return TuneConfig(**({"kind": "random", "space": (RATE, LAYERS), "trials": 12, "seed": 3} | changes))


def results(folder: Path) -> list[tuple]:
    return [(one["number"], one["state"], json.dumps(one["overrides"], sort_keys=True), one["value"])
            for one in json.loads((folder / "trials.json").read_text())["trials"]]  # fmt: skip


def test_a_random_search_keeps_every_trial_and_writes_the_best_as_a_recipe(tmp_path):
    base = tmp_path / "recipes" / "mine.toml"
    trials = room.search(random_config(), bowl, tmp_path / "runs" / "t", Progress.silent(), base=base)
    assert len(trials) == 12 and all(one.state == "done" for one in trials)
    assert all(one.value == bowl(one.overrides) for one in trials)
    best = min(trials, key=lambda one: one.value)
    written = tomllib.loads((tmp_path / "runs" / "t" / "best.toml").read_text())
    assert written["base"] == "../../recipes/mine.toml"
    assert written["optim"]["learning_rate"] == best.overrides["optim.learning_rate"]
    assert written["model"]["n_layers"] == best.overrides["model.n_layers"]
    assert str(tmp_path) not in (tmp_path / "runs" / "t" / "trials.json").read_text()


def test_a_grid_visits_every_combination_once(tmp_path):
    rate = Axis(key="optim.learning_rate", low=0.001, high=0.1, scale="log", points=3)
    trials = room.search(TuneConfig(kind="grid", space=(rate, LAYERS), trials=99), bowl, tmp_path, Progress.silent())
    seen = {(round(one.overrides["optim.learning_rate"], 6), one.overrides["model.n_layers"]) for one in trials}
    assert seen == {(rate, layers) for rate in (0.001, 0.01, 0.1) for layers in (2, 4, 6)} and len(trials) == 9


def test_points_are_a_function_of_the_config_and_more_trials_keep_the_first(tmp_path):
    assert space.points(random_config()) == space.points(random_config())
    assert space.points(random_config(trials=20))[:12] == space.points(random_config())
    assert space.points(random_config(seed=4)) != space.points(random_config())
    whole = space.points(TuneConfig(space=(Axis(key="model.d_model", low=32, high=512, scale="log"),), trials=50))
    assert all(isinstance(one["model.d_model"], int) and 32 <= one["model.d_model"] <= 512 for one in whole)


def test_a_finished_search_runs_nothing_again_and_grows_when_asked(tmp_path):
    calls = []

    def counted(overrides):
        calls.append(overrides)
        return bowl(overrides)

    room.search(random_config(trials=5), counted, tmp_path, Progress.silent())
    before = results(tmp_path)
    room.search(random_config(trials=5), counted, tmp_path, Progress.silent())
    assert len(calls) == 5 and results(tmp_path) == before
    room.search(random_config(trials=8), counted, tmp_path, Progress.silent())
    assert len(calls) == 8 and results(tmp_path)[:5] == before


def test_a_diverged_trial_is_recorded_and_the_search_goes_on(tmp_path):
    def sometimes(overrides):
        if overrides["model.n_layers"] == 6:
            raise NumericsError("the loss is nan at step 12")
        return float("nan") if overrides["optim.learning_rate"] > 0.05 else bowl(overrides)

    trials = room.search(random_config(trials=30), sometimes, tmp_path, Progress.silent())
    failed = [one for one in trials if one.state == "failed"]
    assert failed and all("NumericsError" in one.reason and one.value is None for one in failed)
    assert {one.overrides["model.n_layers"] for one in trials if one.state == "done"} == {2, 4}


def test_when_nothing_succeeds_it_says_so(tmp_path):
    def never(overrides):
        raise NumericsError("the loss is inf")

    with pytest.raises(NumericsError, match="none of 3"):
        room.search(random_config(trials=3), never, tmp_path, Progress.silent())
    assert not (tmp_path / "best.toml").exists() and len(results(tmp_path)) == 3


def test_another_error_ends_the_search_and_its_trial_runs_again(tmp_path):
    calls = []

    def full(overrides):
        calls.append(overrides)
        if len(calls) == 3:
            raise ResourceError("the disk is full")
        return bowl(overrides)

    with pytest.raises(ResourceError):
        room.search(random_config(trials=5), full, tmp_path, Progress.silent())
    trials = room.search(random_config(trials=5), full, tmp_path, Progress.silent())
    assert calls[2] == calls[3] and len(calls) == 6 and all(one.state == "done" for one in trials)


def test_the_budget_stops_new_trials_and_a_larger_one_goes_on(tmp_path):
    def slow(overrides):
        time.sleep(0.05)
        return bowl(overrides)

    trials = room.search(random_config(budget_seconds=0.12), slow, tmp_path, Progress.silent())
    done = sum(one.state == "done" for one in trials)
    assert 2 <= done <= 4
    again = room.search(random_config(budget_seconds=0.12), slow, tmp_path, Progress.silent())
    # A busy machine may stop the first between two trials; without the time of an earlier process it would be two more.
    assert done <= sum(one.state == "done" for one in again) <= done + 1, "time of an earlier process counts"
    assert all(one.state == "done" for one in room.search(random_config(), slow, tmp_path, Progress.silent()))


def test_a_folder_belongs_to_one_search_and_one_process(tmp_path):
    room.search(random_config(trials=2), bowl, tmp_path, Progress.silent())
    with pytest.raises(RecipeError, match="another space"):
        room.search(random_config(trials=2, seed=9), bowl, tmp_path, Progress.silent())
    with RunDir(tmp_path).lock(), pytest.raises(RunInUse):
        room.search(random_config(trials=2), bowl, tmp_path, Progress.silent())


@pytest.mark.parametrize("axis", [
    {"key": "a"}, {"key": "a", "values": (1,), "low": 1, "high": 2}, {"key": "a", "low": 1},
    {"key": "a", "low": 2, "high": 1}, {"key": "a", "low": 0.0, "high": 1.0, "scale": "log"},
    {"key": "a", "values": (1, 1)},
])  # fmt: skip
def test_an_axis_that_can_not_be_is_one_error(axis):
    with pytest.raises(RecipeError) as caught:
        Axis(**axis)
    assert caught.value.why and caught.value.fix


@pytest.mark.parametrize(
    "key", ["evaluate.stride", "corpus.split_by", "corpus.min_characters", "corpus.clean.unicode_form"]
)
def test_nothing_that_changes_the_held_out_text_may_vary(key):
    with pytest.raises(RecipeError, match="varies") as caught:
        TuneConfig(space=(Axis(key=key, values=(1, 2)),))
    assert key in caught.value.what


def test_a_grid_too_large_to_write_out_is_refused():
    axes = tuple(Axis(key=f"optim.rate_{i}", low=0.1, high=1.0, points=1000) for i in range(4))
    with pytest.raises(RecipeError, match="grid of 1,000,000,000,000 points"):
        TuneConfig(kind="grid", space=axes)
    assert len(TuneConfig(kind="random", space=axes).space) == 4


def test_a_recipe_spells_the_space_as_tables(tmp_path):
    class Whole(Config):
        tune: TuneConfig = field(TuneConfig(), "the search")

    path = tmp_path / "mine.toml"
    path.write_text('[tune]\nkind = "grid"\n[[tune.space]]\nkey = "optim.learning_rate"\nlow = 0.001\nhigh = 0.1\n'
                    'scale = "log"\n[[tune.space]]\nkey = "model.mlp"\nvalues = ["relu2", "gelu"]\n')  # fmt: skip
    config = load(Whole, path).config.tune
    assert [axis.key for axis in config.space] == ["optim.learning_rate", "model.mlp"]
    assert len(space.points(config)) == 8


WORKER = """
import sys, time
from pathlib import Path
from idiolect.progress import Progress
from tests.tune.test_search import bowl, random_config
from idiolect.tune import search
folder, log = Path(sys.argv[1]), Path(sys.argv[2])
def trial(overrides):
    with log.open("a") as out:
        out.write(repr(sorted(overrides.items())) + "\\n")
    time.sleep(0.03)
    return bowl(overrides)
search.search(random_config(), trial, folder, Progress.silent())
"""


def test_kill_minus_nine_at_any_moment_loses_and_repeats_no_finished_trial(tmp_path):
    root = Path(__file__).resolve().parents[2]
    room.search(random_config(), bowl, tmp_path / "whole", Progress.silent())
    folder, log = tmp_path / "killed", tmp_path / "calls"
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    kills = 0
    for wait in (0.02, 0.11, 0.07, None):
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(log)], env=environment, cwd=root)
        if wait is None:
            assert worker.wait(60) == 0
            break
        begun = log.read_text().count("\n") if log.exists() else 0
        deadline = time.monotonic() + 30
        while worker.poll() is None and (log.read_text().count("\n") if log.exists() else 0) <= begun:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(wait)
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
            kills += 1
        worker.wait()
    assert kills >= 2
    assert results(folder) == results(tmp_path / "whole")
    calls = log.read_text().splitlines()
    assert len(set(calls)) == 12 and len(calls) <= 12 + kills, "only the trial that was running may run again"


def test_a_half_written_journal_line_and_a_stale_lock_are_mended(tmp_path):
    room.search(random_config(trials=4), bowl, tmp_path, Progress.silent())
    before = results(tmp_path)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker_id":"dead')
    (tmp_path / "journal.jsonl.lock").touch()
    started = time.monotonic()
    room.search(random_config(trials=6), bowl, tmp_path, Progress.silent())
    assert time.monotonic() - started < 10 and results(tmp_path)[:4] == before and len(results(tmp_path)) == 6


def test_without_mending_the_same_damage_loses_trials(tmp_path, monkeypatch):
    """Negative control: Optuna alone appends to the half line."""
    room.search(random_config(trials=4), bowl, tmp_path, Progress.silent())
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker_id":"dead')
    monkeypatch.setattr(room, "mend", lambda path: None)
    with pytest.raises(Exception):  # noqa: B017 (whatever Optuna happens to stumble over)
        room.search(random_config(trials=6), bowl, tmp_path, Progress.silent())
        room.search(random_config(trials=6), bowl, tmp_path, Progress.silent())
