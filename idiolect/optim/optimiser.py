"""Several rules side by side behind one face: step, clip, move the rate, save and load every tensor by name."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from idiolect.errors import CheckpointError
from idiolect.optim.clip import clip_gradients
from idiolect.optim.groups import Group


class Optimiser:
    """Rules (PyTorch optimisers), each over some of the named groups.

    A rule's parameter groups carry `name` and `peak`, the learning rate a factor of 1 means.
    """

    def __init__(self, rules: list[Optimizer], groups: tuple[Group, ...], clip_norm: float):
        self.rules, self.groups, self.clip_norm = rules, groups, clip_norm
        self._names = {p: name for group in groups for name, p in group.parameters.items()}
        self.set_learning_rate_factor(1.0)

    def set_learning_rate_factor(self, factor: float) -> None:
        """Every group's rate becomes its peak times this."""
        for rule in self.rules:
            for group in rule.param_groups:
                group["lr"] = group["peak"] * factor

    def learning_rates(self) -> dict[str, float]:
        """The rates in force, by group."""
        return {group["name"]: group["lr"] for rule in self.rules for group in rule.param_groups}

    def clip(self) -> float:
        """Scale gradients down to `clip_norm`; return their global norm before, to be checked before `step`."""
        return clip_gradients(list(self._names), self.clip_norm)

    def step(self) -> None:
        """Apply the gradients."""
        for rule in self.rules:
            rule.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._names:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, as "parameter/what" -> tensor; empty before the first step. Nothing is copied."""
        found = {}
        for rule in self.rules:
            for parameter, state in rule.state.items():
                for what, value in state.items():
                    if value is not None:
                        assert isinstance(value, Tensor), (self._names[parameter], what, type(value))
                        found[f"{self._names[parameter]}/{what}"] = value
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Go on from `tensors()`, bit by bit. Raises CheckpointError when they belong to another model or optimiser."""
        states: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            name, _, what = key.rpartition("/")
            states.setdefault(name, {})[what] = value
        unknown = set(states) - set(self._names.values())
        if unknown:
            raise _misfit(f"no parameter is called {sorted(unknown)[0]}")
        for rule in self.rules:
            self._load_rule(rule, states)

    def _load_rule(self, rule: Optimizer, states: dict[str, dict[str, Tensor]]) -> None:
        rule.state.clear()
        for group in rule.param_groups:
            for parameter in group["params"]:
                name = self._names[parameter]
                if name not in states:
                    continue
                for what, value in states[name].items():
                    self._check_shape(name, what, value, parameter)
                    # Adam's step counter stays on the CPU unless the whole step is captured or fused on a GPU.
                    on_parameter = value.ndim or parameter.is_cuda and group.get("fused")
                    device = parameter.device if on_parameter else torch.device("cpu")
                    rule.state[parameter][what] = value.detach().clone().to(device)

    def _check_shape(self, name: str, what: str, value: Tensor, parameter: Tensor) -> None:
        fits = all(have in (want, 1) for have, want in zip(value.shape, parameter.shape, strict=False))
        if value.ndim and not fits:
            raise _misfit(f"{what} of {name} is {tuple(value.shape)}, the parameter {tuple(parameter.shape)}")


def _misfit(what: str) -> CheckpointError:
    return CheckpointError(
        f"the optimiser's state does not fit: {what}",
        why="it was saved for another model or another optimiser",
        fix="resume with the recipe the run was started with, or start a new run from its weights",
    )
