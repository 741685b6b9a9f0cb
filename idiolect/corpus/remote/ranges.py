"""Bytes of a file elsewhere from anywhere in it, as long as it is the file that was found at first.

`source_of` opens one; its `blocks(start, stop)` is one request. `receive` puts these at their place in a file here and
asks again where a connection was cut; `receive_rest` goes on with a file that an earlier attempt has begun.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from idiolect.corpus.remote import hub, stores
from idiolect.corpus.remote.body import strong, too_long
from idiolect.corpus.remote.cache import put
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.local import Remote
from idiolect.corpus.remote.urls import Unfetchable, changed
from idiolect.corpus.remote.wire import Reply


class NoRanges(Unfetchable):
    """The server gives the whole file or nothing."""


class Source(Protocol):
    """A file elsewhere."""

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop` as they come. Raises Unfetchable, NoRanges."""


def source_of(remote: Remote, fetcher: Fetcher) -> Source:
    """The file, to be asked for. Raises Unfetchable when it is longer than max_bytes, MissingExtra."""
    if remote.n_bytes > fetcher.config.max_bytes:
        raise too_long(fetcher.config.max_bytes)
    return _Web(remote, fetcher) if remote.kind in ("web", "hub") else stores.Stored(remote, fetcher)


def receive(
    source: Source, path: Path, start: int, stop: int, fetcher: Fetcher, advance: Callable[[int], None]
) -> None:
    """Bytes of a file into the same place of another; a cut connection goes on where it stopped. Raises Unfetchable."""
    at = start
    if at == stop:
        return  # no range of HTTP is empty

    def attempt() -> None:
        nonlocal at
        with open(path, "r+b") as file:
            file.seek(at)
            for block in source.blocks(at, stop):
                put(block, file, advance)
                at += len(block)
        if at != stop:
            raise Unfetchable("its body was cut off", fix="run the same command again", again=True)

    fetcher.patiently(attempt)


def receive_rest(source: Source, path: Path, size: int, fetcher: Fetcher, advance: Callable[[int], None]) -> None:
    """What a file here still lacks of `size` bytes, or all of it where a server gives whole files alone."""
    try:
        receive(source, path, path.stat().st_size, size, fetcher, advance)
    except NoRanges:
        receive(source, path, 0, size, fetcher, advance)


class _Web:
    """A file of a web server or of the hub, which sends us on to where its files lie."""

    def __init__(self, remote: Remote, fetcher: Fetcher):
        self.remote, self.fetcher, self.is_hub = remote, fetcher, remote.kind == "hub"
        self._at, self._asked, self._validator = remote.address, False, remote.validator

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """As `Source.blocks`."""
        first = self._at == self.remote.address
        # What the hub may know of us, the store that it sends us to may not; its signed address is used while it lasts.
        authorization = hub.token() if self.is_hub and first else ""
        headers, robots = {"Range": f"bytes={start}-{stop - 1}"}, self.fetcher.config.robots and not self.is_hub
        # The ranges of one file follow each other like the bytes of one, unless the site is somebody's own.
        pause, self._asked = robots or not self._asked, True
        try:
            with self.fetcher.open(self._at, headers, robots, authorization, pause=pause) as reply:
                self._check(reply, start)
                self._at = reply.url if self.is_hub else self._at
                left = stop - start
                for block in self.fetcher.watched(reply.url.host, reply.blocks()):
                    yield block[:left]
                    left -= len(block)
                    if left <= 0:
                        return
        except Unfetchable as error:
            if first or isinstance(error, NoRanges):
                raise
            self._at = self.remote.address
            raise Unfetchable(error.why, fix=error.fix, again=True, wait=error.wait) from None

    def _check(self, reply: Reply, start: int) -> None:
        if reply.status not in (200, 206):
            self.fetcher.refuse(reply)
        validator = strong(reply.headers.get("ETag", "")) or reply.headers.get("Last-Modified", "")
        self._validator = self._validator or validator
        place = f"bytes {start}-"
        total = reply.headers.get("Content-Length", "") if reply.status == 200 else ""
        if reply.status == 206:
            found = reply.headers.get("Content-Range", "")
            total = found.rpartition("/")[2]
            if not found.startswith(place):
                raise NoRanges(f"{reply.url.host} sends other bytes than it was asked for")
        if validator != self._validator or total != str(self.remote.n_bytes) or reply.headers.get("Content-Encoding"):
            raise changed()
        if reply.status == 200 and start:
            raise NoRanges(f"{reply.url.host} gives whole files alone")
