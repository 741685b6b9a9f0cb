"""An exponential moving average of the weights, which is scored and used in place of the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from idiolect.errors import CheckpointError
from idiolect.optim.config import OptimConfig


class WeightAverage:
    """average = decay * average + (1 - decay) * weights after every update.

    The memory grows with the updates, min(decay, (1 + n) / (10 + n)), so that the start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay, self.n_updates = decay, 0
        self._live = dict(model.named_parameters())
        self._average = {name: parameter.detach().clone() for name, parameter in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights in, after an optimiser's step."""
        memory = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        torch._foreach_lerp_(list(self._average.values()), list(self._live.values()), 1 - memory)
        self.n_updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model holds the average inside, its own weights again after, whatever happens."""
        own = {name: parameter.detach().clone() for name, parameter in self._live.items()}
        self._copy(self._average)
        try:
            yield
        finally:
            self._copy(own)

    @torch.no_grad()
    def _copy(self, weights: dict[str, Tensor]) -> None:
        for name, parameter in self._live.items():
            parameter.copy_(weights[name])

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, by parameter name, and the count of updates."""
        return dict(self._average) | {"n_updates": torch.tensor(self.n_updates)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Go on from `tensors()`. Raises CheckpointError when they belong to another model."""
        missing = set(self._average) ^ (set(tensors) - {"n_updates"})
        if missing or "n_updates" not in tensors:
            raise CheckpointError(
                f"the weight average does not fit this model: {sorted(missing)[:3]}",
                why="it was saved for other parameters",
                fix="resume with the recipe the run was started with",
            )
        for name, average in self._average.items():
            average.copy_(tensors[name])
        self.n_updates = int(tensors["n_updates"])


def build_average(config: OptimConfig, model: nn.Module) -> WeightAverage | None:
    """The average the config asks for, if it does."""
    return WeightAverage(model, config.average_decay) if config.average_decay else None
