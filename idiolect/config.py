"""Typed, frozen settings: what a config class is, how it is written as TOML, and what its keys are.

Each component keeps its config beside itself, in a torch-free `config.py`; `recipe.py` joins them. How values
from files and flags become a config, with the origin of every value, is in `config_load.py`.
"""

import types
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import tomlkit
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Item = TypeVar("Item")

# TOML has arrays and strict validation wants tuples, so the container alone is validated leniently.
Items = Annotated[tuple[Item, ...], Field(strict=False)]


class Config(BaseModel):
    """Base of every config: frozen, no unknown keys, no silent conversion, no NaN."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, protected_namespaces=()
    )


def field(default: Any, help: str, **limits: Any) -> Any:
    """One setting: its default, the sentence that explains it, and its limits (`ge`, `gt`, `le`, `lt`, ...)."""
    return Field(default=default, description=help, **limits)


def member_configs(annotation: Any) -> list[type[Config]]:
    """The config classes an annotation may hold: one for a nested config, several for a union picked by `kind`."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return member_configs(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return [c for part in get_args(annotation) for c in member_configs(part)]
    return []


def allows_none(annotation: Any) -> bool:
    """Whether a setting may be left empty (`none` in a recipe or a flag)."""
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def is_table_list(annotation: Any) -> bool:
    """Whether a setting is a list of tables (`[[corpus.sources]]`)."""
    if get_origin(annotation) is Annotated:
        return is_table_list(get_args(annotation)[0])
    return get_origin(annotation) is tuple and bool(member_configs(annotation))


def kind_of(cls: type[Config]) -> str | None:
    """The tag by which a recipe picks this class, or None when there is nothing to pick."""
    info = cls.model_fields.get("kind")
    return info.default if info is not None and isinstance(info.default, str) else None


def flatten(config: Config, prefix: str = "") -> dict[str, Any]:
    """Every setting of a config under its dotted key."""
    flat: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = plain(value)
    return flat


def plain(value: Any) -> Any:
    """A setting's value in JSON's types."""
    if isinstance(value, Config):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def walk_fields(cls: type[Config], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting a class knows, all kinds of a union included, under its dotted key."""
    for name, info in cls.model_fields.items():
        members = member_configs(info.annotation)
        if not members or is_table_list(info.annotation):
            yield prefix + name, info
        for member in members:
            yield from walk_fields(member, f"{prefix}{name}.")


def to_toml(config: Config, *, header: str = "", comments: bool = True, only: set[str] | None = None) -> str:
    """The config as TOML with each setting's sentence beside it; `only` keeps just those dotted keys."""
    document = tomlkit.document()
    for line in header.splitlines():
        document.add(tomlkit.comment(line) if line else tomlkit.nl())
    _fill(document, config, "", comments, only)
    return tomlkit.dumps(document)


def _fill(table: Any, config: Config, prefix: str, comments: bool, only: set[str] | None) -> None:
    nested: list[tuple[str, Any]] = []
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Config) or (is_table_list(info.annotation) and value):
            nested.append((name, value))
        elif value is not None and (only is None or prefix + name in only):
            item = tomlkit.item(plain(value))
            if comments and info.description:
                item.comment(info.description)
            table.add(name, item)
    # Tables come after the plain values: in TOML a key below a table header belongs to that table.
    for name, value in nested:
        if isinstance(value, Config):
            inner = tomlkit.table()
            _fill(inner, value, f"{prefix}{name}.", comments, only)
            if inner:
                table.add(name, inner)
        elif only is None or prefix + name in only:
            array = tomlkit.aot()
            for entry in value:
                inner = tomlkit.table()
                _fill(inner, entry, "", comments, None)
                array.append(inner)
            table.add(name, array)
