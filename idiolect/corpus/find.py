"""Names in a recipe become a list of input files: folders walked, globs expanded, always in the same order.

A file is called by its path below the folder that was named (`books/en/emma.txt` for `--text /data/books`), so that
ids, audits and fingerprints do not depend on where the data lies.
"""

import difflib
import glob
import os
from dataclasses import dataclass
from pathlib import Path

from idiolect.corpus.config import CorpusConfig
from idiolect.errors import DataError

DEFAULT = "default"
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
FORMATS = {
    ".txt": "text",
    ".md": "text",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class InputFile:
    """One file to read. `split` is empty when the documents' hashes (or positions) decide."""

    name: str
    path: Path
    format: str
    compression: str
    split: str
    source: str
    n_bytes: int


@dataclass(frozen=True)
class Found:
    """What the recipe's names led to: files in reading order, whether `default` is among them, and what is no text."""

    files: list[InputFile]
    default_split: str | None
    ignored: list[tuple[str, str]]


def find(config: CorpusConfig) -> Found:
    """Every input file, held-out ones first, so that a text in two splits stays in the one that is measured.

    Raises DataError when a name leads nowhere.
    """
    seen: set[Path] = set()
    names: dict[str, int] = {}
    files: list[InputFile] = []
    ignored: list[tuple[str, str]] = []
    default_split = None
    held_out = bool(config.validation_text or config.test_text)
    for split, wanted in (
        ("test", config.test_text),
        ("validation", config.validation_text),
        ("train" if held_out else "", config.text),
    ):
        for entry in dict.fromkeys(wanted):
            if entry == DEFAULT:
                default_split = split if default_split is None else default_split
                continue
            for name, path in _expand(entry):
                real = path.resolve()
                if real in seen:
                    continue
                seen.add(real)
                kind, compression = format_of(path, named=str(path) == str(Path(entry).expanduser()))
                if not kind:
                    ignored.append((name, f"not a text format ({path.suffix or 'no ending'})"))
                    continue
                names[name] = names.get(name, 0) + 1
                unique = name if names[name] == 1 else f"{name}#{names[name]}"
                source = name.split("/")[0]
                files.append(InputFile(unique, path, kind, compression, split, source, path.stat().st_size))
    if not files and default_split is None:
        raise DataError(
            f"no text files in {', '.join(config.text)}",
            why=f"{len(ignored)} other files were passed over; "
            f"we read {' '.join(FORMATS)}, each also {' '.join(COMPRESSED)}",
            fix="name a file itself to read it as text whatever its ending, or another folder",
        )
    return Found(files, default_split, ignored)


def format_of(path: Path, *, named: bool) -> tuple[str, str]:
    """Format and compression by ending. A file named one by one is text whatever its ending."""
    name = path.name.lower()
    compression = next((c for c in COMPRESSED if name.endswith(c)), "")
    kind = FORMATS.get(Path(name.removesuffix(compression)).suffix, "text" if named else "")
    return kind, compression


def _expand(entry: str) -> list[tuple[str, Path]]:
    path = Path(entry).expanduser()
    if path.is_dir():
        root = Path(os.path.abspath(path))
        return [(f"{root.name}/{file.relative_to(root).as_posix()}", file) for file in _walk(root)]
    if path.is_file():
        return [(path.name, path)]
    if glob.has_magic(entry):
        matches = sorted(Path(m) for m in glob.glob(str(path), recursive=True) if os.path.isfile(m))
        if matches:
            fixed = Path(os.path.abspath(_fixed_part(path)))
            return [(f"{fixed.name}/{Path(os.path.abspath(m)).relative_to(fixed).as_posix()}", m) for m in matches]
    raise _nothing_at(entry, path)


def _walk(root: Path) -> list[Path]:
    files = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        files += [Path(folder) / n for n in names if not n.startswith(".") and os.path.isfile(os.path.join(folder, n))]
    return sorted(files, key=lambda f: f.relative_to(root).as_posix())


def _fixed_part(path: Path) -> Path:
    parts = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path(".")


def _nothing_at(entry: str, path: Path) -> DataError:
    if glob.has_magic(entry):
        return DataError(
            f"no file matches {entry}",
            why="** matches any depth of folders, * one name or a part of it",
            fix=f'--corpus.text="{_fixed_part(path)}" (the whole folder)',
        )
    parent = path.parent
    try:
        siblings = sorted(p.name for p in parent.iterdir())
    except OSError:
        siblings = []
    near = difflib.get_close_matches(path.name, [*siblings, DEFAULT], 1, 0.5)
    suggestion = near[0] if near and near[0] == DEFAULT else str(parent / near[0]) if near else ""
    return DataError(
        f"there is nothing at {entry}" + (f"; did you mean {suggestion}?" if suggestion else ""),
        why=f"the folder {parent} {'has no such entry' if siblings else 'does not exist or is empty'}",
        fix=f"--corpus.text={suggestion or 'PATH (a file, a folder or a glob), or default'}",
    )
