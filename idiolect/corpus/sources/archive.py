"""`.zip` and `.tar` (also `.tgz`, `.tar.zst`, ...): each member is read as the file it is.

A member is unpacked to a temporary file under a name of ours, one at a time: every reader works, and what a member
calls itself never becomes a path. Names and links that lead out of the archive are refused all the same, as no honest
archive has them. All that is unpacked, archives within archives included, counts against one limit.
"""

import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.endings import ending_of, format_of
from idiolect.corpus.find import InputFile, printable
from idiolect.corpus.sources import BadRow, Ignored, Opened, Raw, missing, reader_of
from idiolect.corpus.streams import BLOCK, RATIO_FLOOR, Unreadable, byte_blocks
from idiolect.errors import DataError

DEEPEST = 3  # archives within archives
MOST_LISTED = 64 << 20
MOST_HEADER = 1 << 20
EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
EXTENDED += (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
FORMATS = ("zip", "tar")
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
Items = Iterator[Raw | BadRow | Opened | Ignored]


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Items:
    """The documents of every member. Raises Unreadable when the archive is broken, a bomb, or leads out of itself."""
    left = min(config.max_file_bytes, max(RATIO_FLOOR, file.n_bytes * config.max_ratio))
    with tempfile.TemporaryDirectory(prefix="idiolect-") as folder:
        yield from _Unpacking(config, rule, Path(folder), left).archive(file, "", 1)


class _Unpacking:
    """One archive being read, with what is left of its limits."""

    def __init__(self, config: CorpusConfig, rule: Rule, folder: Path, left: int):
        self.config, self.rule, self.folder, self.left = config, rule, folder, left
        self.n_members = 0

    def archive(self, file: InputFile, prefix: str, depth: int) -> Items:
        if depth == 1:
            yield Opened(file.format, file.n_bytes)
        members = self._zip(file) if file.format == "zip" else self._tar(file)
        try:
            for unsafe, why, source in members:
                name = printable(unsafe)
                self.n_members += 1
                if self.n_members > self.config.formats.max_members:
                    raise Unreadable(f"has more than max_members = {self.config.formats.max_members:,} members")
                yield from self._member(file, f"{prefix}{name}", why, source, depth)
        except BROKEN as error:
            raise Unreadable(f"is a broken {file.format} archive: {error}") from error

    def _member(self, file: InputFile, name: str, why: str, source: IO[bytes] | None, depth: int) -> Items:
        kind, compression = format_of(Path(name), named=False)
        if why or source is None:
            yield BadRow(name, why, "")
            return
        if not kind:
            yield Ignored(name, f"not a text format ({ending_of(PurePosixPath(name).name) or 'no ending'})")
            return
        if lacks := missing(kind):
            yield BadRow(name, str(lacks.what), "")
            return
        if kind in FORMATS and depth == DEEPEST:
            yield BadRow(name, f"it is an archive within {DEEPEST} archives", "")
            return
        path = self.folder / f"member-{depth}"
        try:
            self._unpack(source, path)
        except BROKEN as error:
            yield BadRow(name, f"it can't be unpacked: {error}", "")
            return
        inner = InputFile(f"{file.name}/{name}", path, kind, compression, file.split, file.source, path.stat().st_size)
        yield from self._documents(inner, name, depth)

    def _documents(self, inner: InputFile, name: str, depth: int) -> Items:
        if inner.format in FORMATS:
            items = self.archive(inner, f"{name}/", depth + 1)
        else:
            items = reader_of(inner)(inner, self.config, self.rule)
        try:
            for item in items:
                if inner.format in FORMATS or isinstance(item, Ignored):
                    yield item
                elif isinstance(item, Raw):
                    yield replace(item, origin=f"{name}#{item.origin}" if item.origin else name)
                elif isinstance(item, BadRow):
                    yield replace(item, where=f"{name}, {item.where}")
        except Unreadable as error:
            if self.left < 0:
                raise
            yield BadRow(name, f"it {error}", "")
        except DataError as error:
            yield BadRow(name, f"{error.what}; {error.why}", "")

    def _unpack(self, source: IO[bytes], path: Path) -> None:
        with open(path, "wb") as out:
            while block := source.read(BLOCK):
                self.left -= len(block)
                if self.left < 0:
                    raise Unreadable(
                        f"unpacks to more than {self.config.max_ratio} times its size (max_ratio) or max_file_bytes: "
                        "a bomb"
                    )
                out.write(block)

    def _zip(self, file: InputFile) -> Iterator[tuple[str, str, IO[bytes] | None]]:
        if file.compression:
            raise Unreadable(f"is a zip archive inside {file.compression}; unpack that first")
        with open(file.path, "rb") as end:
            end.seek(max(0, file.path.stat().st_size - (1 << 16) - 64))
            check_members(end.read())
        with zipfile.ZipFile(file.path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            for info in infos:
                _check_name(info.filename)
            for info in infos:
                if info.flag_bits & 1:
                    yield info.filename, "it is encrypted; remove its password first", None
                elif stat.S_ISLNK(info.external_attr >> 16):
                    yield info.filename, "it is a link, and links are not followed", None
                else:
                    try:
                        member = archive.open(info)
                    except BROKEN as error:
                        yield info.filename, f"it can't be unpacked: {error}", None
                        continue
                    with member:
                        yield info.filename, "", member

    def _tar(self, file: InputFile) -> Iterator[tuple[str, str, IO[bytes] | None]]:
        stream = _Stream(byte_blocks(file.path, file.compression, self.config))
        with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 16, tarinfo=_Header) as archive:
            for info in archive:
                # The list of members would grow for ever, and nobody goes back.
                archive.members = []
                if info.isdir():
                    continue
                _check_name(info.name)
                if info.issym() or info.islnk():
                    target = info.linkname if info.islnk() else str(PurePosixPath(info.name).parent / info.linkname)
                    _check_name(target)
                    yield info.name, "it is a link, and links are not followed", None
                elif not info.isreg():
                    yield info.name, "it is a device, and no file", None
                else:
                    yield info.name, "", archive.extractfile(info)


class _Header(tarfile.TarInfo):
    """A tar header whose long names and extensions may not be longer than any name is: tarfile reads them whole."""

    def _proc_member(self, archive):
        if self.type in EXTENDED and self.size > MOST_HEADER:
            raise tarfile.ReadError(f"an extended header claims {self.size:,} bytes")
        return super()._proc_member(archive)


class _Stream:
    """Blocks as something that tarfile can read from."""

    def __init__(self, blocks: Iterator[bytes]):
        self._blocks, self._held = blocks, b""

    def read(self, n: int) -> bytes:
        while len(self._held) < n and (block := next(self._blocks, b"")):
            self._held += block
        out, self._held = self._held[:n], self._held[n:]
        return out


def _check_name(name: str) -> None:
    """Raise Unreadable for a name that would lead out of the folder it is unpacked in."""
    depth = 0
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            raise Unreadable(f"names {name[:80]!r}, which leads out of it: refused")
    if PureWindowsPath(name).drive:
        raise Unreadable(f"names {name[:80]!r}, which leads out of it: refused")


def check_members(end: bytes) -> None:
    """Raise Unreadable when a zip's end claims a list of members too long to be held, before zipfile reads it."""
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 20:
        raise Unreadable("is a zip archive without its list of members: the file was cut")
    size = struct.unpack_from("<I", end, at + 12)[0]
    wide = end.rfind(b"PK\x06\x06", 0, at)
    if size == 0xFFFFFFFF and wide >= 0 and len(end) >= wide + 48:
        size = struct.unpack_from("<Q", end, wide + 40)[0]
    if size > MOST_LISTED:
        raise Unreadable(f"has a list of members of {size:,} bytes, more than can be held")
