"""A smaller member of a model's own family, as the flags that make it one."""

from __future__ import annotations

from idiolect.config import Config
from idiolect.errors import RecipeError
from idiolect.models.measure import parameters

WIDTHS = (512, 384, 256, 192, 128, 96, 64, 48, 32)


def smaller(model: Config, vocabulary_size: int, most_parameters: float) -> str:
    """Flags for the widest member with at most so many parameters, the narrowest on offer where none has so few."""
    members = [member for width in WIDTHS if (member := _member(model, width)) is not None]
    fitting = (one for one in members if parameters(one, vocabulary_size)["total"] <= most_parameters)
    best = next(fitting, members[-1])
    sizes = {name: value for name, value in best if type(value) is int and value != getattr(model, name)}
    return " ".join(f"--model.{name}={value}" for name, value in sizes.items())


def _member(model: Config, width: int) -> Config | None:
    try:
        return type(model).sized(width, model.context_length)
    except RecipeError:
        return None
