import errno
import json
import os
import random
import resource
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from idiolect import faults, rundir
from idiolect.errors import CheckpointError, IdiolectError, ResourceError
from idiolect.train import checkpoint
from idiolect.train.checkpoint import CheckpointStore, predicted_bytes


def tensors(value=0.0, size=500):
    generator = torch.Generator().manual_seed(int(value))
    return {
        "weights": {"a": torch.randn(size, generator=generator), "b": torch.randn(3, 4, generator=generator).T},
        "optimiser": {"a/exp_avg": torch.randn(size, generator=generator), "a/step": torch.tensor(value)},
    }


def equal(saved, want):
    assert sorted(saved.parts()) == sorted(want)
    for part, named in want.items():
        found = saved.tensors(part)
        assert set(found) == set(named) and all(torch.equal(found[name], named[name]) for name in named)
    return True


def content(folder: Path) -> dict:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def fail_on_report(text):
    raise AssertionError(text)


def test_what_is_saved_is_found(tmp_path):
    store = CheckpointStore(tmp_path / "c")
    assert store.latest_valid(fail_on_report) is None and store.best is None
    for step in (5, 1_000_000, 30):
        store.save(step, tensors(step), {"step": step, "text": "é"})
    found = store.latest_valid(fail_on_report)
    assert found.step == 1_000_000 and found.state["text"] == "é" and equal(found, tensors(1_000_000))
    with pytest.raises(CheckpointError, match="holds no average"):
        found.tensors("average")


@pytest.mark.parametrize("content", ["{", "[]", '{"step": "7"}', '{"value": 1.0}', "7"])
def test_a_damaged_mark_of_the_best_retires_nothing(tmp_path, content):
    store = CheckpointStore(tmp_path / "c", keep=1)
    store.save(1, tensors(1), {})
    (store.folder / "best.json").write_text(content)
    with pytest.raises(CheckpointError, match="best.json is damaged"):
        store.save(2, tensors(2), {})
    assert store.steps() == [1, 2]


def damaged_every_way(rng, folder):
    """200 flips of one bit over all files, and each file cut, emptied, deleted and swapped for another."""
    files = [p for p in sorted(folder.iterdir())]
    sizes = [p.stat().st_size for p in files]
    for _ in range(200):
        path = rng.choices(files, sizes)[0]
        offset, bit = rng.randrange(path.stat().st_size), 1 << rng.randrange(8)
        yield path, lambda b, o=offset, m=bit: b[:o] + bytes([b[o] ^ m]) + b[o + 1 :]
    for path, other in zip(files, files[1:] + files[:1], strict=True):
        yield path, lambda b: b[: len(b) // 2]
        yield path, lambda b: b""
        yield path, lambda b: None
        yield path, lambda b, o=other: o.read_bytes()


def test_damage_is_found_named_and_passed_over(tmp_path):
    store = CheckpointStore(tmp_path / "c", keep=3)
    for step in (1, 2):
        store.save(step, tensors(step), {"step": step})
    n_found = n_named = n = 0
    for path, damage in damaged_every_way(random.Random(0), store.path(2)):
        whole = path.read_bytes()
        broken = damage(whole)
        path.unlink() if broken is None else path.write_bytes(broken)
        said = []
        found = store.latest_valid(said.append)
        path.write_bytes(whole)
        n += 1
        n_found += found.step == 1
        # A checkpoint without its manifest was never finished: nothing to warn of.
        n_named += any(path.name in text or "manifest" in text for text in said) or broken is None
    assert n == 216 and (n_found, n_named) == (n, n)
    assert store.latest_valid(fail_on_report).step == 2


def test_without_the_manifest_damage_would_pass(tmp_path):
    """Negative control: safetensors alone does not notice a flipped bit in a tensor."""
    store = CheckpointStore(tmp_path / "c")
    store.save(1, tensors(1), {})
    path = store.path(1) / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    unverified = checkpoint.Checkpoint(1, store.path(1), {})
    assert not torch.equal(unverified.tensors("weights")["b"], tensors(1)["weights"]["b"]) or not torch.equal(
        unverified.tensors("weights")["a"], tensors(1)["weights"]["a"]
    )
    with pytest.raises(CheckpointError, match="step-000001 is damaged"):
        store.load(1)


def test_all_damaged_is_an_error_that_names_them(tmp_path):
    store = CheckpointStore(tmp_path / "c")
    for step in (1, 2):
        store.save(step, tensors(step), {})
        (store.path(step) / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints") as caught:
        store.latest_valid(lambda text: None)
    assert "step-000001" in caught.value.why and "step-000002" in caught.value.why and caught.value.exit_code == 4


SAVE_POINTS = ["after_file", "before_manifest", "before_rename", "after_rename", "before_retire"]


@pytest.mark.parametrize("code", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("point", SAVE_POINTS)
def test_a_save_that_fails_leaves_the_others_as_they_were(tmp_path, fault, point, code):
    store = CheckpointStore(tmp_path / "c", keep=2)
    for step in (1, 2):
        store.save(step, tensors(step), {"step": step})
    before = content(store.folder)
    fault(f"checkpoint.{point}:1:raise:{code}")
    with pytest.raises(ResourceError) as caught:
        store.save(3, tensors(3), {"step": 3})
    if code == "ENOSPC":
        assert "disk is full" in caught.value.what and "MB are free" in caught.value.why
    after = content(store.folder)
    assert {name: after[name] for name in before} == before
    assert not list(store.folder.glob("*.tmp-*"))
    assert store.latest_valid(fail_on_report).step == (3 if point in ("after_rename", "before_retire") else 2)


def test_a_disk_that_fills_after_any_number_of_bytes(tmp_path):
    """A real limit on file size: the kernel itself refuses the write half-way, in whichever file it comes."""
    store = CheckpointStore(tmp_path / "c")
    store.save(1, tensors(1, 20_000), {})
    before = content(store.folder)
    rng, intact = random.Random(1), 0
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for _ in range(20):
            resource.setrlimit(resource.RLIMIT_FSIZE, (rng.randrange(80_000), limit[1]))
            with pytest.raises(ResourceError):
                store.save(2, tensors(2, 20_000), {})
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            intact += content(store.folder) == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert intact == 20


def test_system_calls_in_the_order_that_survives_power_loss(tmp_path, monkeypatch):
    calls = []
    real_fsync, real_replace = os.fsync, os.replace

    def name(path):
        return Path(path).name.split(".tmp-")[0]

    monkeypatch.setattr(
        os, "fsync", lambda fd: (calls.append(("fsync", name(os.readlink(f"/proc/self/fd/{fd}")))), real_fsync(fd))[1]
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append(("rename", name(b))), real_replace(a, b))[1])
    CheckpointStore(tmp_path / "c").save(7, tensors(7), {})
    files = [("fsync", f) for f in ("optimiser.safetensors", "state.json", "weights.safetensors")]
    assert calls == [
        *files,
        ("fsync", "manifest.json"),
        ("rename", "manifest.json"),
        ("fsync", "step-000007"),
        ("fsync", "step-000007"),
        ("rename", "step-000007"),
        ("fsync", "c"),
    ]


def test_predicts_its_size_and_refuses_a_disk_too_small(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path / "c", keep=2)
    big = {"weights": {f"layer.{i}.weight": torch.zeros(100, 300) for i in range(20)}}
    moments = ("exp_avg", "exp_avg_sq")
    big["optimiser"] = {f"{name}/{m}": t.clone() for name, t in big["weights"].items() for m in moments}
    predicted = store.prepare(big)
    store.save(1, big, {"random": "x" * 12_000})
    actual = sum(p.stat().st_size for p in store.path(1).iterdir())
    assert abs(predicted - actual) < 0.05 * actual, (predicted, actual)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * predicted - 1))
    with pytest.raises(ResourceError, match="MB are free"):
        store.prepare(big)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * predicted))
    assert store.prepare(big) == predicted_bytes(big)


def test_a_folder_that_cannot_be_used_is_found_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError):
        CheckpointStore(tmp_path / "file").prepare(tensors())
    with pytest.raises(ResourceError):
        CheckpointStore(tmp_path / "file" / "below").prepare(tensors())
    assert CheckpointStore(tmp_path / "with spaces and ümlauts").prepare(tensors()) > 0


def test_prepare_sweeps_what_a_kill_left(tmp_path):
    store = CheckpointStore(tmp_path / "c")
    store.save(1, tensors(1), {})
    (store.folder / "step-000002.tmp-1234").mkdir()
    (store.folder / "best.json.tmp-99").write_text("{")
    store.prepare(tensors())
    assert [p.name for p in store.folder.iterdir()] == ["step-000001"]


def test_a_valid_checkpoint_is_never_overwritten_a_damaged_one_is(tmp_path):
    store = CheckpointStore(tmp_path / "c")
    store.save(1, tensors(1), {})
    with pytest.raises(CheckpointError, match="exists and is valid"):
        store.save(1, tensors(9), {})
    assert equal(store.load(1), tensors(1))
    (store.path(1) / "weights.safetensors").write_bytes(b"x")
    store.save(1, tensors(9), {})
    assert equal(store.load(1), tensors(9))


def test_the_new_one_is_read_back_before_an_older_one_goes(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path / "c", keep=1)
    store.save(1, tensors(1), {})

    @rundir.contextlib.contextmanager
    def lying_disk(final, point):
        with rundir.new_folder(final, point) as folder:
            yield folder
        (final / "weights.safetensors").write_bytes(b"not what was written")

    monkeypatch.setattr(checkpoint, "new_folder", lying_disk)
    with pytest.raises(CheckpointError, match="step-000002 is damaged"):
        store.save(2, tensors(2), {})
    assert store.latest_valid(lambda text: None).step == 1


actions = st.lists(
    st.one_of(
        st.tuples(st.just("save"), st.integers(1, 40)),
        st.tuples(st.just("best"), st.just(0)),
        st.tuples(st.just("crash"), st.sampled_from(SAVE_POINTS)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(actions, st.integers(1, 3))
def test_retention_keeps_the_newest_and_the_best(sequence, keep):
    """Whatever comes: `keep` valid ones once so many were saved, the best one, the newest one, nothing half-written."""
    small = {"weights": {"a": torch.zeros(4)}}
    with tempfile.TemporaryDirectory() as folder:
        store, step, saved, best = CheckpointStore(Path(folder), keep), 0, [], None
        for action, value in sequence:
            if action == "best":
                if saved:
                    best = saved[-1]
                    store.mark_best(best, "validation_nats", 1.0)
                continue
            if action == "restart":
                store = CheckpointStore(Path(folder), keep)
                store.prepare(small)
                continue
            step += value if action == "save" else 1
            faults.forget()
            if action == "crash":
                os.environ[faults.VARIABLE] = f"checkpoint.{value}:1:raise:EIO"
            try:
                store.save(step, small, {"step": step})
                saved.append(step)
            except IdiolectError as error:
                assert action == "crash", error
                if value in ("after_rename", "before_retire"):
                    saved.append(step)
            finally:
                os.environ.pop(faults.VARIABLE, None)
            stand = [s for s in store.steps() if store.load(s)]
            assert len(stand) >= min(keep, len(saved))
            assert stand[-keep:] == saved[-keep:], (stand, saved)
            assert best is None or best in stand
            # Only a retirement that failed may leave more than the rule keeps, and the next one makes up for it.
            assert action == "crash" or len(stand) <= keep + 1
    faults.forget()


def test_errno_of_a_failed_write_is_kept(tmp_path):
    from safetensors import SafetensorError

    error = checkpoint._write_error(SafetensorError("I/O error: No space left on device (os error 28)"), tmp_path)
    assert isinstance(error, OSError) and error.errno == errno.ENOSPC
    strange = SafetensorError("shared memory")
    assert checkpoint._write_error(strange, tmp_path) is strange


def test_state_is_plain_json(tmp_path):
    store = CheckpointStore(tmp_path / "c")
    store.save(1, tensors(1), {"value": 0.1 + 0.2})
    assert json.loads((store.path(1) / "state.json").read_text())["value"] == 0.1 + 0.2
