"""Training steps a second of our loop over a plain one: same shape, same batch, in turn, in one process.

    python -m benchmarks.step_time [--rounds 12] [--threads 2]

Prints, for each shape, both medians and the median of the paired ratios with its quartiles. Above 1 we are faster.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.plain_loop import PlainLoop
from idiolect.data.loader import Loader
from idiolect.data.windows import Windows
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
        self.batches = iter(Loader(Windows(shards, context), rows))
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


def timed(loop, n: int) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    for _ in range(n):
        loop.step()
    return (time.perf_counter() - start) / n


def compare(name: str, shards, rounds: int) -> None:
    """One shape, both loops in turn."""
    layers, width, heads, context, rows, vocabulary = SHAPES[name]
    ids = np.asarray(shards.ids(0, shards.n_tokens))
    plain = PlainLoop(ids, max(vocabulary, int(ids.max()) + 1), layers, width, heads, context, rows)
    ours = OurLoop(shards, max(vocabulary, int(ids.max()) + 1), layers, width, heads, context, rows)
    n = max(1, round(0.6 / timed(plain, 3)))
    timed(ours, 3)
    pairs = []
    for number in range(rounds):
        # The order alternates, so that a drift of the machine's speed favours neither.
        first, second = (plain, ours) if number % 2 else (ours, plain)
        a, b = timed(first, n), timed(second, n)
        pairs.append((a, b) if first is plain else (b, a))
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
    arguments = parser.parse_args()
    prepare_process(DeviceConfig(kind="cpu", threads=arguments.threads), resolve_device(DeviceConfig(kind="cpu")))
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        shards = make_shards(Path(folder))
        for name in arguments.shape or SHAPES:
            compare(name, shards, arguments.rounds)


if __name__ == "__main__":
    main()
