"""Two things that cost a CPU real time: denormal numbers, and threads that spin while another job has their core.

    python -m benchmarks.cpu_traps [--rounds 5]

Denormals: a matrix product and an Adam update on numbers of 1e-40, with and without flushing, in turns.
Spinning: training steps of a 4x128 GPT on two threads in a fresh process for each setting of GOMP_SPINCOUNT, in turns,
alone and beside a job that keeps one core busy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SPINS = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{f"spin {count}": {"GOMP_SPINCOUNT": number} for count, number in (
        ("1e3", "1000"), ("3e3", "3000"), ("1e4", "10000"), ("1e5", "100000"),
    )},
}  # fmt: skip
STEPS = """
import json, sys, time, torch
from benchmarks.plain_loop import PlainLoop
import numpy as np
torch.set_num_threads(2)
torch.set_flush_denormal(True)
loop = PlainLoop(np.random.default_rng(0).integers(0, 65, 100_000), 65, 4, 128, 4, 64, 12)
for _ in range(5): loop.step()
start = time.perf_counter()
n = 0
while time.perf_counter() - start < 3: loop.step(); n += 1
print(json.dumps((time.perf_counter() - start) / n))
"""


def denormals(rounds: int) -> None:
    """Time with and without flushing."""
    import torch

    torch.set_num_threads(1)
    tiny = torch.full((512, 512), 1e-40)
    weight, moment = torch.ones(512, 512), torch.full((512, 512), 1e-39)
    square = torch.full((512, 512), 1e-39)
    jobs = {
        "matrix product": lambda: weight @ tiny,
        "Adam's moments": lambda: (torch.lerp(moment, tiny, 0.1), torch.addcmul(square, tiny, tiny)),
    }
    for name, job in jobs.items():
        ratios = []
        for _ in range(rounds):
            seconds = []
            for flush in (False, True):
                torch.set_flush_denormal(flush)
                start = time.perf_counter()
                for _ in range(20):
                    job()
                seconds.append(time.perf_counter() - start)
            ratios.append(seconds[0] / seconds[1])
        print(f"{name} on denormals: {statistics.median(ratios):.1f} times the flushed time "
              f"({min(ratios):.1f} to {max(ratios):.1f}, n = {rounds})")  # fmt: skip


def step_seconds(environment: dict[str, str]) -> float:
    """Seconds a training step in a fresh process."""
    done = subprocess.run([sys.executable, "-c", STEPS], env=os.environ | environment, capture_output=True, text=True,
                          check=True)  # fmt: skip
    return json.loads(done.stdout)


def spinning(rounds: int, busy: bool) -> None:
    """A step's time for each setting, in turns; `busy` keeps one core occupied meanwhile."""
    found: dict[str, list[float]] = {name: [] for name in SPINS}
    for _ in range(rounds):
        for name, environment in SPINS.items():
            rival = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
            try:
                found[name].append(step_seconds(environment))
            finally:
                if rival:
                    rival.kill()
                    rival.wait()
    print("beside a busy job:" if busy else "alone:")
    for name, seconds in found.items():
        print(f"  {name:<9} {1e3 * statistics.median(seconds):7.1f} ms a step "
              f"({1e3 * min(seconds):.1f} to {1e3 * max(seconds):.1f}, n = {rounds})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    denormals(rounds)
    spinning(rounds, busy=False)
    spinning(rounds, busy=True)


if __name__ == "__main__":
    main()
