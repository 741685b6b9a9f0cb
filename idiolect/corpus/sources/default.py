"""`default`: the documentation that this install carries, as prose to learn from without any network.

The reference pages of the Python language (`pydoc_data.topics`) and the docstrings of the standard library, numpy,
sympy, networkx and torch are read from their source files, which are parsed and never imported or run. What is made
of a docstring is in `prose.py`. These documents are always split by hash. The `source` of each begins with its
library (`numpy/linalg._linalg.norm`), which is also its label.
"""

import ast
import gc
import hashlib
import importlib.util
import os
import platform
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from idiolect.corpus.prose import prose_of
from idiolect.errors import DataError

LICENCES = {
    "python": "PSF-2.0",
    "numpy": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
    "networkx": "BSD-3-Clause",
    "torch": "BSD-3-Clause",
}
LANGUAGE = "en"
# Tests document nothing; what was copied in from others has other licences.
SKIPPED = {"__pycache__", "site-packages", "dist-packages", "tests", "test", "testing", "idle_test", "_vendor"}
SKIPPED |= {"bench", "benchmarks", "third_party", "lib2to3", "ensurepip", "turtledemo"}


@dataclass(frozen=True)
class Library:
    """One documented library as installed here."""

    name: str
    version: str
    licence: str
    root: Path


def libraries() -> list[Library]:
    """The libraries of the default corpus that are installed. Raises DataError when none has its source files."""
    found = []
    for name, licence in LICENCES.items():
        if name == "python":
            root, version = Path(sysconfig.get_path("stdlib")), platform.python_version()
        else:
            spec = importlib.util.find_spec(name)
            if spec is None or not spec.submodule_search_locations:
                continue
            root, version = Path(next(iter(spec.submodule_search_locations))), metadata.version(name)
        if root.is_dir():
            found.append(Library(name, version, licence, root))
    if not found:
        raise DataError(
            "the default corpus is not on this machine",
            why="neither Python's standard library nor any other is installed with its source files",
            fix="--corpus.text=PATH to learn from text of your own",
        )
    return found


def library(name: str) -> Library:
    """The library called so, be it under a source's name (`science/numpy`)."""
    return next(found for found in libraries() if found.name == name.rpartition("/")[2])


def modules_of(library: Library) -> list[Path]:
    """The library's source files that may hold docstrings, relative to its root, in order."""
    files = []
    for folder, folders, names in os.walk(library.root):
        folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith(".")]
        files += [Path(folder, n).relative_to(library.root) for n in names if n.endswith(".py")]
    return sorted(files, key=lambda p: p.as_posix())


def summary(names: Iterable[str]) -> list[dict]:
    """What identifies some of the libraries: each one's version, licence and the hash of all its source files."""
    out = []
    for library in (library for library in libraries() if library.name in names):
        digest = hashlib.sha256()
        for module in modules_of(library):
            content = (library.root / module).read_bytes()
            digest.update(f"{module.as_posix()}\0{len(content)}\0".encode() + content)
        out.append(
            {
                "library": library.name,
                "version": library.version,
                "licence": library.licence,
                "sha256": digest.hexdigest(),
            }
        )
    return out


def passages(root: Path, module: Path) -> Iterator[tuple[str, str]]:
    """(dotted name, prose) of everything one source file documents. Raises SyntaxError for what Python can't parse."""
    content = (root / module).read_bytes()
    if b'"""' not in content and b"'''" not in content and module.name != "topics.py":
        return
    tree = _parse(content)
    dotted = ".".join(part for part in module.with_suffix("").parts if part != "__init__")
    if module.as_posix() == "pydoc_data/topics.py":
        yield from _topics(tree)
        return
    for name, docstring in _docstrings(tree, dotted):
        if prose := prose_of(docstring):
            yield name, prose


def _parse(content: bytes) -> ast.Module:
    # A tree is a million small objects without cycles: letting the collector visit them doubles the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            # Old invalid escapes in docstrings are their authors' business.
            warnings.simplefilter("ignore")
            return ast.parse(content)
    finally:
        if collecting:
            gc.enable()


def _topics(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    for i, section in enumerate(_sections(value.value)):
                        if prose := prose_of(section):
                            yield f"reference.{key.value}" + (f".{i}" if i else ""), prose


def _sections(page: str) -> list[str]:
    """A reference page cut before each underlined heading."""
    lines = page.split("\n")
    rules = ({"="}, {"*"}, {"-"})
    starts = [0, *(i for i in range(1, len(lines) - 1) if lines[i].strip() and set(lines[i + 1].strip()) in rules)]
    return ["\n".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


def _docstrings(tree: ast.Module, dotted: str) -> Iterator[tuple[str, str]]:
    stack: list[tuple[ast.AST, str]] = [(tree, dotted)]
    while stack:
        node, name = stack.pop()
        body = getattr(node, "body", [])
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            if isinstance(body[0].value.value, str):
                yield name, body[0].value.value
        inner = []
        for child in body:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner.append((child, f"{name}.{child.name}".lstrip(".")))
            elif isinstance(child, ast.If | ast.Try):
                inner.append((child, name))
            elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
                yield from _added(child.value, name)
        stack += reversed(inner)


def _added(call: ast.Call, name: str) -> Iterator[tuple[str, str]]:
    """Documentation given to a compiled function by a call: `add_docstr(torch.abs, r\"\"\"...\"\"\")`."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if not function.startswith(("add_docstr", "add_newdoc", "_add_docstr")):
        return
    named = (a for a in call.args[:-1] if isinstance(a, ast.Name | ast.Attribute | ast.Constant))
    parts = [ast.unparse(a).strip("'\"") for a in named]
    last = call.args[-1] if call.args else None
    if isinstance(last, ast.Tuple) and last.elts:
        parts.append(getattr(last.elts[0], "value", ""))
        last = last.elts[-1]
    for node in ast.walk(last) if last is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 40:
            yield ".".join([name, *(str(p) for p in parts)]), node.value
