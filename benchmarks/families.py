"""Every family at equal parameters: tokens a second, and how much of a step is neither its kernels nor the optimiser.

    python -m benchmarks.families [--parameters 1e6] [--vocabulary 65] [--rounds 7] [--threads 2] [--dtype float32]

Families take turns, a few steps each, so that a busy moment of the machine meets them all. Of a step's wall time,
all of it measured within the same steps of the training loop:

    model       forward, loss and backward of the family
    optimiser   clipping, the update, clearing the gradients
    outside     the rest of a step of the training loop: data, the loop itself, metrics
    idle        within `model`: time in which no operator ran, only Python between two of them (a profile apart)

What is asked of every family: outside + idle below a tenth of the step.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.step_time import make_shards
from idiolect.data.config import AutoObjective, PrefixObjective, resolve_objective
from idiolect.data.objectives import build_objective
from idiolect.data.windows import Windows
from idiolect.device import DeviceConfig, resolve_device
from idiolect.models import FAMILIES
from idiolect.models.build import build_model
from idiolect.models.measure import flops_per_token, parameters
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdamWConfig, OptimConfig
from idiolect.progress import MetricsLog, Progress
from idiolect.train.config import TrainConfig
from idiolect.train.loop import train
from idiolect.train.loss import lm_loss
from idiolect.train.state import Training
from idiolect.tune.match import match

STEPS = 24
BATCH_TOKENS = 4096


class Stopwatch:
    """Adds up the seconds spent in the functions it is put around."""

    def __init__(self):
        self.seconds = 0.0

    def around(self, function: Callable) -> Callable:
        """The same function, timed."""

        def timed(*arguments, **named):
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


class Contestant:
    """A family's model with its data and optimiser."""

    def __init__(self, kind: str, shards, vocabulary: int, target: int, context_length: int, dtype: str):
        family = FAMILIES[kind]
        objective = PrefixObjective() if family.config.reads == "source" else AutoObjective()
        resolved = resolve_objective(objective, family.config.reads, kind)
        V = vocabulary + resolved.n_extra_ids(context_length)
        self.config = match(
            lambda width: family.config.sized(width, context_length),
            lambda config: parameters(config, V)["total"], target, 0.2, kind,
        ).config  # fmt: skip
        self.kind, self.n_parameters = kind, parameters(self.config, V)["total"]
        self.flops = flops_per_token(self.config, V)["training"]
        built = build_objective(
            resolved, context_length=context_length, vocabulary_size=vocabulary, end_id=shards.end_id,
            boundaries="open", seed=0, reads=family.config.reads,
        )  # fmt: skip
        self.source = Windows(shards, built)
        self.rows = max(1, BATCH_TOKENS // context_length)
        self.tokens = self.rows * context_length
        self.model = build_model(self.config, V, seed=0).train()
        self.optimiser = build_optimiser(OptimConfig(optimiser=AdamWConfig()), self.model)
        self.device = resolve_device(DeviceConfig(kind="cpu", dtype=dtype, threads=torch.get_num_threads()))

    def steps_by_loop(self, folder: Path) -> tuple[float, float, float]:
        """Seconds a step of the model's part, of the optimiser's, and of the whole loop with data and metrics."""
        model, optimiser = Stopwatch(), Stopwatch()
        training = Training(
            model=self.model, optimiser=self.optimiser, schedule=lambda step, total: 1.0, source=self.source,
            loss_of=model.around(lm_loss), config=TrainConfig(steps=STEPS), batch_samples=self.rows,
            metrics=MetricsLog(folder / f"{self.kind}.jsonl"), progress=Progress.silent(), device=self.device,
        )  # fmt: skip
        with ExitStack() as stack:
            stack.enter_context(patch.object(torch.Tensor, "backward", model.around(torch.Tensor.backward)))
            for name in ("clip", "step", "zero_grad"):
                stack.enter_context(patch.object(self.optimiser, name, optimiser.around(getattr(self.optimiser, name))))
            start = time.perf_counter()
            train(training)
            whole = time.perf_counter() - start
        return model.seconds / STEPS, optimiser.seconds / STEPS, whole / STEPS

    def idle_share(self) -> float:
        """Share of forward and backward in which no operator ran: one thread, so that operators don't overlap."""
        batch, threads = self.source.batch(0, self.rows), torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with self.device.autocast(), profile(activities=[ProfilerActivity.CPU]) as found:
                start = time.perf_counter()
                priced = lm_loss(self.model, batch)
                (priced.loss / priced.n_scored).backward()
                wall = time.perf_counter() - start
        finally:
            torch.set_num_threads(threads)
        self.optimiser.zero_grad()
        busy = sum(event.self_cpu_time_total for event in found.key_averages()) / 1e6
        return max(0.0, 1 - busy / wall)


def measure(one: Contestant, rounds: list[tuple[float, float, float]]) -> dict:
    """The family's figures: medians, and the quartiles of its speed."""
    model, optimiser, loop = (statistics.median(column) for column in zip(*rounds, strict=True))
    speeds = sorted(one.tokens / seconds for _, _, seconds in rounds)
    low, _, high = statistics.quantiles(speeds, n=4)
    outside = max(0.0, 1 - (model + optimiser) / loop)
    idle = statistics.median(one.idle_share() for _ in range(3)) * model / loop
    return {
        "family": one.kind, "parameters": one.n_parameters, "flops_per_token": one.flops,
        "tokens_per_second": statistics.median(speeds), "low": low, "high": high,
        "gflops_per_second": statistics.median(speeds) * one.flops / 1e9, "milliseconds": 1e3 * loop,
        "model": model / loop, "optimiser": optimiser / loop, "outside": outside, "idle": idle,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=float, default=1e6)
    parser.add_argument("--vocabulary", type=int, default=65)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--families", default="")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    kinds = asked.families.split(",") if asked.families else [kind for kind in FAMILIES if kind != "ngram"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards = make_shards(folder)
        found = [
            Contestant(kind, shards, asked.vocabulary, int(asked.parameters), asked.context, asked.dtype)
            for kind in kinds
        ]
        rounds: dict[str, list] = {kind: [] for kind in kinds}
        for number in range(asked.rounds + 1):
            for one in found:
                seconds = one.steps_by_loop(folder)
                if number:  # the first round allocates and chooses kernels
                    rounds[one.kind].append(seconds)
        figures = [measure(one, rounds[one.kind]) for one in found]
    print(
        "| family | parameters | kFLOP/token | tokens/s (middle half) | GFLOP/s | model | optimiser | outside | idle |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for row in sorted(figures, key=lambda row: -row["tokens_per_second"]):
        print(
            f"| {row['family']} | {row['parameters']:,} | {row['flops_per_token'] / 1e3:,.0f} | "
            f"{row['tokens_per_second']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f}) | "
            f"{row['gflops_per_second']:.0f} | {row['model']:.0%} | {row['optimiser']:.0%} | "
            f"{row['outside']:.1%} | {row['idle']:.1%} |"
        )
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
