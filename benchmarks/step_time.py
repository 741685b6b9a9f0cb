"""Training steps a second of our loop over a plain one: same shape, same batch, in turn, each in a process of its own.

    python -m benchmarks.step_time [--rounds 12] [--threads 2]

Prints, for each shape, both medians and the median of the paired ratios with its quartiles. Above 1 we are faster.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.plain_loop import PlainLoop
from idiolect.data.loader import Loader
from idiolect.data.windows import causal_windows
from idiolect.device import DeviceConfig, physical_cores, prepare_process, resolve_device
from idiolect.models.build import build_model
from idiolect.models.config import gpt2_like
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdamWConfig, OptimConfig
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.shards import Shards, write
from idiolect.train.loss import lm_loss
from idiolect.train.step import take_step

# layers, width, heads, context, rows, vocabulary
SHAPES = {"4x128": (4, 128, 4, 64, 12, 65), "6x384": (6, 384, 6, 256, 8, 65), "8x512": (8, 512, 8, 256, 4, 8192)}


class OurLoop:
    """The same step through our loader, loss, clipping and optimiser."""

    def __init__(self, shards, vocabulary: int, layers: int, width: int, heads: int, context: int, rows: int):
        config = gpt2_like(
            n_layers=layers, d_model=width, n_heads=heads, context_length=context, bias=False, mlp="gelu"
        )
        self.model = build_model(config, vocabulary, 1)
        optim = OptimConfig(optimiser=AdamWConfig(learning_rate=1e-3, beta2=0.99, weight_decay=0.1))
        self.optimiser = build_optimiser(optim, self.model)
        self.batches = iter(Loader(causal_windows(shards, context), rows, prefetch=0))
        self.device = resolve_device(DeviceConfig(kind="cpu"))

    def step(self) -> float:
        result = take_step(
            self.model, self.optimiser, next(self.batches)[1], loss_of=lm_loss, device=self.device
        )  # fmt: skip
        return result.sum_nats / result.n_scored


def make_shards(folder: Path):
    """Some text as shards; ids beyond the text's own vocabulary don't matter to speed."""
    text = "".join(chr(33 + i % 60) for i in np.random.default_rng(0).integers(0, 60, 400_000))
    tokenizer = build(TokenizerConfig(kind="character", chat_tokens=False), [text])
    write(tokenizer, [text], folder, "train")
    return Shards(folder, "train")


def serve(which: str, name: str, threads: int) -> None:
    """A child process: a number on standard input is that many steps; seconds a step go to standard output."""
    layers, width, heads, context, rows, vocabulary = SHAPES[name]
    torch.manual_seed(0)
    if which == "plain":
        torch.set_num_threads(threads)
    else:
        config = DeviceConfig(kind="cpu", threads=threads)
        prepare_process(config, resolve_device(config))
    with tempfile.TemporaryDirectory() as folder:
        shards = make_shards(Path(folder))
        vocabulary = max(vocabulary, shards.vocabulary_size)
        if which == "plain":
            ids = np.asarray(shards.ids(0, shards.n_tokens))
            loop = PlainLoop(ids, vocabulary, layers, width, heads, context, rows)
        else:
            loop = OurLoop(shards, vocabulary, layers, width, heads, context, rows)
        for line in sys.stdin:
            n = int(line)
            start = time.perf_counter()
            for _ in range(n):
                loop.step()
            print((time.perf_counter() - start) / n, flush=True)


class Child:
    """One of the two loops in a process of its own, with the process settings it would have on its own."""

    def __init__(self, which: str, name: str, threads: int):
        # What `idiolect` sets for itself before torch is loaded; a plain script has OpenMP's defaults.
        settings = {"GOMP_SPINCOUNT": "3000"} if which == "ours" else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.step_time", "--child", which, "--shape", name,
             "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | settings,
        )  # fmt: skip

    def seconds(self, n: int) -> float:
        """Seconds a step, over n steps."""
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compare(name: str, rounds: int, threads: int) -> None:
    """One shape, both loops in turn."""
    plain, ours = Child("plain", name, threads), Child("ours", name, threads)
    plain.seconds(3), ours.seconds(3)
    n = max(2, round(1.0 / min(plain.seconds(3) for _ in range(3))))
    pairs = []
    for number in range(rounds):
        # The order alternates, so that a drift of the machine's speed favours neither.
        if number % 2:
            pairs.append((plain.seconds(n), ours.seconds(n)))
        else:
            pairs.append((ours.seconds(n), plain.seconds(n))[::-1])
    plain.close(), ours.close()
    ratios = [a / b for a, b in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{name}: plain {1e3 * statistics.median(a for a, _ in pairs):.1f} ms, ours "
        f"{1e3 * statistics.median(b for _, b in pairs):.1f} ms; ratio {middle:.3f} "
        f"(quartiles {low:.3f} to {high:.3f}, n = {rounds} rounds of {n} steps)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=physical_cores())
    parser.add_argument("--shape", choices=SHAPES, action="append")
    parser.add_argument("--child", choices=("plain", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        serve(arguments.child, arguments.shape[0], arguments.threads)
        return
    for name in arguments.shape or SHAPES:
        compare(name, arguments.rounds, arguments.threads)


if __name__ == "__main__":
    main()
