"""Where fetched files lie: by their content, with a small record of where each came from.

    <cache>/objects/<sha256><ending>     a file, whole
            origins/<key>.json           address -> its content, size, ETag, date
            listings/<key>.json          a name of many files -> what it meant when it was first asked for
            partial/<key>.part, .json    a body that was cut, and what to ask for to go on with it
            streamed/<lot>/<key><ending> a file that is about to be read, and then removed (`ahead.py`)

A file is written under `partial`, flushed, and renamed when it is whole: a kill at any moment leaves a body to go on
from, never half a file under its name.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from idiolect.corpus.remote.local import TAG, Remote
from idiolect.corpus.remote.urls import Unfetchable
from idiolect.errors import DataError
from idiolect.rundir import disk_error, fsync_path, read_json, sha256_file, write_atomic, write_json

TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Downloads of idiolect; safe to delete.\n"


@dataclass(frozen=True)
class Entry:
    """One fetched file: the address without its secrets, the content, and what to ask whether it changed."""

    url: str
    sha256: str
    n_bytes: int
    ending: str
    etag: str = ""
    modified: str = ""
    fetched: str = ""


@dataclass(frozen=True)
class Part:
    """A body on its way: its bytes so far, and the validator and type under which they came."""

    path: Path
    state: Path

    @property
    def n_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self) -> dict[str, str]:
        """What was noted when the body began; empty when nothing is there to go on from."""
        with contextlib.suppress(DataError):
            found = read_json(self.state)
            if isinstance(found, dict) and all(isinstance(v, str) for v in found.values()) and self.n_bytes:
                return found
        return {}

    def begin(self, known: dict[str, str]) -> None:
        """Forget other bytes; note what these will be. Written before the first byte, so that no kill mixes two."""
        self.clear()
        write_json(self.state, known)
        self.path.touch()

    def clear(self) -> None:
        self.state.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


class Cache:
    """The folder of downloads; nothing is created until something is kept."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def entry(self, key: str) -> Entry | None:
        """What was fetched under this key, if its file is still there in full."""
        found = self.recorded(key)
        if found is None:
            return None
        path = self.path(found)
        return found if path.is_file() and path.stat().st_size == found.n_bytes else None

    def recorded(self, key: str) -> Entry | None:
        """What is on record for this key, whether its file is still there or not."""
        with contextlib.suppress(DataError, TypeError):
            return Entry(**read_json(self.folder / "origins" / f"{key}.json"))
        return None

    def path(self, entry: Entry) -> Path:
        return self.folder / "objects" / f"{entry.sha256}{entry.ending}"

    def later(self, remote: Remote) -> Path:
        """What stands for a file that is not here until it is read."""
        return self.folder / "streamed" / f"{remote.key}{remote.ending}"

    def part(self, key: str) -> Part:
        return Part(self.folder / "partial" / f"{key}.part", self.folder / "partial" / f"{key}.json")

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """One process fetches a file; another that wants it waits, and then finds it."""
        try:
            (self.folder / "partial").mkdir(parents=True, exist_ok=True)
            if not (self.folder / TAG).exists():
                write_atomic(self.folder / TAG, TAG_TEXT)
            lock = FileLock(self.folder / "partial" / f"{key}.lock")
        except OSError as error:
            raise disk_error(error, self.folder) from error
        with lock:
            yield

    def keep(self, key: str, part: Part, *, url: str, ending: str, known: dict[str, str], accept: bool, sha256: str):
        """A whole body under its hash, and the record of its origin. Raises Unfetchable when it is not the right one.

        `sha256` is what it must be, if that is known; unless `accept`, what an earlier fetch recorded is, too.
        """
        content = sha256_file(part.path)
        earlier = self.recorded(key)
        if sha256 and content != sha256:
            part.clear()
            raise Unfetchable(
                f"its SHA-256 is {content}, and should be {sha256}",
                fix="fetch it again; if that does not help, its owner changed it, or somebody on the way did",
            )
        if earlier and earlier.sha256 != content and not accept:
            part.clear()
            raise Unfetchable(
                f"it changed since {earlier.fetched}: its SHA-256 was {earlier.sha256} and is {content}",
                fix="--corpus.fetch.refresh=changed, to take it as it is now",
            )
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        entry = Entry(url, content, part.n_bytes, ending, known.get("etag", ""), known.get("modified", ""), now)
        try:
            fsync_path(part.path)
            self.path(entry).parent.mkdir(exist_ok=True)
            os.replace(part.path, self.path(entry))
            fsync_path(self.path(entry).parent)
        except OSError as error:
            raise disk_error(error, self.path(entry)) from error
        write_json(self.folder / "origins" / f"{key}.json", asdict(entry))
        part.clear()
        return entry

    def listing(self, key: str) -> Any:
        """What a name of many files meant when it was asked for; None when it never was."""
        with contextlib.suppress(DataError):
            return read_json(self.folder / "listings" / f"{key}.json")
        return None

    def list(self, key: str, value: Any) -> None:
        """Remember what a name of many files means."""
        write_json(self.folder / "listings" / f"{key}.json", value)


def put(block: bytes, file: IO[bytes], advance: Callable[[int], None]) -> None:
    """Write what came, so that a kill loses none of it. Raises ResourceError when the disk is full."""
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise disk_error(error, Path(file.name)) from error
    advance(len(block))
