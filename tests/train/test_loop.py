import dataclasses
import json
import os
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

from idiolect import faults
from idiolect.data.priced import Priced
from idiolect.errors import NumericsError, RecipeError, Stopped
from idiolect.progress import Bar, Progress, read_metrics
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.config import TrainConfig
from idiolect.train.loop import batch_shape, train
from idiolect.train.loss import lm_loss
from idiolect.train.state import Probe
from tests.train.tiny import RandomSource, TinyModel, make, score


def config(**changes):
    return TrainConfig(**({"steps": 40, "log_every_steps": 3, "eval_every_steps": 10} | changes))


def scores(*values):
    """A validation probe that returns these values in turn."""
    given = iter(values)
    return lambda model, step: {"validation_nats": next(given)}


def test_trains_and_says_so_once_a_line(tmp_path):
    known = {"bits_per_byte_per_nat": 0.5, "peak_flops": 1e9, "flops_per_token": 1e3}
    outcome = train(make(tmp_path, model=TinyModel(dropout=0.0), **known))
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert outcome.reason == "steps" and outcome.step == 40 and outcome.n_tokens == 40 * 6 * 12
    assert [row["step"] for row in rows] == sorted({*range(3, 41, 3), 10, 20, 30, 40})
    assert rows[-1]["train_nats"] < rows[0]["train_nats"]
    assert [row["step"] for row in rows if "validation_nats" in row] == [10, 20, 30, 40]
    for row in rows:
        assert row["train_bits_per_byte"] == 0.5 * row["train_nats"] and row["memory_bytes"] > 1e6
        assert row["mfu"] == pytest.approx(row["tokens_per_second"] * 1e3 / 1e9)
    assert outcome.last_checkpoint.name == "step-000040" and outcome.seconds == rows[-1]["seconds"]


def test_a_peak_that_training_beats_is_none(tmp_path):
    """It was timed beside other work: no share of it is known, and certainly none above one."""
    train(make(tmp_path, model=TinyModel(dropout=0.0), peak_flops=1.0, flops_per_token=1e3))
    assert all(row["mfu"] is None for row in read_metrics(tmp_path / "metrics.jsonl"))


def test_a_line_is_the_mean_over_its_interval_by_scored_targets(tmp_path):
    seen = []

    def noted(model, batch):
        priced = lm_loss(model, batch)
        seen.append((priced.nats.item(), priced.n_scored.item()))
        return priced

    train(make(tmp_path, loss_of=noted, probes=[], config=config(steps=6)))
    rows = read_metrics(tmp_path / "metrics.jsonl")
    for row, part in zip(rows, (seen[:3], seen[3:]), strict=True):
        assert row["train_nats"] == pytest.approx(sum(s for s, _ in part) / sum(n for _, n in part))


def test_keeps_the_best_and_stops_without_improvement(tmp_path):
    probes = [
        Probe("validation", 5, scores(3.0, 2.0, 2.5, 2.4, 2.3, 1.0)),
        Probe("samples", 0, lambda model, step: {"sampled": step}),
    ]
    outcome = train(make(tmp_path, probes=probes, keep=1, config=config(patience=3)))
    store = CheckpointStore(tmp_path / "checkpoints")
    assert (outcome.reason, outcome.step, outcome.best_step, outcome.best_value) == ("patience", 25, 10, 2.0)
    assert store.best == {"step": 10, "metric": "validation_nats", "value": 2.0}
    assert store.steps() == [10, 25]
    # What is called only at the end is called at this end too, once.
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "sampled" in row] == [25]
    again = train(make(tmp_path, probes=probes, keep=1, config=config(patience=3)))
    assert (again.reason, again.step, again.best_step) == ("patience", 25, 10)
    assert read_metrics(tmp_path / "metrics.jsonl") == rows


def test_best_may_be_the_highest_and_improvement_has_a_threshold(tmp_path):
    probes = [Probe("validation", 10, scores(0.5, 0.55, 0.7, 0.6))]
    outcome = train(make(tmp_path, probes=probes, best_is_high=True, config=config(min_improvement=0.1)))
    assert (outcome.best_step, outcome.best_value) == (30, 0.7)


def test_a_probe_that_fails_costs_nothing(tmp_path):
    def fails(model, step):
        assert CheckpointStore(tmp_path / "checkpoints").load(step).step == step
        raise MemoryError("evaluation")

    with pytest.raises(MemoryError):
        train(make(tmp_path, probes=[Probe("validation", 10, fails)]))
    assert CheckpointStore(tmp_path / "checkpoints").steps()[-1] == 10
    healed = train(make(tmp_path))
    assert healed.step == 40
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")].count(10) == 1


def test_probes_see_the_average_in_evaluation_mode_and_leave_no_trace(tmp_path):
    def looks(model, step):
        assert not model.training and not torch.is_grad_enabled()
        seen.append(model.mix.bias.clone())
        torch.manual_seed(0)
        return score(model, step)

    seen, runs = [], []
    for probes in ([Probe("validation", 10, looks)], []):
        work = make(None, probes=probes, metrics=None)
        train(work)
        assert work.model.training
        runs.append(work)
    for a, b in zip(runs[0].model.parameters(), runs[1].model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(seen[-1], runs[0].average.tensors()["mix.bias"])
    assert not torch.equal(seen[-1], runs[0].model.mix.bias)


def test_a_finished_run_does_nothing_again(tmp_path):
    train(make(tmp_path))
    stand = {p: p.stat().st_mtime_ns for p in (tmp_path / "checkpoints").glob("step-*/*")}
    rows = read_metrics(tmp_path / "metrics.jsonl")

    def forbidden(*_):
        raise AssertionError("trained or evaluated again")

    again = train(make(tmp_path, loss_of=forbidden, probes=[Probe("validation", 10, forbidden)]))
    assert again.step == 40 and again.best_step is not None
    assert stand == {p: p.stat().st_mtime_ns for p in stand} and rows == read_metrics(tmp_path / "metrics.jsonl")


def test_not_finite_stops_before_the_update_and_leaves_the_batch(tmp_path, fault):
    fault("step.after_backward:13:nan")
    work = make(tmp_path, average=None)
    with pytest.raises(NumericsError) as caught:
        train(work)
    error = caught.value
    assert error.exit_code == 5 and "step 13" in error.what and "step-000010" in error.why
    where = tmp_path / "nonfinite-step-000013"
    facts = json.loads((where / "batch.json").read_text())
    assert facts["step"] == 13 and facts["first_sample"] == 12 * 6 and facts["n_samples"] == 6
    assert facts["not_finite"] == {"weights": [], "gradients": ["embed.weight"]}
    batch, want = load_file(where / "batch.safetensors"), RandomSource().batch(12 * 6, 6)
    assert all(torch.equal(batch[name], getattr(want, name)) for name in ("tokens_BT", "targets_BT", "loss_mask_BT"))
    # The weights are those of twelve good updates.
    fault("")
    good = make(None, probes=[], metrics=None, average=None, config=config(steps=12), schedule=work.schedule)
    good = make(None, probes=[], average=None, config=config(steps=12), schedule=lambda s, n: work.schedule(s, 40))
    train(good)
    for (name, a), b in zip(work.model.named_parameters(), good.model.parameters(), strict=True):
        assert torch.isfinite(a).all() and torch.equal(a, b), name


@pytest.mark.parametrize("seed", range(20))
def test_not_finite_at_any_step_and_tensor_changes_no_weight(tmp_path, seed):
    """The loss itself goes wrong, at a random step and in a random way: 20 of 20 leave finite weights and the batch."""
    at, bad = 1 + seed * 7 % 17, (float("nan"), float("inf"), -float("inf"))[seed % 3]
    calls = []

    def poisoned(model, batch):
        calls.append(1)
        loss, n_scored, nats = lm_loss(model, batch)
        return Priced(loss * bad, n_scored, nats * bad) if len(calls) == at else Priced(loss, n_scored, nats)

    work = make(tmp_path, loss_of=poisoned, config=config(eval_every_steps=5, steps=20))
    with pytest.raises(NumericsError, match=f"loss of step {at} "):
        train(work)
    assert all(torch.isfinite(p).all() for p in work.model.parameters())
    assert (tmp_path / f"nonfinite-step-{at:06d}" / "manifest.json").exists()


def test_a_score_that_is_not_finite_stops_with_the_checkpoint_saved(tmp_path):
    with pytest.raises(NumericsError, match="validation_nats after step 10 is nan"):
        train(make(tmp_path, probes=[Probe("validation", 10, scores(float("nan")))]))
    assert CheckpointStore(tmp_path / "checkpoints").steps()[-1] == 10


def test_weights_that_overflow_in_the_update_are_not_saved(tmp_path):
    work = make(tmp_path, average=None)
    step = work.optimiser.step

    def overflow():
        step()
        with torch.no_grad():
            work.model.mix.bias[0] = float("inf") if calls else work.model.mix.bias[0]
        calls.append(1)

    calls = []
    work.optimiser.step = overflow
    with pytest.raises(NumericsError, match="not finite"):
        train(dataclasses.replace(work, config=config(save_every_steps=2)))
    assert CheckpointStore(tmp_path / "checkpoints").steps() == []


PHASES = ["first batch", "batch", "forward", "backward", "probe", "save", "commit", "retire", "last probe"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_in_any_phase_saves_once_and_the_run_goes_on(tmp_path, monkeypatch, phase, number):
    calls = {"batch": 0, "probe": 0, "saves": []}
    real_save = CheckpointStore.save

    def kick(here, when=True):
        if here == phase and when:
            os.kill(os.getpid(), number)

    class Source(RandomSource):
        def batch(self, first, count):
            calls["batch"] += 1
            kick("first batch", calls["batch"] == 1)
            kick("batch", calls["batch"] == 9)
            return super().batch(first, count)

    def loss_of(model, batch):
        kick("forward", calls["batch"] >= 12)
        priced = lm_loss(model, batch)
        if phase == "backward" and calls["batch"] == 14:
            priced.loss.register_hook(lambda grad: kick("backward"))
        return priced

    def probe(model, step):
        kick("probe", step == 20)
        kick("last probe", step == 40)
        time.sleep(0.001)
        calls["probe"] += 1
        return score(model, step)

    points = {f"checkpoint.{p}": name for p, name in (("after_file", "save"), ("before_rename", "commit"))}
    points["checkpoint.before_retire"] = "retire"

    def reached(point):
        # These points are reached more than once in a run: one signal, not two.
        if points.get(point) == phase:
            del points[point]
            kick(phase)
        return ""

    def save(store, step, *rest):
        calls["saves"].append(step)
        return real_save(store, step, *rest)

    monkeypatch.setattr(faults, "reached", reached)
    monkeypatch.setattr(CheckpointStore, "save", save)
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    began = time.monotonic()
    with pytest.raises(Stopped) as caught:
        train(make(tmp_path, source=Source(), loss_of=loss_of, probes=[Probe("validation", 10, probe)], prefetch=0))
    assert time.monotonic() - began < 20 and caught.value.exit_code == 75
    assert signal.Signals(number).name in caught.value.what
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert len(calls["saves"]) == len(set(calls["saves"]))
    assert phase == "first batch" or CheckpointStore(tmp_path / "checkpoints").latest_valid(pytest.fail) is not None
    monkeypatch.undo()
    assert train(make(tmp_path)).step == 40
    rows = [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert rows == sorted({*range(3, 41, 3), 10, 20, 30, 40})


def test_a_time_budget_ends_the_run_with_its_schedule(tmp_path):
    lengths = []

    def schedule(step, total_steps):
        lengths.append(total_steps)
        return 1.0

    def slow(model, batch):
        time.sleep(0.004)
        return lm_loss(model, batch)

    began = time.monotonic()
    work = make(tmp_path, schedule=schedule, loss_of=slow, probes=[], config=config(steps=100_000, budget_seconds=1.5))
    outcome = train(work)
    assert 1.0 < time.monotonic() - began < 6.0
    assert lengths[0] == 100_000 and outcome.step < 1000
    # At the end the schedule has come to its end too, within a quarter.
    assert 0.75 * lengths[-1] < outcome.step <= lengths[-1]
    assert CheckpointStore(tmp_path / "checkpoints").steps()[-1] == outcome.step


def test_slow_steps_still_reach_the_end_of_their_schedule(tmp_path, capsys):
    """A step of a tenth of the budget: the 25 after which a faster run first looks at its pace are never reached."""
    lengths = []

    def schedule(step, total_steps):
        lengths.append(total_steps)
        return 1.0

    def slow(model, batch):
        time.sleep(0.15)
        return lm_loss(model, batch)

    limits = config(steps=100_000, budget_seconds=1.5)
    work = make(tmp_path, schedule=schedule, loss_of=slow, probes=[], config=limits, progress=Progress())
    outcome = train(work)
    assert outcome.reason == "time" and outcome.step < 25
    assert capsys.readouterr().err.count("teach a model little") == 1
    assert lengths[0] == 100_000 and abs(lengths[-1] - outcome.step) <= 2, (lengths, outcome.step)


def test_the_bar_counts_on_the_budget_from_the_first_step(tmp_path, monkeypatch):
    totals, steps, update = [], iter(range(5)), Bar.update

    def slow(model, batch):
        time.sleep(0.12)
        if next(steps) == 4:
            raise RuntimeError("enough")
        return lm_loss(model, batch)

    def noted(bar, *done, **shown):
        totals.append(bar.total)
        update(bar, *done, **shown)

    monkeypatch.setattr(Bar, "update", noted)
    with pytest.raises(RuntimeError):  # five steps are enough to see
        train(make(tmp_path, loss_of=slow, probes=[], config=config(steps=10**8, budget_seconds=1000)))
    assert totals[0] == 10**8 and len(totals) > 2 and max(totals[1:]) < 10_000, totals


def test_batch_shape_is_resolved_or_refused():
    assert batch_shape(TrainConfig(batch_tokens=768), 64) == (12, 12)
    assert batch_shape(TrainConfig(batch_tokens=768, micro_batch_tokens=256), 64) == (12, 4)
    assert batch_shape(TrainConfig(batch_tokens=768, micro_batch_tokens=10), 64) == (12, 1)
    assert batch_shape(TrainConfig(batch_tokens=832), 64, n_ranks=2) == (13, 7)
    with pytest.raises(RecipeError, match="train.batch_tokens = 100"):
        batch_shape(TrainConfig(batch_tokens=100), 64, n_ranks=2)


def test_a_signal_in_the_last_save_is_not_lost(tmp_path, monkeypatch):
    """`run` would else go on to evaluate, sample and report after it was asked to stop."""
    real_save = CheckpointStore.save

    def save(store, step, *rest):
        if step == 40:
            os.kill(os.getpid(), signal.SIGTERM)
        return real_save(store, step, *rest)

    monkeypatch.setattr(CheckpointStore, "save", save)
    with pytest.raises(Stopped):
        train(make(tmp_path))
    monkeypatch.setattr(CheckpointStore, "save", real_save)
    assert CheckpointStore(tmp_path / "checkpoints").steps()[-1] == 40 and train(make(tmp_path)).step == 40
