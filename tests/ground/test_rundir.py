"""Files appear whole or not at all; a changed byte is found; a run has one owner at a time."""

import multiprocessing
import os
import random
import signal
import time

import pytest

from idiolect.errors import DataError, ResourceError, RunInUse
from idiolect.rundir import (
    RunDir,
    fingerprint,
    is_complete,
    new_folder,
    read_json,
    verify_folder,
    write_atomic,
    write_json,
)


def test_a_fingerprint_depends_on_values_not_on_order():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_an_error_inside_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "stage") as folder:
        (folder / "half").write_text("x")
        1 / 0  # noqa: B018 - any error will do
    assert list(tmp_path.iterdir()) == []


def _slow_stage(final):
    with new_folder(final) as folder:
        (folder / "half").write_text("x")
        time.sleep(60)


def test_a_killed_stage_leaves_no_half_result_and_is_cleared(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_slow_stage, args=(tmp_path / "stage",))
    child.start()
    while not list(tmp_path.glob("stage.tmp-*/half")):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not is_complete(tmp_path / "stage") and list(tmp_path.glob("stage.tmp-*"))
    with new_folder(tmp_path / "stage") as folder:
        (folder / "whole").write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["stage"]
    verify_folder(tmp_path / "stage")


def test_every_flipped_bit_is_found(tmp_path):
    with new_folder(tmp_path / "stage") as folder:
        (folder / "a.bin").write_bytes(os.urandom(5000))
        (folder / "deep").mkdir()
        (folder / "deep" / "b.bin").write_bytes(os.urandom(300))
    choose = random.Random(1)
    for _ in range(200):
        path = choose.choice([tmp_path / "stage/a.bin", tmp_path / "stage/deep/b.bin"])
        whole = path.read_bytes()
        broken = bytearray(whole)
        broken[choose.randrange(len(whole))] ^= 1 << choose.randrange(8)
        path.write_bytes(broken)
        with pytest.raises(DataError, match=path.name):
            verify_folder(tmp_path / "stage")
        path.write_bytes(whole)
    verify_folder(tmp_path / "stage")


def test_a_missing_or_cut_file_is_named(tmp_path):
    with new_folder(tmp_path / "stage") as folder:
        (folder / "a").write_text("12345")
    (tmp_path / "stage/a").write_text("123")
    with pytest.raises(DataError, match="instead of 5"):
        verify_folder(tmp_path / "stage")
    (tmp_path / "stage/a").unlink()
    with pytest.raises(DataError, match="missing"):
        verify_folder(tmp_path / "stage")


def test_a_folder_that_can_not_be_written_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError):
        write_atomic(tmp_path / "file" / "x", "y")


def test_broken_json_is_named(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(DataError, match="x.json"):
        read_json(tmp_path / "x.json")


def test_a_run_has_one_owner_and_a_dead_one_is_no_owner(tmp_path):
    run = RunDir(tmp_path / "run")
    with run.lock(), pytest.raises(RunInUse, match=str(os.getpid())), RunDir(tmp_path / "run").lock():
        pass
    context = multiprocessing.get_context("fork")
    held = context.Event()

    def hold():
        with run.lock():
            held.set()
            time.sleep(60)

    child = context.Process(target=hold)
    child.start()
    held.wait()
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with run.lock():
        pass
