"""One file from elsewhere to a path of its own: whole or, of Parquet, the columns that are read.

Columns are put where they stand in the whole file, and the rest of it is a hole that takes no room on disk; where a
recipe asks for the first documents alone, only the row groups that hold these are fetched.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import InputFile
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.ranges import NoRanges, Source, receive, receive_rest, source_of
from idiolect.corpus.remote.urls import Unfetchable
from idiolect.corpus.sources.parquet import TAIL, footer_bytes, wanted_ranges
from idiolect.rundir import fsync_path

BLOCK = 1 << 20
# Columns that make up more of a file than this are fetched with the rest of it, in one request.
MOSTLY = 0.9
Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class Fetched:
    """A file that is here: the SHA-256 of what was fetched of it, and how many bytes that is."""

    path: Path
    sha256: str
    n_bytes: int


def bring(
    file: InputFile,
    config: CorpusConfig,
    path: Path,
    fetcher: Fetcher,
    make_room: Callable[[int], None],
    advance: Callable[[int], None],
) -> Fetched:
    """Fetch what is read of a file to `path`, once `make_room` has room for so many bytes. Raises Unfetchable."""
    size, source = file.remote.n_bytes, source_of(file.remote, fetcher)
    columns = _columns(file, config, source, path, fetcher, advance) if file.format == "parquet" else []
    n_bytes = sum(stop - start for start, stop in columns) or size
    make_room(n_bytes)
    for start, stop in columns[:-1]:
        receive(source, path, start, stop, fetcher, advance)
    if not columns and not (path.exists() and path.stat().st_size == size):
        part = unfinished(path)
        part.touch()
        receive_rest(source, part, size, fetcher, advance)
        fsync_path(part)
        os.replace(part, path)
    sha256 = _hash_of(path, columns or [(0, size)])
    if not columns and file.remote.sha256 not in ("", sha256):
        path.unlink()
        raise Unfetchable(
            f"its SHA-256 is {sha256}, and should be {file.remote.sha256}",
            fix="run the same command again; if that does not help, its owner changed it",
        )
    return Fetched(path, sha256, n_bytes)


def unfinished(path: Path) -> Path:
    """Where a whole file lies until all of it is there."""
    return path.with_name(f"{path.name}.part")


def _columns(
    file: InputFile,
    config: CorpusConfig,
    source: Source,
    path: Path,
    fetcher: Fetcher,
    advance: Callable[[int], None],
) -> Ranges:
    """Where a Parquet file's columns stand that are read, and last its footer, which is then here.

    Empty when the whole file is to be fetched: these are most of it, or its server gives no ranges.
    """
    size = file.remote.n_bytes
    path.touch()
    os.truncate(path, size)
    footer = max(0, size - TAIL)
    try:
        receive(source, path, footer, size, fetcher, advance)
        needed = max(0, size - footer_bytes(path))
        receive(source, path, min(needed, footer), footer, fetcher, advance)
        found = wanted_ranges(path, file, config, min(needed, footer))
    except NoRanges:
        found = []
    if sum(stop - start for start, stop in found) >= MOSTLY * size:
        found = []
    if not found:
        path.unlink()
    return found


def _hash_of(path: Path, ranges: Ranges) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for start, stop in ranges:
            file.seek(start)
            for at in range(start, stop, BLOCK):
                digest.update(file.read(min(BLOCK, stop - at)))
    return digest.hexdigest()
