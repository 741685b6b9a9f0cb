"""What a training run is made of: the parts it is given, the small state it carries, the probes it calls."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from idiolect.data.loader import Source
from idiolect.data.priced import Priced
from idiolect.device import Device
from idiolect.errors import CheckpointError
from idiolect.progress import MetricsLog, Progress
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.config import TrainConfig
from idiolect.train.signals import StopFlag


@dataclass(frozen=True)
class Probe:
    """A function called every so many steps (0 = only after the last) that returns numbers under their names.

    It sees the model in evaluation mode, holding the averaged weights if there are any; random numbers it draws don't
    change the training. With `save_first`, a checkpoint is on disk before it is called. Every rank calls it.
    """

    name: str
    every_steps: int
    function: Callable[[nn.Module, int], dict[str, float]]
    save_first: bool = True


@dataclass(frozen=True, kw_only=True)
class Training:
    """All that a run is given. Without `checkpoints` nothing is saved, without `metrics` nothing is written.

    `schedule(step, total_steps)` is the share of the peak learning rate; `loss_of(model, batch)` prices a batch:
    data/priced.py. `flops_per_token` is for training, forward and backward. `best_by` names the probes' number
    that decides what is best. `settings` (flat) go into every checkpoint, and resuming with another value of one of
    `breaking_keys` is refused. `frozen` names parameters and the step up to which each stays as it is.
    `carry` holds the states that go on from batch to batch (carry.py).
    """

    model: nn.Module
    optimiser: Any
    schedule: Callable[[int, int], float]
    source: Source
    loss_of: Callable[[nn.Module, Any], Priced]
    config: TrainConfig
    batch_samples: int
    micro_samples: int = 0
    checkpoints: CheckpointStore | None = None
    metrics: MetricsLog | None = None
    progress: Progress
    device: Device
    probes: Sequence[Probe] = ()
    average: Any = None
    bits_per_byte_per_nat: float | None = None
    flops_per_token: float | None = None
    peak_flops: float | None = None
    best_by: str = "validation_nats"
    best_is_high: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    breaking_keys: Collection[str] = ()
    prefetch: int = 2
    frozen: Mapping[str, int] = field(default_factory=dict)
    carry: Any = None

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Everything a checkpoint holds, by part: weights, optimiser, average and carried states if there are any.

        Every rank calls it together: what each of them alone holds is gathered.
        """
        tensors = {"weights": self.bare_model.state_dict(), "optimiser": self.optimiser.tensors()}
        more = {"average": self.average, "carry": self.carry}
        return tensors | {part: holder.tensors() for part, holder in more.items() if holder is not None}

    @property
    def bare_model(self) -> nn.Module:
        """The module itself where torch.compile has wrapped it, so that names don't depend on compilation."""
        return getattr(self.model, "_orig_mod", self.model)


@dataclass
class Interval:
    """What happened since the last line of metrics.jsonl; rate and norm are those of the last update."""

    sum_nats: float = 0.0
    n_scored: int = 0
    n_tokens: int = 0
    seconds: float = 0.0
    learning_rate: float = 0.0
    grad_norm: float = 0.0


@dataclass
class State:
    """The loop's whole memory; weights and moments are the checkpoint's tensors.

    `seconds` is time spent on updates, `elapsed_seconds` also counts probes and saves; both go on over a resume.
    """

    step: int = 0
    position: int = 0
    total_steps: int = 0
    n_tokens: int = 0
    seconds: float = 0.0
    elapsed_seconds: float = 0.0
    interval: Interval = field(default_factory=Interval)
    best_step: int | None = None
    best_value: float | None = None
    n_stale: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for state.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "State":
        """The state a checkpoint holds. Raises CheckpointError when it is not one of ours."""
        try:
            return cls(**{**value, "interval": Interval(**value["interval"])})
        except (TypeError, KeyError) as error:
            raise CheckpointError(
                "the checkpoint's state.json has other fields than this version of Idiolect writes",
                why=str(error),
                fix="resume with the version that wrote it (lineage.json names it), or start a new run",
            ) from error


@dataclass
class Session:
    """One process's part of a run: what it is given, what it carries, and what it needn't remember."""

    training: Training
    state: State
    flag: StopFlag = field(default_factory=StopFlag)
    saved_step: int | None = None
    probed_step: int | None = None
    stop_agreed: bool = False
    latest: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `reason` is steps, time or patience."""

    step: int
    reason: str
    best_step: int | None
    best_value: float | None
    n_tokens: int
    seconds: float
    last_checkpoint: Path | None
