"""kill -9, for real: see zygote.py, from which the trials are forked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def zygote(*arguments) -> dict:
    result = subprocess.run(
        [sys.executable, "-m", "tests.train.zygote", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_killed_at_random_moments_ends_bitwise_equal(tmp_path):
    found = zygote(tmp_path, 8, 0)
    assert found["equal"] == found["trials"] == 8 and found["kills"] >= 8, found


@pytest.mark.slow
def test_killed_at_random_moments_fifty_times(tmp_path):
    found = zygote(tmp_path, 50, 1)
    print(found)
    assert found["equal"] == found["trials"] == 50 and found["kills"] >= 50, found


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_at_every_point_of_a_save(tmp_path, times):
    found = zygote(tmp_path, "points", times)
    assert found["points"] == 5 and found["equal"] == found["valid"] == found["trials"] == 5 * times, found
