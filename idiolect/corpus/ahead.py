"""Files elsewhere, fetched shortly before a lot's reader comes to them, and removed once finished parts hold them.

One thread fetches in reading order, as far ahead as `fetch.disk_bytes` leaves room. Of a Parquet file only the columns
that are read are fetched, and only the row groups that hold the first documents where a recipe asks for no more; they
are put where they stand in the whole file, and the rest of it is a hole that takes no room on disk.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from idiolect.corpus.find import Found, InputFile
from idiolect.corpus.parts import Parts
from idiolect.corpus.remote.cache import Cache
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.ranges import NoRanges, Source, receive, source_of
from idiolect.corpus.remote.urls import Unfetchable, changed
from idiolect.corpus.sources.parquet import TAIL, footer_bytes, wanted_ranges
from idiolect.errors import FetchError, ResourceError

BLOCK = 1 << 20
# Columns that make up more of a file than this are fetched with the rest of it, in one request.
MOSTLY = 0.9


@dataclass(frozen=True)
class Fetched:
    """A file that is here: the SHA-256 of what was fetched of it, and how many bytes that is."""

    path: Path
    sha256: str
    n_bytes: int


class Ahead:
    """A lot's files from elsewhere. Use it as a context: leaving ends the fetching, and removes what was read."""

    def __init__(self, found: Found, parts: Parts, advance: Callable[[int], None] = lambda n: None):
        self._settings, self._advance = found.settings, advance
        self._config = found.settings[0].fetch
        files = enumerate(found.files[: parts.stop])
        self._files = {i: file for i, file in files if file.remote and i >= parts.next[0]}
        self._known = parts.fetched
        lot = hashlib.sha256(str(parts.folder.absolute()).encode()).hexdigest()[:16]
        self._folder = Path(self._config.cache).expanduser().absolute() / "streamed" / lot
        self._fetcher = Fetcher(self._config, Cache(self._folder.parent.parent))
        self._changed = threading.Condition()
        self._here: dict[int, Fetched] = {}
        self._rows: dict[int, int] = {}
        self._reading, self._held, self._failure, self._stopped = -1, 0, None, False
        self._thread = threading.Thread(target=self._run, name="fetch-ahead", daemon=True)

    def __enter__(self) -> "Ahead":
        if self._files:
            self._check_room()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._fetcher.stop()
        if self._files:
            self._thread.join()
            if kind is None:
                shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def waiting(self) -> int:
        """Files that are here and have not been read."""
        return sum(index > self._reading for index in list(self._here))

    def take(self, index: int, file: InputFile) -> tuple[InputFile, Fetched | None]:
        """The file where it can be read, fetched if it has to be. Raises what kept us from having it."""
        if file.remote is None:
            return file, None
        with self._changed:
            self._reading, self._rows[index] = index, file.first
            self._changed.notify_all()
            while index not in self._here:
                if self._failure:
                    raise self._failure
                if self._stopped:
                    raise FetchError(f"{file.name} was not fetched", why="it was stopped", fix="run it again")
                self._changed.wait()
            got = self._here[index]
        return replace(file, path=got.path), got

    def forget(self, before: int) -> None:
        """Remove the files before this one: finished parts hold their documents."""
        with self._changed:
            self._remove(min(before, self._reading))

    def _remove(self, before: int) -> None:
        for index in [i for i in self._here if i < before]:
            got = self._here.pop(index)
            self._held -= got.n_bytes
            got.path.unlink(missing_ok=True)
        self._changed.notify_all()

    def _check_room(self) -> None:
        """Raise for a file that can never be held, before the first is fetched."""
        bound = self._config.disk_bytes
        for file in self._files.values():
            if file.format != "parquet" and file.remote.n_bytes > bound:
                raise too_large(file, file.remote.n_bytes, bound)

    def _run(self) -> None:
        try:
            for index, file in self._files.items():
                if self._wait_for(index, file):
                    self._fetch(index, replace(file, first=self._rows.get(index, 0)))
        except BaseException as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _wait_for(self, index: int, file: InputFile) -> bool:
        """Whether the reader wants a file: of those that share a bound, it says so when it comes to each."""
        with self._changed:
            while file.first and self._reading < index and not self._stopped:
                self._changed.wait()
            return not self._stopped and (not file.first or index in self._rows)

    def _make_room(self, index: int, file: InputFile, n_bytes: int) -> None:
        with self._changed:
            while self._held + n_bytes > self._config.disk_bytes:
                if self._reading == index:
                    # All before it have been read, and a bound must never be a deadlock: some may be fetched again
                    # after a kill, since no finished part holds all of their documents.
                    self._remove(index)
                    if self._held + n_bytes > self._config.disk_bytes:
                        raise too_large(file, n_bytes, self._config.disk_bytes)
                    continue
                if self._stopped:
                    return
                self._changed.wait()
            self._held += n_bytes

    def _fetch(self, index: int, file: InputFile) -> None:
        path = self._folder / f"{file.remote.key}{file.remote.ending}"
        try:
            source = source_of(file.remote, self._fetcher)
            ranges = self._columns(file, source, path) if file.format == "parquet" else []
            n_bytes = sum(stop - start for start, stop in ranges) or file.remote.n_bytes
            self._make_room(index, file, n_bytes)
            if self._stopped:
                return
            if ranges or not path.exists():
                self._receive(file, source, path, ranges)
            sha256 = _hash_of(path, ranges or [(0, file.remote.n_bytes)])
            if index in self._known and sha256 != self._known[index]["sha256"]:
                path.unlink()
                raise changed()
            if not ranges and file.remote.sha256 not in ("", sha256):
                path.unlink()
                raise Unfetchable(
                    f"its SHA-256 is {sha256}, and should be {file.remote.sha256}",
                    fix="run the same command again; if that does not help, its owner changed it",
                )
        except Unfetchable as error:
            raise FetchError(
                f"{file.name} can't be fetched", why=error.why, fix=error.fix or "run the same command again"
            ) from None
        with self._changed:
            self._here[index] = Fetched(path, sha256, n_bytes)
            self._changed.notify_all()

    def _columns(self, file: InputFile, source: Source, path: Path) -> list[tuple[int, int]]:
        """Fetch a Parquet file's footer; where it and the columns stand that are read. Empty when that is most."""
        size, sparse = file.remote.n_bytes, _sparse(path)
        sparse.touch()
        os.truncate(sparse, size)
        footer = max(0, size - TAIL)
        try:
            receive(source, sparse, footer, size, self._fetcher, self._advance)
            if (needed := max(0, size - footer_bytes(sparse))) < footer:
                receive(source, sparse, needed, footer, self._fetcher, self._advance)
                footer = needed
        except NoRanges:
            return []
        ranges = wanted_ranges(sparse, file, self._settings[file.settings], footer)
        return ranges if sum(stop - start for start, stop in ranges) < MOSTLY * size else []

    def _receive(self, file: InputFile, source: Source, path: Path, ranges: list[tuple[int, int]]) -> None:
        """All of a file, or these ranges of it, whose last is the footer's and there already."""
        growing = _sparse(path) if ranges else path.with_name(f"{path.name}.part")
        try:
            if not ranges:
                growing.touch()
                ranges = [(growing.stat().st_size, file.remote.n_bytes)]
            for start, stop in ranges if growing.suffix == ".part" else ranges[:-1]:
                receive(source, growing, start, stop, self._fetcher, self._advance)
        except NoRanges:
            os.truncate(growing, 0)
            receive(source, growing, 0, file.remote.n_bytes, self._fetcher, self._advance)
        os.replace(growing, path)
        _sparse(path).unlink(missing_ok=True)


def _sparse(path: Path) -> Path:
    return path.with_name(f"{path.name}.columns")


def too_large(file: InputFile, n_bytes: int, bound: int) -> ResourceError:
    """What is said of a file that alone needs more than there is room for."""
    return ResourceError(
        f"{file.name} needs {n_bytes:,} bytes on disk, and corpus.fetch.disk_bytes = {bound:,}",
        why="a file is fetched whole before it is read (of a Parquet file, the columns that are read)",
        fix=f"--corpus.fetch.disk_bytes={2 * n_bytes}",
    )


def _hash_of(path: Path, ranges: list[tuple[int, int]]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for start, stop in ranges:
            file.seek(start)
            for at in range(start, stop, BLOCK):
                digest.update(file.read(min(BLOCK, stop - at)))
    return digest.hexdigest()
