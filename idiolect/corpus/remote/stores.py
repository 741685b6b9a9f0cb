"""Object stores and other file systems through fsspec: `s3://`, `gs://`, `az://`, globs and folders, into the cache.

Only the systems of the table are opened: fsspec's own http would go around the guard, and its chains
(`filecache::http://...`) around the table.
"""

import glob
import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from idiolect.corpus.remote.cache import Cache, Entry, Part
from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.kinds import ending_of
from idiolect.corpus.remote.local import Local, Remote
from idiolect.corpus.remote.urls import Unfetchable, changed
from idiolect.errors import MissingExtra
from idiolect.progress import Progress
from idiolect.rundir import disk_error

# What fsspec needs installed for each, and how that is told to read without credentials.
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("s3fs", {"anon": True}),
    "gs": ("gcsfs", {"token": "anon"}),
    "az": ("adlfs", {"anon": True}),
    "memory": ("fsspec", {}),
    "file": ("fsspec", {}),
}
BLOCK, PIECE = 1 << 20, 8 << 20


def locals_of(entry: str, config: FetchConfig, cache: Cache, progress: Progress) -> list[Local]:
    """The files that an address, a folder or a glob of a store means. Raises Unfetchable, MissingExtra."""
    scheme, _, rest = entry.partition("://")
    if scheme == "file":
        return [Local(Path(path), name, f"file://{name}") for path, name in _on_disk(rest)]
    listing = cache.listing(_key(entry)) if config.refresh == "never" else None
    found = (listing or [])[: config.max_files or None]
    held = [cache.entry(_key(file["address"])) for file in found]
    if found and all(held):
        return [_local(file, cache, entry) for file, entry in zip(found, held, strict=True)]
    system, entries = system_of(scheme, config), []
    listing = listing or _list(system, scheme, rest)
    found = listing[: config.max_files or None]
    if config.disk_bytes:
        with cache.lock(_key(entry)):
            cache.list(_key(entry), listing)
        return [_left_there(scheme, file, cache) for file in found]
    fetcher = Fetcher(config, cache)
    with progress.bar("fetching", sum(file["bytes"] for file in found) / 1e6 or None, "MB") as bar:
        for file in found:
            with cache.lock(_key(file["address"])):
                entries.append(_fetch(system, file, fetcher, lambda n: bar.advance(n / 1e6)))
    with cache.lock(_key(entry)):
        cache.list(_key(entry), listing)
    return [_local(file, cache, entry) for file, entry in zip(found, entries, strict=True)]


def system_of(scheme: str, config: FetchConfig):
    """The file system of a scheme. Raises MissingExtra."""
    package, anonymous = SYSTEMS[scheme]
    try:
        import fsspec

        return fsspec.filesystem(scheme, **(anonymous if config.anonymous else {}))
    except ImportError:
        raise MissingExtra("remote", needs=f"{package}, which reads {scheme}://,") from None


def _list(system, scheme: str, rest: str) -> list[dict[str, Any]]:
    """Every file as {address, name, version, bytes}, by name."""
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
        files.append({
            "address": f"{scheme}://{path.lstrip('/')}", "name": path.strip("/"), "version": _version(info),
            "bytes": int(info.get("size") or 0),
        })  # fmt: skip
    if not files:
        raise Unfetchable("no file is there", fix="check the bucket, the path and your credentials")
    return files


def _version(info: dict[str, Any]) -> str:
    """What tells this content from another under the same name."""
    named = next((str(info[k]) for k in ("ETag", "etag", "md5Hash", "content_md5") if info.get(k)), "")
    date = next((info[k] for k in ("LastModified", "updated", "mtime", "created") if info.get(k)), "")
    # Some stores give seconds in a listing, and a date for one file.
    date = datetime.fromtimestamp(date, UTC) if isinstance(date, float) else date
    return named or f"{date} {info.get('size')}"


def _fetch(system, file: dict, fetcher: Fetcher, advance) -> Entry:
    """One file into the cache, going on where an earlier attempt at the same version stopped."""
    config, cache = fetcher.config, fetcher.cache
    key, address = _key(file["address"]), file["address"]
    held, accept = cache.entry(key), config.refresh != "never"
    if held and (not accept or (config.refresh == "changed" and held.etag == file["version"])):
        return held
    part, known = cache.part(key), {"etag": file["version"]}
    if part.known() != known:
        part.begin(known)
    fetcher.patiently(lambda: _receive(system, file, part, config, advance))
    ending = ending_of("", address)
    return cache.keep(key, part, url=address, ending=ending, known=known, accept=accept, sha256="")


def _receive(system, file: dict, part: Part, config: FetchConfig, advance) -> None:
    started = time.monotonic()
    with _Explained(), open(part.path, "ab") as out:
        for block in _blocks(system, file["name"], out.tell()):
            if out.tell() + len(block) > config.max_bytes:
                raise Unfetchable(
                    f"it is longer than max_bytes = {config.max_bytes:,}",
                    fix=f"--corpus.fetch.max_bytes={config.max_bytes * 4}",
                )
            if time.monotonic() - started > config.max_seconds:
                raise Unfetchable(
                    f"it took longer than {config.max_seconds:g} s (max_seconds)",
                    fix="the same command again goes on from there, or --corpus.fetch.max_seconds=86400",
                )
            try:
                out.write(block)
                out.flush()
            except OSError as error:
                raise disk_error(error, part.path) from error
            advance(len(block))
    if part.n_bytes != file["bytes"]:
        raise Unfetchable("its body was cut off, or it changed", fix="run the same command again", again=True)


def _blocks(system, path: str, start: int) -> Iterator[bytes]:
    with system.open(path, "rb", block_size=4 * BLOCK) as source:
        source.seek(start)
        while block := source.read(BLOCK):
            yield block


class Stored:
    """A file of a store, read a piece at a time wherever it is wanted (`ranges.Source`)."""

    def __init__(self, remote: Remote, fetcher: Fetcher):
        self.remote, self.system = remote, system_of(remote.kind, fetcher.config)
        self._checked = False

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`. Raises Unfetchable, also when they are no longer those that were found."""
        path = self.remote.address.partition("://")[2]
        with _Explained():
            if not self._checked:
                info = self.system.info(path)
                if (_version(info), int(info.get("size") or 0)) != (self.remote.version, self.remote.n_bytes):
                    raise changed()
                self._checked = True
            for at in range(start, stop, PIECE):
                yield self.system.cat_file(path, start=at, end=min(at + PIECE, stop))


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


def _on_disk(pattern: str) -> list[tuple[str, str]]:
    """(path, name) of files named by a file:// address."""
    matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]
    root = Path(matches[0]) if len(matches) == 1 else None
    paths = sorted(p for p in root.rglob("*") if p.is_file()) if root and root.is_dir() else map(Path, matches)
    files = [(str(path), path.name) for path in paths if path.is_file()]
    if not files:
        raise Unfetchable("no file is there", fix="check the path: file:///absolute/path")
    return files


def _key(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:32]


def _left_there(scheme: str, file: dict, cache: Cache) -> Local:
    address = file["address"]
    remote = Remote(scheme, address, file["bytes"], file["version"], ending_of("", address))
    return Local(cache.later(remote), file["name"], address, remote=remote)


def _local(file: dict, cache: Cache, entry: Entry) -> Local:
    return Local(cache.path(entry), file["name"], file["address"], sha256=entry.sha256)
