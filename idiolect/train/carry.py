"""The state that each stream of text has left behind: truncated back-propagation through time (Williams and Peng 1990).

    batch.stream_B -> each row's state -> model -> new states, detached -> kept for the window that follows

A teacher that learned to read on is carried along beside its student, over the same streams (`Beside`).

The families that can be carried say `carries_state`; their caches hold `states`, a tuple of tensors for each layer with
a row for each row. A stream never met before begins with nothing, so an epoch, whose streams are new, begins so.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from idiolect import distributed
from idiolect.data.batch import Batch
from idiolect.errors import CheckpointError
from idiolect.models.continued import Continued

Found = TypeVar("Found")


class Carry:
    """The states of `rows` streams; stream s lies in row s % rows, and only one of these is under way at a time."""

    def __init__(self, model: nn.Module, rows: int):
        cache = model.new_cache(rows)
        self.rows, self.states = rows, cache.states
        device = cache.states[0][0].device
        self.stream_R = torch.full((rows,), -1, dtype=torch.int64, device=device)
        # Rows that this rank has read, since what the others hold of them is out of date.
        self.own_R = torch.zeros(rows, dtype=torch.bool, device=device)

    def carrying(self, read: Callable[[nn.Module, Any], Found]) -> Callable[[nn.Module, Any], Found]:
        """The same loss or lesson, read on from where each row's stream stands; it moves the states on."""

        def read_on(model: nn.Module, batch: Batch) -> Found:
            cache = self._take(model, batch)
            found = read(Continued(model, cache), batch)
            self._keep(cache, batch)
            return found

        return read_on

    def _take(self, model: nn.Module, batch: Batch) -> Any:
        place_B = batch.stream_B % self.rows
        same_B1 = (self.stream_R[place_B] == batch.stream_B)[:, None]
        cache = model.new_cache(len(batch))
        cache.states = [tuple(h_RD[place_B].where(same_B1, 0) for h_RD in state) for state in self.states]
        return cache

    @torch.no_grad()
    def _keep(self, cache: Any, batch: Batch) -> None:
        place_B = batch.stream_B % self.rows
        for held, new in zip(self.states, cache.states, strict=True):
            for h_RD, h_BD in zip(held, new, strict=True):
                # A convolution's inputs are as rough as autocast makes them.
                h_RD[place_B] = h_BD.detach().to(h_RD.dtype)
        self.stream_R[place_B], self.own_R[place_B] = batch.stream_B, True

    def tensors(self) -> dict[str, Tensor]:
        """Every row's stream and state, by name. Called by every rank together: each has read its own rows."""
        return {name: self._gathered(x) for name, x in self._named().items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave. Raises CheckpointError when it is of another number of rows or another model."""
        named = self._named()
        if {n: x.shape for n, x in named.items()} != {n: x.shape for n, x in tensors.items()}:
            raise CheckpointError(
                f"the checkpoint's carried states are not those of {self.rows} rows of this model",
                why="train.batch_tokens or the model's shape was another when it was saved",
                fix="resume with the settings it was saved with, or start a new run with --name",
            )
        for name, x in named.items():
            x.copy_(tensors[name])
        self.own_R.zero_()

    def _named(self) -> dict[str, Tensor]:
        layers = enumerate(self.states)
        return {"stream": self.stream_R} | {f"{n}.{part}": h for n, state in layers for part, h in enumerate(state)}

    def _gathered(self, x_R: Tensor) -> Tensor:
        if distributed.world_size() == 1:
            return x_R
        own_R = self.own_R.view(-1, *[1] * (x_R.ndim - 1))
        # One rank at most has read a row, so the sum is its number, to the last bit.
        total_R = distributed.all_reduce_sum(x_R.where(own_R, 0))
        anyone_R = distributed.all_reduce_sum(own_R.to(torch.float32)) > 0
        return total_R.where(anyone_R, x_R)


class Beside:
    """A student's states and its teacher's, as one for a checkpoint."""

    def __init__(self, student: Carry, teacher: Carry):
        self.parts = {"student": student, "teacher": teacher}

    def tensors(self) -> dict[str, Tensor]:
        """Those of both, each name with whose it is. Called by every rank together."""
        return {f"{who}.{name}": x for who, carry in self.parts.items() for name, x in carry.tensors().items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave. Raises CheckpointError when it is of other rows or another model."""
        for who, carry in self.parts.items():
            own = {name: x for name, x in tensors.items() if name.startswith(f"{who}.")}
            carry.load_tensors({name.removeprefix(f"{who}."): x for name, x in own.items()})
