"""Well-known corpora by name, with licence, size, hash and how to read them: the table is `catalogue.toml`."""

import difflib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from idiolect.corpus.remote.urls import Unfetchable
from idiolect.errors import RecipeError
from idiolect.progress import Progress, show_bytes

TABLE = Path(__file__).with_name("catalogue.toml")
NO_HASH = "hash not known: recorded on first fetch and checked after"


@dataclass(frozen=True)
class Corpus:
    """One row. `hub` is a name of the hub, or `files` lists addresses; `{}` in either stands for the parameter.

    A file is {url, sha256, split, member}, or {list, prefix} for a file of addresses.
    """

    name: str
    title: str
    language: str
    licence: str
    good_for: str
    about_bytes: int = 0
    hub: str = ""
    files: list[dict[str, str]] = field(default_factory=list)
    parameter: str = ""
    default: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def hashes(self) -> str:
        """Whether what arrives can be checked against something."""
        if self.hub:
            return "checked against the hub's"
        return "known" if all(file.get("sha256") for file in self.files) else NO_HASH


@cache
def rows() -> dict[str, Corpus]:
    """Every corpus of the table by name."""
    with open(TABLE, "rb") as file:
        return {name: Corpus(name, **row) for name, row in tomllib.load(file).items()}


def find(entry: str) -> tuple[Corpus, list[str]]:
    """The row of `catalogue:name` or `catalogue:name:parameter,parameter`, and its parameters. Raises Unfetchable."""
    name, _, rest = entry.removeprefix("catalogue:").partition(":")
    if name not in rows():
        near = difflib.get_close_matches(name, rows(), 1, 0.4)
        raise Unfetchable(
            f"there is no such corpus in the catalogue{f'; did you mean {near[0]}?' if near else ''}",
            fix=f"catalogue:{near[0]}" if near else "idiolect show --what catalogue",
        )
    corpus = rows()[name]
    if rest and not corpus.parameter:
        raise Unfetchable(f"{name} has nothing to choose from", fix=f"catalogue:{name}")
    parameters = [part.strip() for part in rest.split(",") if part.strip()] or [corpus.default]
    if corpus.parameter and not all(_harmless(part) for part in parameters):
        raise Unfetchable(f"{name} takes {corpus.parameter}", fix=f"catalogue:{name}:{corpus.default}")
    return corpus, parameters


def _harmless(parameter: str) -> bool:
    return parameter.replace("-", "").replace("_", "").replace(".", "").isalnum() and ".." not in parameter


def show(progress: Progress, name: str = "") -> dict:
    """Print the table, or one row in full; returns it as JSON. Raises RecipeError for a name that is not in it."""
    if not name:
        progress.table(
            ["name", "language", "size", "licence", "good for"],
            [[_called(c), c.language, _size(c), c.licence, c.good_for] for c in rows().values()], result=True,
        )  # fmt: skip
        progress.show("\nuse:  --corpus.text=catalogue:tiny-shakespeare")
        return {"catalogue": {name: vars(row) for name, row in rows().items()}}
    try:
        corpus, _ = find(f"catalogue:{name.removeprefix('catalogue:').partition(':')[0]}")
    except Unfetchable as error:
        raise RecipeError(f"{name}: {error.why}", why="it lists the corpora it knows by name", fix=error.fix) from None
    lines = [["name", _called(corpus)], ["title", corpus.title], ["language", corpus.language], ["size", _size(corpus)]]
    lines += [["licence", corpus.licence], ["good for", corpus.good_for], ["hashes", corpus.hashes]]
    lines += [["from", corpus.hub]] if corpus.hub else [["from", f.get("url") or f["list"]] for f in corpus.files]
    lines += [["read with", f"--corpus.{key}={value}"] for key, value in corpus.settings.items()]
    for label, value in lines:
        progress.show(f"{label + ':':<10} {value}")
    return vars(corpus)


def _called(corpus: Corpus) -> str:
    return f"{corpus.name}:{corpus.default}" if corpus.parameter else corpus.name


def _size(corpus: Corpus) -> str:
    return show_bytes(corpus.about_bytes) if corpus.about_bytes else "varies"
