"""What is said when a recipe can't be used: one sentence with the key and where it stands, why, and what to type."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

import tomlkit
from pydantic import ValidationError

from idiolect.config import Config, kind_of, member_configs, plain, walk_fields
from idiolect.errors import RecipeError


def unknown_key(
    cls: type[Config], key: str, origin: str, prefix: str = "", kinds: Sequence[type[Config]] = ()
) -> RecipeError:
    """A setting that `cls` lacks; `kinds` are the classes that might have stood in its place."""
    last = key.rpartition(".")[2]
    having = [str(kind_of(c)) for c in kinds if c is not cls and last in c.model_fields]
    if having:
        return _another_kinds(cls, key, origin, prefix, having)
    everything = [dotted for dotted, _ in walk_fields(cls, prefix)]
    sections = {dotted.rpartition(".")[0] for dotted in everything} - {""}
    # What stands in the section that was named is nearer to what was meant than the same word elsewhere.
    beside = [k for k in everything if k.partition(".")[0] == key.partition(".")[0]] or everything
    near = difflib.get_close_matches(key, everything + sorted(sections), 1, 0.75)
    near = near or [k for k in (*beside, *everything) if k.rpartition(".")[2] == last][:1]
    near = near or difflib.get_close_matches(last, [k.rpartition(".")[2] for k in beside], 1, 0.6)
    near = [next((k for k in (*beside, *everything) if k == n or k.endswith("." + n)), n) for n in near]
    place = f" ({origin})" if origin else ""
    here = ", ".join(prefix + name for name in list(cls.model_fields)[:12])
    return RecipeError(
        f"there is no setting {key}{place}" + (f"; did you mean {near[0]}?" if near else ""),
        why="settings are checked so that a typing error never passes for a default",
        fix=near[0] if near else f"{here} (idiolect show lists every setting)",
    )


def _another_kinds(cls: type[Config], key: str, origin: str, prefix: str, having: list[str]) -> RecipeError:
    kind, own = f"{prefix}kind", ", ".join(name for name in cls.model_fields if name != "kind")
    return RecipeError(
        f'{kind} = "{kind_of(cls)}" has no setting {key}' + (f" ({origin})" if origin else ""),
        why=f"it belongs to {', '.join(having)}; {kind_of(cls)} has {own}",
        fix=f"leave {key} out, or " + " or ".join(f"--{kind}={name}" for name in having),
    )


def bad_choice(key: str, given: Any, choices: list, origins: dict[str, str], usual: str | None = None) -> RecipeError:
    words = [str(c) for c in choices if c is not None]
    near = difflib.get_close_matches(str(given), words, 1, 0.5)
    return RecipeError(
        f"{key} = {short(given)} is not one of its kinds{where(key, origins)}",
        why="it can be " + ", ".join(words),
        fix=f'{key} = "{(near or [usual or words[0]])[0]}"',
    )


def where(key: str, origins: dict[str, str]) -> str:
    while key:
        if key in origins:
            return f" ({origins[key]})"
        key = key.rpartition(".")[0]
    return ""


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def explain(cls: type[Config], failure: ValidationError, tree: dict, origins: dict[str, str]) -> RecipeError:
    """Our error for pydantic's first complaint."""
    problem = failure.errors(include_url=False)[0]
    key, info = _key_of(cls, problem["loc"])
    given = problem.get("input")
    message = problem["msg"][0].lower() + problem["msg"][1:]
    what = f"{key} = {short(given)} can't be used{where(key, origins)}"
    fix = ""
    if problem["type"] == "missing":
        what, fix = f"{key} is missing{where(key, origins)}", f"{key} = …"
    elif problem["type"] == "literal_error":
        choices = [c for c in _literals(info.annotation)] if info else []
        near = difflib.get_close_matches(str(given), [str(c) for c in choices], 1, 0.5)
        fix = f"{key} = {(near or choices or ['…'])[0]!r}".replace("'", '"')
    elif problem["type"] == "tuple_type" and isinstance(given, str):
        message, fix = "a list is wanted, of one entry or more", f"{key} = [{_toml(given)}]"
    elif problem["type"] == "int_type" and isinstance(given, float) and given.is_integer():
        fix = f"{key} = {int(given)}"
    elif (
        info is not None
        and info.default is not None
        and not info.is_required()
        and not isinstance(info.default, Config)
    ):
        fix = f"{key} = {_toml(info.default)} (the default)"
    about = f"; it is: {info.description}" if info is not None and info.description else ""
    return RecipeError(what, why=message + about, fix=fix)


def _toml(value: Any) -> str:
    return tomlkit.item(plain(value)).as_string()


def _literals(annotation: Any) -> list:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for part in get_args(annotation) for choice in _literals(part)]


def _key_of(cls: type[Config], location: tuple) -> tuple[str, Any]:
    """The dotted key of pydantic's location, whose union tags are no keys of ours."""
    classes, parts, info = [cls], [], None
    for step in location:
        owner = next((c for c in classes if isinstance(step, str) and step in c.model_fields), None)
        if owner is None:
            # A union's tag picks among its classes; a list's index is dropped: the list is the setting.
            classes = [c for c in classes if kind_of(c) == step] or classes
            continue
        info = owner.model_fields[step]
        parts.append(str(step))
        classes = member_configs(info.annotation)
    return ".".join(parts), info


def locate(failure: RecipeError, origins: dict[str, str]) -> RecipeError:
    """Add the file and line, or the flag, of the first key that a component's own check names."""
    for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)+", failure.what):
        place = where(word, origins)
        if place and place not in failure.what:
            return type(failure)(failure.what + place, why=failure.why, fix=failure.fix)
    return failure
