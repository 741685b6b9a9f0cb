"""Files elsewhere, fetched shortly before a lot's reader comes to them, and removed once finished parts hold them.

One thread fetches in reading order, as far ahead as `fetch.disk_bytes` leaves room. What it and the reader tell each
other is guarded by one condition: which file the reader is at, which files are here, and what went wrong. It stands
beside `remote/` and `sources/`, and not in either, because it knows both the network and what a reader wants.
"""

import hashlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from idiolect.corpus.bring import Fetched, bring, unfinished
from idiolect.corpus.find import Found, InputFile
from idiolect.corpus.parts import RESUMED, Parts
from idiolect.corpus.remote.cache import Cache
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.urls import Unfetchable, changed, stopped
from idiolect.errors import FetchError, IdiolectError, ResourceError
from idiolect.rundir import disk_error


class Ahead:
    """A lot's files from elsewhere. Use it as a context: leaving ends the fetching, and removes what was fetched.

    What an interrupted preparation will come back for stays.
    """

    def __init__(self, found: Found, parts: Parts, advance: Callable[[int], None] = lambda n: None):
        self._settings, self._advance = found.settings, advance
        self._config = found.settings[0].fetch
        files = enumerate(found.files[: parts.stop])
        self._files = {i: file for i, file in files if file.remote and i >= parts.next[0]}
        self._known = parts.fetched
        lot = hashlib.sha256(str(parts.folder.absolute()).encode()).hexdigest()[:16]
        cache = Path(self._config.cache).expanduser().absolute()
        self._folder, self._fetcher = cache / "streamed" / lot, Fetcher(self._config, Cache(cache))
        self._news = threading.Condition()
        self._asked: dict[int, InputFile] = {}
        self._here: dict[int, Fetched] = {}
        self._reading, self._held = -1, 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fetch-ahead", daemon=True)

    def __enter__(self) -> "Ahead":
        if self._files:
            self._check_room()
            self._tidy()
            self._thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        self._fetcher.stop()
        with self._news:
            self._news.notify_all()
        if self._files:
            self._thread.join()
            if kind is None or (issubclass(kind, IdiolectError) and not issubclass(kind, RESUMED)):
                shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def waiting(self) -> int:
        """Files that are here and have not been read."""
        with self._news:
            return sum(index > self._reading for index in self._here)

    def take(self, index: int, file: InputFile) -> tuple[InputFile, Fetched | None]:
        """The file where it can be read, fetched if it has to be. Raises what kept us from having it."""
        if file.remote is None:
            return file, None
        with self._news:
            self._reading, self._asked[index] = index, file
            self._news.notify_all()
            self._news.wait_for(lambda: index in self._here or self._failure or self._fetcher.stopped)
            if index not in self._here:
                raise self._failure or _unfetched(file, stopped())
            got = self._here[index]
        return replace(file, path=got.path), got

    def forget(self, before: int) -> None:
        """Remove the files before this one: finished parts hold their documents."""
        with self._news:
            self._remove(min(before, self._reading))

    def _remove(self, before: int) -> None:
        for index in [i for i in self._here if i < before]:
            got = self._here.pop(index)
            self._held -= got.n_bytes
            got.path.unlink(missing_ok=True)
        self._news.notify_all()

    def _path(self, file: InputFile) -> Path:
        return self._folder / f"{file.remote.key}{file.remote.ending}"

    def _check_room(self) -> None:
        """Raise for a file that can never be held, before the first is fetched."""
        for file in self._files.values():
            if file.format != "parquet" and file.remote.n_bytes > self._config.disk_bytes:
                raise too_large(file, file.remote.n_bytes, self._config.disk_bytes)

    def _tidy(self) -> None:
        """Of what a killed attempt left, keep whole files and beginnings of them that are still to be read."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            whole = {self._path(file) for file in self._files.values() if file.format != "parquet"}
            for path in set(self._folder.iterdir()) - whole - {unfinished(path) for path in whole}:
                path.unlink()
        except OSError as error:
            raise disk_error(error, self._folder) from error

    def _run(self) -> None:
        try:
            for index, file in self._files.items():
                if wanted := self._wanted(index, file):
                    self._fetch(index, wanted)
        except BaseException as error:  # the reader raises it when it comes to a file that is not here
            with self._news:
                self._failure = disk_error(error, self._folder) if isinstance(error, OSError) else error
                self._news.notify_all()

    def _wanted(self, index: int, file: InputFile) -> InputFile | None:
        """The file, unless the reader passes it over: of those that share a bound, it says so when it is there."""
        if not file.first:
            return file
        with self._news:
            self._news.wait_for(lambda: self._reading >= index or self._fetcher.stopped)
            return self._asked.get(index)

    def _make_room(self, index: int, file: InputFile, n_bytes: int) -> None:
        bound = self._config.disk_bytes
        with self._news:
            self._news.wait_for(
                lambda: self._held + n_bytes <= bound or self._reading == index or self._fetcher.stopped
            )
            self._fetcher.check_stopped()
            if self._held + n_bytes > bound:
                # The reader waits for this very file, and a bound must never be a deadlock: all before it go, though
                # no finished part holds all of their documents yet, and a kill may cost fetching some again.
                self._remove(index)
            if self._held + n_bytes > bound:
                raise too_large(file, n_bytes, bound)
            self._held += n_bytes

    def _fetch(self, index: int, file: InputFile) -> None:
        path = self._path(file)
        try:
            got = bring(
                file, self._settings[file.settings], path, self._fetcher,
                lambda n_bytes: self._make_room(index, file, n_bytes), self._advance,
            )  # fmt: skip
            if index in self._known and got.sha256 != self._known[index]["sha256"]:
                path.unlink()
                raise changed()
        except Unfetchable as error:
            raise _unfetched(file, error) from None
        with self._news:
            self._here[index] = got
            self._news.notify_all()


def _unfetched(file: InputFile, error: Unfetchable) -> FetchError:
    return FetchError(f"{file.name} can't be fetched", why=error.why, fix=error.fix or "run the same command again")


def too_large(file: InputFile, n_bytes: int, bound: int) -> ResourceError:
    """What is said of a file that alone needs more than there is room for."""
    return ResourceError(
        f"{file.name} needs {n_bytes:,} bytes on disk, and corpus.fetch.disk_bytes = {bound:,}",
        why="a file is fetched whole before it is read (of a Parquet file, the columns that are read)",
        fix=f"--corpus.fetch.disk_bytes={2 * n_bytes}",
    )
