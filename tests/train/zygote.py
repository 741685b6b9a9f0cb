"""Runs that are really killed: trials are forked from this process, which has imported torch and computed nothing.

    python -m tests.train.zygote FOLDER N_TRIALS SEED       kill -9 at random moments, then compare with an unbroken run
    python -m tests.train.zygote FOLDER points 3            kill -9 at every named point of a save, three times each

Prints one JSON object. A child is a real GPT with dropout, the prefetching loader, averaging, probes and checkpoints.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch
import torch._dynamo  # noqa: F401  (the optimisers import it at their first use: two seconds, once here, not in each fork)

from idiolect import faults
from idiolect.errors import IdiolectError
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.config import TrainConfig
from idiolect.train.loop import train
from tests.train.tiny import CONTEXT, VOCABULARY, digest, make

STEPS = 48
POINTS = ["after_file", "before_manifest", "before_rename", "after_rename", "before_retire"]


def child(folder: Path) -> int:
    """The command that is killed and given again; returns its exit code."""
    torch.set_num_threads(1)
    config = GPTConfig(d_model=32, n_layers=2, n_heads=2, context_length=CONTEXT, dropout=0.1)
    often = TrainConfig(steps=STEPS, log_every_steps=3, eval_every_steps=10, save_every_steps=4)
    try:
        train(make(folder, model=build_model(config, VOCABULARY, 0), config=often))
    except IdiolectError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def start(folder: Path, fault: str = "") -> int:
    """Fork a run; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        if fault:
            os.environ[faults.VARIABLE] = fault
        code = child(folder)
    finally:
        os._exit(code)


def end(pid: int) -> int:
    """Wait for a run: its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_after(pid: int, seconds: float) -> bool:
    """Kill -9 after this long; False when the run had ended by itself."""
    time.sleep(seconds)
    found, status = os.waitpid(pid, os.WNOHANG)
    if found:
        assert os.waitstatus_to_exitcode(status) == 0, status
        return False
    os.kill(pid, signal.SIGKILL)
    return end(pid) == -signal.SIGKILL


def reference(folder: Path) -> tuple[dict, float]:
    began = time.monotonic()
    assert end(start(folder)) == 0
    return digest(folder), time.monotonic() - began


def random_kills(folder: Path, n_trials: int, seed: int) -> dict:
    """Each trial: one to three kills at moments drawn evenly over a run's length, then the same command to its end."""
    want, length = reference(folder / "unbroken")
    again, second_length = reference(folder / "unbroken2")
    assert again == want
    length = min(length, second_length)
    rng = random.Random(seed)
    result = {"trials": n_trials, "equal": 0, "kills": 0, "lost_steps": [], "seconds_a_run": length}
    for trial in range(n_trials):
        run, n_kills = folder / f"trial{trial}", 0
        while not n_kills:  # a run that ended before its kill came proves nothing
            shutil.rmtree(run, ignore_errors=True)
            for _ in range(rng.randint(1, 3)):
                if not kill_after(start(run), rng.uniform(0, length)):
                    break
                n_kills += 1
                result["lost_steps"].append(lost_steps(run))
        result["kills"] += n_kills
        assert end(start(run)) == 0
        equal = digest(run) == want
        result["equal"] += equal
        if not equal:
            result.setdefault("different", []).append(trial)
    return result


def lost_steps(run: Path) -> int:
    """Steps that were logged and must be made again: at least what the kill cost."""
    metrics = run / "metrics.jsonl"
    steps = CheckpointStore(run / "checkpoints").steps()
    lines = [line for line in metrics.read_text().splitlines() if line.endswith("}")] if metrics.exists() else []
    return max(0, (json.loads(lines[-1])["step"] if lines else 0) - (steps[-1] if steps else 0))


def point_kills(folder: Path, times: int) -> dict:
    """Die at each point of a save, up to three times in different saves; a valid checkpoint must stand, and be used."""
    want, _ = reference(folder / "unbroken")
    result = {"points": len(POINTS), "trials": 0, "equal": 0, "valid": 0}
    for point in POINTS:
        for nth in (2, 5, 7)[:times]:
            run = folder / f"{point}{nth}"
            assert end(start(run, f"checkpoint.{point}:{nth}:kill")) == -signal.SIGKILL, point
            complete = CheckpointStore(run / "checkpoints").steps()
            found = CheckpointStore(run / "checkpoints").latest_valid(print)
            # A save writes four files, so the second `after_file` is within the first save: nothing stands before it.
            nothing_yet = point == "after_file" and nth == 2
            result["valid"] += found is None if nothing_yet else found.step == complete[-1]
            assert end(start(run)) == 0
            result["trials"] += 1
            result["equal"] += digest(run) == want and not list((run / "checkpoints").glob("*.tmp-*"))
    return result


if __name__ == "__main__":
    where = Path(sys.argv[1])
    points = sys.argv[2] == "points"
    print(json.dumps(point_kills(where, int(sys.argv[3])) if points else random_kills(where, *map(int, sys.argv[2:4]))))
