"""A small language model, a source of random tokens and a run around them: what the training tests train."""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from idiolect.data.batch import Batch
from idiolect.device import Device
from idiolect.optim.average import WeightAverage
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdamWConfig, OptimConfig
from idiolect.optim.schedules import factor
from idiolect.progress import MetricsLog, Progress, read_metrics
from idiolect.rundir import manifest_of
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.config import TrainConfig
from idiolect.train.loss import lm_loss
from idiolect.train.state import Probe, Training

VOCABULARY, CONTEXT = 37, 12
CPU = Device(torch.device("cpu"), torch.float32, True, "cpu")
OPTIM = OptimConfig(optimiser=AdamWConfig(learning_rate=1e-2))


class TinyModel(nn.Module):
    """Each position sees itself and the mean of what came before."""

    reads, vocabulary_size, context_length = "left", VOCABULARY, CONTEXT

    def __init__(self, d_model: int = 16, dropout: float = 0.1, softcap: float = 0.0, seed: int = 0):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, d_model)
        self.mix = nn.Linear(2 * d_model, d_model)
        self.unembed = nn.Embedding(VOCABULARY, d_model)
        self.dropout, self.logit_softcap = nn.Dropout(dropout), softcap
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) * 0.3)

    @property
    def head_weight(self):
        return self.unembed.weight

    def forward(self, tokens_BT, cache=None, document_BT=None):
        x_BTD = self.dropout(self.embed(tokens_BT))
        mean_BTD = x_BTD.cumsum(1) / torch.arange(1, x_BTD.shape[1] + 1)[:, None]
        return torch.tanh(self.mix(torch.cat([x_BTD, mean_BTD], -1))), None

    def head(self, hidden):
        logits = F.linear(hidden, self.head_weight)
        return self.logit_softcap * torch.tanh(logits / self.logit_softcap) if self.logit_softcap else logits


class RandomSource:
    """Samples that are a pure function of their index, with ragged masks."""

    n_samples = 50

    def __init__(self, ragged: bool = True):
        self.ragged = ragged

    def batch(self, first: int, count: int) -> Batch:
        rows = [self._row(i) for i in range(first, first + count)]
        return Batch(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _row(self, index: int):
        epoch, index = divmod(index, self.n_samples)
        generator = torch.Generator().manual_seed(1000 * epoch + index)
        # Squared, so that low ids are common and there is something to learn.
        window_W = torch.randint(0, VOCABULARY, (CONTEXT + 1,), generator=generator) ** 2 // VOCABULARY
        length = int(torch.randint(1, CONTEXT + 1, (1,), generator=generator)) if self.ragged else CONTEXT
        return window_W[:-1], window_W[1:], torch.arange(CONTEXT) < length


def score(model: nn.Module, step: int) -> dict[str, float]:
    """A validation score, and a draw of random numbers that must not disturb the training."""
    torch.rand(3)
    priced = lm_loss(model, RandomSource().batch(40, 8))
    return {"validation_nats": priced.nats.item() / priced.n_scored.item()}


def make(
    folder: Path | None,
    *,
    model: nn.Module | None = None,
    config: TrainConfig | None = None,
    probes: list[Probe] | None = None,
    keep: int = 2,
    progress: Progress | None = None,
    batch_samples: int = 6,
    **others,
) -> Training:
    """A training run in a folder, with dropout, averaging and probes; `others` replace fields of Training."""
    torch.manual_seed(5)
    model = model or TinyModel()
    config = config or TrainConfig(steps=40, log_every_steps=3, eval_every_steps=10, save_every_steps=7)
    every = config.eval_every_steps
    parts = dict(
        model=model,
        optimiser=build_optimiser(OPTIM, model),
        schedule=partial(factor, OPTIM.schedule),
        source=RandomSource(),
        loss_of=lm_loss,
        config=config,
        batch_samples=batch_samples,
        checkpoints=CheckpointStore(folder / "checkpoints", keep) if folder else None,
        metrics=MetricsLog(folder / "metrics.jsonl") if folder else None,
        progress=progress or Progress.silent(),
        device=CPU,
        probes=[Probe("validation", every, score)] if probes is None else probes,
        average=WeightAverage(model, 0.9),
        settings={"model.d_model": 16, "train.steps": config.steps},
        breaking_keys=("model",),
    )
    return Training(**(parts | others))


CLOCKS = ("seconds", "elapsed_seconds", "tokens_per_second", "memory_bytes")


def without_clocks(value):
    """A state or a line of metrics without what two equal runs measure differently."""
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if key not in CLOCKS}
    return value


def digest(folder: Path, step: int | None = None) -> dict:
    """Everything a run has become, part by part: tensors by hash, state, lines of metrics, the best step."""
    store = CheckpointStore(folder / "checkpoints")
    step = store.steps()[-1] if step is None else step
    files = manifest_of(store.path(step))
    found = {name: facts["sha256"] for name, facts in files.items() if name.endswith(".safetensors")}
    state = store.load(step).state
    found |= {f"state.{name}": value for name, value in without_clocks(state["state"]).items()}
    found["random"] = state["random"]
    found["best"] = store.best
    found["metrics"] = [without_clocks(row) for row in read_metrics(folder / "metrics.jsonl")]
    return found
