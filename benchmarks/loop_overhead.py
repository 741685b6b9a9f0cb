"""What the training loop adds to its steps: processor time of `train` over the same steps written out by hand.

    python -m benchmarks.loop_overhead [--rounds 5]

Processor time of the main thread, so that a busy machine matters little; a 4x128 GPT, context 64, batch 12.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.step_time import OurLoop, make_shards
from idiolect.data.windows import causal_windows
from idiolect.progress import MetricsLog, Progress
from idiolect.train.config import TrainConfig
from idiolect.train.loop import train
from idiolect.train.loss import lm_loss
from idiolect.train.state import Training

STEPS = 60


def by_hand(shards) -> float:
    """Seconds for the bare steps."""
    ours = OurLoop(shards, 68, 4, 128, 4, 64, 12)
    source = causal_windows(shards, 64)
    start = time.thread_time()
    for number in range(STEPS):
        sum_nats, n_scored, _ = lm_loss(ours.model, source.batch(12 * number, 12))
        (sum_nats / n_scored).backward()
        ours.optimiser.clip()
        ours.optimiser.step()
        ours.optimiser.zero_grad()
    return time.thread_time() - start


def by_loop(shards, folder: Path) -> float:
    """Seconds for the same steps through the loop, with its bar and its metrics, without checkpoints."""
    ours = OurLoop(shards, 68, 4, 128, 4, 64, 12)
    training = Training(
        model=ours.model, optimiser=ours.optimiser, schedule=lambda step, total: 1.0, source=causal_windows(shards, 64),
        loss_of=lm_loss, config=TrainConfig(steps=STEPS), batch_samples=12,
        metrics=MetricsLog(folder / "metrics.jsonl"),
        progress=Progress.silent(), device=ours.device, prefetch=0,
    )  # fmt: skip
    start = time.thread_time()
    train(training)
    return time.thread_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shards = make_shards(Path(folder))
        pairs = [(by_hand(shards), by_loop(shards, Path(folder))) for _ in range(rounds)]
    added = [1e6 * (loop - hand) / STEPS for hand, loop in pairs]
    step = statistics.median(1e3 * hand / STEPS for hand, _ in pairs)
    print(
        f"the loop adds {statistics.median(added):.0f} µs a step ({min(added):.0f} to {max(added):.0f}, n = {rounds}) "
        f"to steps of {step:.1f} ms"
    )


if __name__ == "__main__":
    main()
