"""Object stores and other file systems through fsspec: what is at `s3://`, `gs://`, `az://` names, and pieces of it.

Only the systems of the table are opened: fsspec's own http would go around the guard, and its chains
(`filecache::http://...`) around the table.
"""

import glob
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.kinds import ending_of
from idiolect.corpus.remote.local import Local, Remote
from idiolect.corpus.remote.urls import Unfetchable, changed
from idiolect.errors import MissingExtra

# What fsspec needs installed for each, and how that is told to read without credentials.
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("s3fs", {"anon": True}),
    "gs": ("gcsfs", {"token": "anon"}),
    "az": ("adlfs", {"anon": True}),
    "memory": ("fsspec", {}),
}
PIECE = 8 << 20


def listed(entry: str, fetcher: Fetcher) -> list[Remote]:
    """The files that an address, a folder or a glob of a store means, by name. Raises Unfetchable, MissingExtra."""
    scheme, _, rest = entry.partition("://")
    key, config, cache = key_of(entry), fetcher.config, fetcher.cache
    files = cache.listing(key) if config.refresh == "never" else None
    if files is None:
        files = _list(system_of(scheme, config), scheme, rest)
        with cache.lock(key):
            cache.list(key, files)
    return [
        Remote(scheme, file["address"], file["bytes"], file["version"], ending_of("", file["address"]))
        for file in files[: config.max_files or None]
    ]


def system_of(scheme: str, config: FetchConfig):
    """The file system of a scheme. Raises MissingExtra."""
    package, anonymous = SYSTEMS[scheme]
    try:
        import fsspec

        return fsspec.filesystem(scheme, **(anonymous if config.anonymous else {}))
    except ImportError:
        raise MissingExtra("remote", needs=f"{package}, which reads {scheme}://,") from None


def _list(system, scheme: str, rest: str) -> list[dict[str, Any]]:
    """Every file as {address, version, bytes}, by name."""
    with _Explained():
        if glob.has_magic(rest):
            infos = system.glob(rest, detail=True)
        else:
            infos = system.find(rest, detail=True) if system.isdir(rest) else {rest: system.info(rest)}
    files = []
    for path, info in sorted(infos.items()):
        hidden = any(part.startswith(".") for part in path.split("/"))
        if info.get("type") != "file" or (hidden and path != rest):
            continue
        version, n_bytes = _identity(info)
        files.append({"address": f"{scheme}://{path.strip('/')}", "version": version, "bytes": n_bytes})
    if not files:
        raise Unfetchable("no file is there", fix="check the bucket, the path and your credentials")
    return files


def _identity(info: dict[str, Any]) -> tuple[str, int]:
    """What tells this content from another under the same name, and its size."""
    named = next((str(info[k]) for k in ("ETag", "etag", "md5Hash", "content_md5") if info.get(k)), "")
    date = next((info[k] for k in ("LastModified", "updated", "mtime", "created") if info.get(k)), "")
    # Some stores give seconds in a listing, and a date for one file.
    date = datetime.fromtimestamp(date, UTC) if isinstance(date, float) else date
    return named or f"{date} {info.get('size')}", int(info.get("size") or 0)


class Stored:
    """A file of a store, read a piece at a time wherever it is wanted (`ranges.Source`)."""

    def __init__(self, remote: Remote, fetcher: Fetcher):
        self.remote, self.fetcher, self.system = remote, fetcher, system_of(remote.kind, fetcher.config)
        self._path = remote.address.partition("://")[2]

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`. Raises Unfetchable, also when they are no longer those that were found."""
        with _Explained():
            self._check()
            places = ((at, min(at + PIECE, stop)) for at in range(start, stop, PIECE))
            pieces = (self.system.cat_file(self._path, start=a, end=b) for a, b in places)
            yield from self.fetcher.watched(f"the store of {self.remote.kind}://", pieces)
            # A piece does not say which version it is of: what is the same before and after was so in between.
            self._check()

    def _check(self) -> None:
        if _identity(self.system.info(self._path)) != (self.remote.version, self.remote.n_bytes):
            raise changed()


class _Explained:
    """Whatever a file system raises, in our form: each library has exceptions of its own."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        from idiolect.errors import IdiolectError

        if not isinstance(error, Exception) or isinstance(error, (Unfetchable, IdiolectError)):
            return
        said = (str(error).splitlines() or [""])[0][:200]
        final = isinstance(error, (FileNotFoundError, PermissionError, NotADirectoryError))
        raise Unfetchable(
            f"{type(error).__name__}: {said}",
            fix="check the bucket, the path and your credentials; public buckets need --corpus.fetch.anonymous=true",
            again=not final,
        ) from None


def on_disk(entry: str) -> list[Local]:
    """The files of this machine that a file:// address means, where they lie. Raises Unfetchable."""
    pattern = entry.removeprefix("file://")
    matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]
    root = Path(matches[0]) if len(matches) == 1 else None
    paths = sorted(p for p in root.rglob("*") if p.is_file()) if root and root.is_dir() else map(Path, matches)
    files = [Local(path, path.name, f"file://{path.name}") for path in paths if path.is_file()]
    if not files:
        raise Unfetchable("no file is there", fix="check the path: file:///absolute/path")
    return files


def key_of(address: str) -> str:
    """Names an address in the cache."""
    return hashlib.sha256(address.encode()).hexdigest()[:32]
