"""Flags laid over what recipes say: `--section.key=value`, each parsed as its setting wants it.

A flag that picks a kind empties the table of the kind before, so kinds are applied first, in whatever order they stand.
"""

import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from idiolect.config import Config, kind_of, member_configs
from idiolect.config_errors import unknown_key, where
from idiolect.errors import RecipeError


def apply_flags(cls: type[Config], tree: dict, origins: dict[str, str], flags: Sequence[str]) -> None:
    """Lay every flag over `tree`, and its origin over `origins`. Raises RecipeError naming the flag."""
    for flag in _kinds_first(flags):
        _apply_flag(cls, tree, origins, flag)


def forget(origins: dict[str, str], table: str) -> None:
    """Drop the origins of what a table held."""
    for stale in [key for key in origins if key.startswith(table + ".")]:
        del origins[stale]


def _kinds_first(flags: Sequence[str]) -> list[str]:
    """Flags in the order they apply: a kind empties its table, so it may not come after what the table should hold."""

    def rank(flag: str) -> float:
        key = flag.partition("=")[0]
        return key.count(".") if key.endswith(".kind") else float("inf")

    return sorted(flags, key=rank)


def _apply_flag(cls: type[Config], tree: dict, origins: dict[str, str], flag: str) -> None:
    key, equals, text = flag.lstrip("-").partition("=")
    if not equals:
        raise RecipeError(f"--{key} has no value", why="a setting is given as  --section.key=value", fix=f"--{key}=…")
    parts = key.split(".")
    annotation = _annotation_at(cls, tree, parts)
    if annotation is None:
        raise _unknown_flag(cls, tree, key)
    node = tree
    for depth, part in enumerate(parts[:-1]):
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            table = ".".join(parts[: depth + 1])
            raise RecipeError(
                f"--{key} can't be set",
                why=f"{table} is not a table{where(table, origins)}",
                fix=f"remove  {table} = …",
            )
    value = _parse(annotation, text)
    if parts[-1] == "kind" and node.get("kind", value) != value:
        node.clear()
        forget(origins, key.rpartition(".")[0])
    node[parts[-1]] = value
    forget(origins, key)
    origins[key] = f"--{key}"


def _unknown_flag(cls: type[Config], tree: dict, key: str) -> RecipeError:
    """The error for a flag that the kind picked for its table does not have, or that nothing has."""
    table, found, chosen = tree, [], cls
    for part in key.split(".")[:-1]:
        found = member_configs(chosen.model_fields[part].annotation) if part in chosen.model_fields else []
        table = table.get(part, {}) if isinstance(table, dict) else {}
        kind = table.get("kind") if isinstance(table, dict) else None
        if not found:
            return unknown_key(cls, key, f"--{key}")
        chosen = next((c for c in found if kind_of(c) == kind), found[0])
    if len(found) < 2:
        return unknown_key(cls, key, f"--{key}")
    return unknown_key(chosen, key, f"--{key}", key.rpartition(".")[0] + ".", found)


def _annotation_at(cls: type[Config], tree: Any, parts: list[str]) -> Any:
    """The annotation of a dotted key, or None when no class that may stand there has it."""
    classes = [cls]
    for depth, part in enumerate(parts):
        found = [c.model_fields[part].annotation for c in classes if part in c.model_fields]
        if not found:
            return None
        if depth == len(parts) - 1:
            return found[0]
        tree = tree.get(part, {}) if isinstance(tree, dict) else {}
        classes = [c for annotation in found for c in member_configs(annotation)]
        kind = tree.get("kind") if isinstance(tree, dict) else None
        classes = [c for c in classes if kind is None or kind_of(c) in (None, kind)] or classes
    return None


def _parse(annotation: Any, text: str) -> Any:
    """A flag's text as the value its setting wants: TOML where it parses, else the text itself."""
    if _wants_text(annotation):
        return text
    if get_origin(annotation) is tuple and not text.startswith("["):
        # A bare comma list spares the shell's quoting (--corpus.text=a.txt,b.txt), and a folder may be called 2024.
        if _wants_text(get_args(annotation)[0]) and not text.startswith(('"', "'")):
            return text.split(",")
        text = f"[{text}]"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _wants_text(annotation: Any) -> bool:
    parts = [a for a in get_args(annotation) if a is not type(None)]
    if annotation is str:
        return True
    if get_origin(annotation) is Annotated:
        return _wants_text(parts[0])
    if get_origin(annotation) is Literal:
        return all(isinstance(choice, str) for choice in parts)
    return bool(parts) and get_origin(annotation) is not tuple and all(_wants_text(p) for p in parts)
