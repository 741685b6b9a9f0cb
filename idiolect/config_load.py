"""From files and flags to one typed config, with the origin of every value.

In one sentence: defaults < base recipe < recipe < flags. A recipe names at most one parent (`base = "other.toml"`,
relative to itself). Naming another `kind` drops the parent's table, whose settings belong to the other kind.
Start at `load`; `config_flags.py` lays flags over the rest, and `explain` turns a validation failure into our one-line
error.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from idiolect.config import Config, allows_none, is_table_list, kind_of, member_configs
from idiolect.config_errors import bad_choice, explain, locate, short, unknown_key, where
from idiolect.config_flags import apply_flags, forget
from idiolect.errors import RecipeError

C = TypeVar("C", bound=Config)
MAX_RECIPE_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_BASES = 8
MAX_INTEGER = 2**53  # beyond this JSON readers lose digits


@dataclass(frozen=True)
class Loaded(Generic[C]):
    """A config, and where each value that is not a default came from."""

    config: C
    origins: dict[str, str]

    def origin(self, key: str) -> str:
        """Where a dotted key's value came from: a file with its line, a flag, or `default`."""
        if key in self.origins:
            return self.origins[key]
        # A table's own line says nothing of the settings it leaves out; a flag may have given a whole table.
        while key := key.rpartition(".")[0]:
            if self.origins.get(key, "").startswith("--"):
                return self.origins[key]
        return "default"


def load(
    cls: type[C],
    path: Path | None = None,
    flags: Sequence[str] = (),
    *,
    values: dict | None = None,
    find_base: Callable[[str], Path] = Path,
) -> Loaded[C]:
    """Read a recipe (or `values`, a nested dict) and its bases, lay `section.key=value` flags over it, check it.

    `find_base` finds a base that is called by a name instead of its file, which lies relative to the recipe. Raises
    RecipeError naming the key and its file and line, or its flag.
    """
    tree, origins = _read_chain(cls, path, find_base) if path else ({}, {})
    for key, value in (values or {}).items():
        _merge(tree, {key: value}, origins, {}, "value given")
    apply_flags(cls, tree, origins, flags)
    _default_kinds(cls, tree)
    _check_keys(cls, tree, "", origins)
    _check_sizes(tree, "", origins)
    try:
        return Loaded(cls.model_validate(_none_words(cls, tree)), origins)
    except ValidationError as failure:
        raise explain(cls, failure, tree, origins) from None
    except RecipeError as failure:
        raise locate(failure, origins) from None


def _read_chain(cls: type[Config], path: Path, find_base: Callable[[str], Path]) -> tuple[dict, dict[str, str]]:
    chain, seen = [], set()
    while path is not None:
        if path.resolve() in seen or len(chain) == MAX_BASES:
            raise RecipeError(
                f"the base of {chain[-1][0]} leads back to itself"
                if path.resolve() in seen
                else f"{path} has a base of a base of a base, {MAX_BASES} deep",
                why="a recipe has exactly one line of parents",
                fix=f"remove the line  base = …  from {chain[-1][0]}",
            )
        seen.add(path.resolve())
        tree, lines = _read_file(path)
        chain.append((path, tree, lines))
        base = tree.pop("base", None)
        if base is not None and not isinstance(base, str):
            raise RecipeError(
                f"base = {base!r} is not a file name ({path})", why="a recipe has one parent", fix='base = "base.toml"'
            )
        path = base and (path.parent / base if base.endswith(".toml") else find_base(base))
    merged: dict = {}
    origins: dict[str, str] = {}
    for path, tree, lines in reversed(chain):
        _merge(merged, tree, origins, lines, str(path))
        # What a base left unsaid is its default kind: a child that names another must drop this table too.
        _default_kinds(cls, merged)
    return merged, origins


def _read_file(path: Path) -> tuple[dict, dict[str, int]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], 1)
        fix = str(path.parent / near[0]) if near else "idiolect new mine.toml --text ./my-folder --budget 10m"
        raise RecipeError(f"there is no recipe {path}", why="the file does not exist", fix=fix) from None
    except OSError as error:
        raise RecipeError(
            f"the recipe {path} can't be read", why=str(error.strerror), fix="name a .toml file"
        ) from None
    if len(raw) > MAX_RECIPE_BYTES:
        raise RecipeError(
            f"{path} has {len(raw):,} bytes",
            why="a recipe is a page of settings, not a data file",
            fix="name a .toml recipe; text goes in  [corpus] text = […]",
        )
    try:
        text = raw.decode("utf-8-sig")
        # Deep nesting overflows the C stack when the parsed tree is freed, so it is refused before it is parsed.
        if re.search(
            rf"(?:[\w\"'-]+\s*\.\s*){{{MAX_DEPTH}}}|(?:\[\s*){{{MAX_DEPTH}}}|(?:\{{[^}}]{{0,99}}){{{MAX_DEPTH}}}", text
        ):
            raise RecursionError(f"nested more than {MAX_DEPTH} deep")
        tree = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(
            f"{path} is not valid TOML: {error}",
            why="recipes are TOML, in UTF-8",
            fix='lines of the form  key = value  below  [section]; text in "quotes"',
        ) from None
    return tree, _lines_of_keys(text)


def _lines_of_keys(text: str) -> dict[str, int]:
    """Line number of each dotted key. tomllib keeps no positions, so this reads headers and `key =` lines."""
    section, lines = "", {}
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[{1,2}\s*([\w.\-]+)\s*\]{1,2}", line)
        key = re.match(r"\s*([\w.\-]+)\s*=", line)
        if header:
            section = header[1] + "."
            lines.setdefault(header[1], number)
        elif key:
            lines.setdefault(section + key[1], number)
    return lines


def _merge(
    into: dict, tree: dict, origins: dict[str, str], lines: dict[str, int], source: str, prefix: str = ""
) -> None:
    for key, value in tree.items():
        dotted = prefix + str(key)
        line = lines.get(dotted)
        if isinstance(value, dict):
            old = into.get(key)
            if not isinstance(old, dict) or ("kind" in value and value["kind"] != old.get("kind", value["kind"])):
                into[key] = {}
                forget(origins, dotted)
            if line:
                origins[dotted] = f"{source}, line {line}"
            _merge(into[key], value, origins, lines, source, dotted + ".")
        else:
            into[key] = value
            origins[dotted] = f"{source}, line {line}" if line else source


def _none_words(cls: type[Config], tree: Any) -> Any:
    """`none` where a setting may be empty: TOML has no null, and a child must be able to undo its base."""
    if not isinstance(tree, dict):
        return tree
    out = dict(tree)
    for name, value in tree.items():
        info = cls.model_fields.get(name)
        if info is None:
            continue
        members = member_configs(info.annotation)
        if isinstance(value, str) and value == "none" and allows_none(info.annotation):
            out[name] = None
        elif members and isinstance(value, dict):
            member = next((m for m in members if kind_of(m) == value.get("kind")), members[0])
            out[name] = _none_words(member, value)
    return out


def _default_kinds(cls: type[Config], tree: dict) -> None:
    """Fill in the default `kind` of a union whose table does not name one (pydantic can't pick without it)."""
    for name, info in cls.model_fields.items():
        members, value = member_configs(info.annotation), tree.get(name)
        if not members or not isinstance(value, dict):
            continue
        default = info.get_default(call_default_factory=True)
        if len(members) > 1 and "kind" not in value and isinstance(default, Config):
            value["kind"] = kind_of(type(default))
        member = next((m for m in members if kind_of(m) == value.get("kind")), members[0])
        _default_kinds(member, value)


def _check_keys(
    cls: type[Config], tree: dict, prefix: str, origins: dict[str, str], kinds: Sequence[type[Config]] = ()
) -> None:
    for name, value in tree.items():
        info = cls.model_fields.get(name)
        if info is None:
            raise unknown_key(cls, prefix + str(name), origins.get(prefix + str(name), ""), prefix, kinds)
        members = member_configs(info.annotation)
        entries = value if is_table_list(info.annotation) and isinstance(value, list) else [value]
        for entry in entries:
            if members and isinstance(entry, dict):
                words = [kind_of(m) for m in members]
                if len(members) > 1 and entry.get("kind") not in words:
                    usual = kind_of(type(info.get_default(call_default_factory=True)))
                    raise bad_choice(f"{prefix}{name}.kind", entry.get("kind"), words, origins, usual)
                member = next((m for m in members if kind_of(m) == entry.get("kind")), members[0])
                _check_keys(member, entry, f"{prefix}{name}.", origins, members)


def _check_sizes(value: Any, key: str, origins: dict[str, str]) -> None:
    """Refuse numbers no machine has a use for, before anything is allocated by them."""
    if isinstance(value, dict):
        for name, item in value.items():
            _check_sizes(item, f"{key}.{name}" if key else str(name), origins)
    elif isinstance(value, list):
        for item in value:
            _check_sizes(item, key, origins)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise RecipeError(
            f"{key} = {short(value)} can't be used{where(key, origins)}",
            why=f"whole numbers go up to {MAX_INTEGER:,}",
            fix=f"{key} = a smaller number",
        )
