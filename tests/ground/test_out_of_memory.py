"""A full memory is exit 6 and three lines, in the terminal and in exit.json, whoever ran out of it."""

import contextlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from idiolect import cli, journey
from idiolect.errors import ResourceError, out_of_memory
from idiolect.rundir import RunDir
from idiolect.stages.job import recorded

FULL = {
    "numpy": lambda: np.empty(2**58, np.uint8),
    "torch on a CPU": lambda: torch.empty(2**58, dtype=torch.uint8),
}


@pytest.mark.parametrize("who", FULL)
def test_a_full_memory_is_told_in_our_form(who, monkeypatch, capsys):
    monkeypatch.setattr(journey, "show", lambda request: FULL[who]())
    assert cli.main(["show", "shakespeare"]) == ResourceError.exit_code == 6
    said = capsys.readouterr().err
    assert said.startswith("error: the memory is full") and "--train.micro_batch_tokens" in said


@pytest.mark.parametrize("who", FULL)
def test_exit_json_holds_the_same_code(who, tmp_path):
    job = SimpleNamespace(run=RunDir(tmp_path / "run"))
    with contextlib.suppress(RuntimeError, MemoryError), recorded(job):
        FULL[who]()
    left = json.loads((tmp_path / "run" / "exit.json").read_text())
    assert (left["code"], left["kind"]) == (6, "resource")


def test_a_gpu_says_it_in_words_of_its_own():
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
