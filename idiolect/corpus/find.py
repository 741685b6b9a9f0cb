"""Names in a recipe become a list of input files: folders walked, globs expanded, always in the same order.

A file is called by its path below the folder that was named (`books/en/emma.txt` for `--text /data/books`), so that
ids, audits and fingerprints do not depend on where the data lies. Hidden entries are left out, and so are folders of
our own runs: `--text .` must not learn from what training wrote there.
"""

import difflib
import glob
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.endings import CODE, COMPRESSED, FORMATS, ending_of, format_of
from idiolect.corpus.mixture.config import SourceConfig
from idiolect.corpus.mixture.settings import settings_of
from idiolect.corpus.remote import is_remote
from idiolect.corpus.remote.local import TAG, Local, Remote, adapted
from idiolect.errors import DataError, asked_by
from idiolect.progress import Progress
from idiolect.rundir import PREPARED

DEFAULT, EXACT = "default", "exact"
LINKED = "is a link to a folder; name the folder itself to read it"
# They would steer the terminal that a name is shown on.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class InputFile:
    """One file to read. `split` is empty when the documents' hashes (or positions) decide.

    `origin` says where the file is from (a URL, say) and `licence` its licence, where these are known of it alone;
    `settings` is an index into `Found.settings`. `first` bounds the documents that are read of all files of one `quota`
    together; 0 is no bound. A file with a `remote` lies at its path only while it is read (`ahead.py`).
    """

    name: str
    path: Path
    format: str
    compression: str
    split: str
    source: str
    n_bytes: int
    origin: str = ""
    licence: str = ""
    settings: int = 0
    first: int = 0
    quota: str = ""
    remote: Remote | None = None


@dataclass(frozen=True)
class Found:
    """What the recipe's names led to: files in reading order, libraries of `default`, `exact`, and what is no text.

    `ignored` and `unreadable` are (name, why); a recipe that refuses unreadable files minds only the latter.
    `settings` holds the corpus settings of each source, the recipe's own first; `judges` what models say (`judged.py`),
    `finder` what of evaluation sets is in a text.
    """

    files: list[InputFile]
    libraries: list[InputFile]
    ignored: list[tuple[str, str]]
    unreadable: list[tuple[str, str]]
    settings: tuple[CorpusConfig, ...]
    exact: bool = False
    judges: Any = None
    finder: Any = None


def find(config: CorpusConfig, progress: Progress | None = None) -> Found:
    """Every input file, held-out ones first, so that a text in two splits stays in the one that is measured.

    What lies elsewhere is fetched first, once, or found and left for later. Raises DataError when a name leads nowhere.
    """
    if EXACT in config.text:
        return Found([], [], [], [], (config,), exact=True)
    held_out = bool(config.validation_text or config.test_text)
    unnamed = SourceConfig.model_construct(name="", text=config.text, origin=None)
    search = _Search(config, progress)
    for split, wanted in (("test", config.test_text), ("validation", config.validation_text)):
        with asked_by(f"corpus.{split}_text"):
            for entry in dict.fromkeys(wanted):
                search.look(entry, unnamed, split, 0)
    for n, table in enumerate(config.sources or (unnamed,), 1):
        for entry in dict.fromkeys(table.text):
            search.look(entry, table, "train" if held_out else "", n if config.sources else 0)
    found = search.found
    if not found.files and not found.libraries:
        raise DataError(
            f"no text files in {', '.join(name for table in config.sources or (unnamed,) for name in table.text)}",
            why="; ".join(f"{name} {why}" for name, why in found.unreadable[:3])
            or f"{len(found.ignored)} other files were passed over; we read source code, "
            f"{' '.join(e for e in FORMATS if e not in CODE)}, each also {' '.join(COMPRESSED)}",
            fix="put right what is said of them, or name others"
            if found.unreadable
            else "name a file itself to read it as text whatever its ending, or another folder",
        )
    return found


class _Search:
    """What the names of a recipe have led to so far."""

    def __init__(self, config: CorpusConfig, progress: Progress | None):
        self.config, self.progress = config, progress
        self.variants = [config, *(settings_of(config, table) for table in config.sources)]
        self.files: list[InputFile] = []
        self.libraries: list[InputFile] = []
        self.ignored: list[tuple[str, str]] = []
        self.unreadable: list[tuple[str, str]] = []
        self._seen: set[Path] = set()
        self._names: Counter[str] = Counter()

    @property
    def found(self) -> Found:
        return Found(self.files, self.libraries, self.ignored, self.unreadable, tuple(self.variants))

    def look(self, entry: str, table: SourceConfig, split: str, settings: int) -> None:
        """Add everything that one name leads to."""
        below = f"{table.name}/" if table.name else ""
        if entry == DEFAULT or entry.startswith(f"{DEFAULT}:"):
            for library in _libraries(entry):
                if self._is_new(library.root):
                    self.libraries.append(InputFile(
                        f"{below}{library.name}", library.root, DEFAULT, "", split, table.name or library.name, 0,
                        table.origin or "", library.licence, settings,
                    ))  # fmt: skip
            return
        for place in _places(entry, self.config, self.progress):
            name = f"{below}{place.name}"
            if place.problem:
                (self.ignored if place.problem == LINKED else self.unreadable).append((name, place.problem))
            elif self._is_new(place.path.resolve()):
                self._add(name, place, entry, table.origin or "", split, settings)

    def _is_new(self, real: Path) -> bool:
        known = real in self._seen
        self._seen.add(real)
        return not known

    def _add(self, name: str, place: Local, entry: str, origin: str, split: str, settings: int) -> None:
        path = place.path
        named = bool(place.origin) or str(path) == str(Path(entry).expanduser())
        kind, compression = format_of(path, named=named)
        if not kind and _describes_tables(path):
            return
        if not kind:
            self.ignored.append((name, f"not a text format ({printable(ending_of(path.name)) or 'no ending'})"))
            return
        self._names[name] += 1
        unique = name if self._names[name] == 1 else f"{name}#{self._names[name]}"
        own = self.variants[settings]
        first = 0 if split in ("test", "validation") else own.first_documents
        self.files.append(InputFile(
            unique, path, place.format or kind, compression, _side(split, place.split), name.split("/")[0],
            place.n_bytes, origin or place.origin, place.licence,
            adapted(self.variants, settings, place.settings), first, f"{entry} {place.split}" if first else "",
            place.remote,
        ))  # fmt: skip


def _places(entry: str, config: CorpusConfig, progress: Progress | None) -> list[Local]:
    """Every file that one name leads to; fetched, if it lies elsewhere."""
    if not is_remote(entry):
        return [Local(path, name, problem=why) for name, path, why in _expand(entry)]
    from idiolect.corpus.remote.resolve import resolve  # it loads what speaks to the network

    alone = config.engine == "native"
    return resolve(entry, config.fetch, Path(config.fetch.cache), progress or Progress(quiet=True), alone=alone)


def _side(split: str, published: str) -> str:
    """A file's split: what the recipe says of held-out texts, else where its publisher put it."""
    return split if split in ("test", "validation") else published or split


def _libraries(entry: str) -> list:
    """`default` or `default:numpy` as libraries. Raises DataError naming those that are here."""
    from idiolect.corpus.sources import default  # it reads what this module finds

    libraries = default.libraries()
    wanted = entry.removeprefix(DEFAULT).removeprefix(":")
    found = [library for library in libraries if wanted in ("", library.name)]
    if not found:
        raise DataError(
            f"the default corpus has no {wanted!r}",
            why="its libraries here: " + ", ".join(library.name for library in libraries),
            fix=f"default:{(difflib.get_close_matches(wanted, [x.name for x in libraries], 1) or ['python'])[0]}",
        )
    return found


def _expand(entry: str) -> list[tuple[str, Path, str]]:
    """(name, path, why it is passed over or "") of everything that one name leads to."""
    if not entry.strip():
        # Path("") is the current folder: an unset shell variable would learn from whatever lies there.
        raise DataError(
            "one of the texts has an empty name",
            why="a text is a file, a folder or a glob",
            fix="--corpus.text=./my-folder, or . for this folder",
        )
    path = Path(entry).expanduser()
    try:
        if path.is_dir():
            root = Path(os.path.abspath(path))
            return [(printable(f"{root.name}/{file.relative_to(root).as_posix()}"), file, w) for file, w in _walk(root)]
        if path.is_file():
            return [(printable(path.name), path, "")]
    except OSError as error:
        raise DataError(
            f"{entry[:200]} can't be read",
            why=str(error.strerror),
            fix="check the folder's permissions, or name another with --corpus.text=PATH",
        ) from None
    if glob.has_magic(entry):
        fixed = Path(os.path.abspath(_fixed_part(path)))
        found = sorted(Path(os.path.abspath(m)) for m in glob.glob(str(path), recursive=True) if os.path.isfile(m))
        below = [(m, m.relative_to(fixed)) for m in found]
        runs = {folder for folder in {p for _, name in below for p in name.parents} if holds_runs(fixed / folder)}
        matches = [(m, name) for m, name in below if not runs.intersection(name.parents) - {Path(".")}]
        if matches:
            return [(printable(f"{fixed.name}/{name.as_posix()}"), m, "") for m, name in matches]
    raise _nothing_at(entry, path)


def printable(name: str) -> str:
    """A name that can be written down: bytes that are no UTF-8 (from an old disk) and control characters escaped."""
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name)


def _describes_tables(path: Path) -> bool:
    """Whether it is what `datasets` writes beside its tables: read for the licence, if at all."""
    described = ("dataset_info.json", "dataset_dict.json")
    return path.name in (*described, "state.json") and any(path.with_name(name).exists() for name in described)


def _walk(root: Path) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []

    def refused(error: OSError) -> None:
        found.append((Path(error.filename), f"is a folder that can't be read: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=refused):
        folders[:] = [f for f in folders if not f.startswith(".") and not holds_runs(Path(folder, f))]
        found += [(Path(folder, f), LINKED) for f in folders if os.path.islink(os.path.join(folder, f))]
        for name in names:
            path = Path(folder, name)
            if not name.startswith("."):
                found.append((path, "" if os.path.isfile(path) else "is a broken link, or no file"))
    return sorted(found, key=lambda entry: entry[0].relative_to(root).as_posix())


def holds_runs(folder: Path) -> bool:
    """Whether this is a folder that we keep runs in, or anybody downloads."""
    return next((folder / PREPARED).glob("corpus-*"), None) is not None or (folder / TAG).is_file()


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
