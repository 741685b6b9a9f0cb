"""A file's bytes, unpacked while they stream, with limits that no header can talk its way past.

`.gz .zst .bz2 .xz` are read block by block. What the file declares about its size is never trusted: the bytes that
come out are counted, and a file that grows beyond its byte or ratio limit is given up as a bomb.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from idiolect.corpus.config import CorpusConfig

BLOCK = 1 << 20
# Small files may be as repetitive as they like: the ratio counts only past this many unpacked bytes.
RATIO_FLOOR = 16 << 20
XZ_MEMORY = 512 << 20


class Unreadable(Exception):
    """A file or the rest of it can't be used; the message says why, in words a user can act on."""


def byte_blocks(path: Path, compression: str, config: CorpusConfig) -> Iterator[bytes]:
    """The unpacked content in blocks of about a megabyte. Raises Unreadable when cut, broken or a bomb."""
    try:
        size = max(path.stat().st_size, 1)
        total = 0
        with open(path, "rb") as file:
            for block in _unpack(file, compression):
                total += len(block)
                if total > config.max_file_bytes:
                    raise Unreadable(f"unpacks to more than max_file_bytes = {config.max_file_bytes:,}")
                if compression and total > RATIO_FLOOR and total > size * config.max_ratio:
                    raise Unreadable(f"unpacks to more than {config.max_ratio} times its size (max_ratio): a bomb")
                yield block
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror or error}") from error


def _unpack(file: IO[bytes], compression: str) -> Iterator[bytes]:
    if not compression:
        while block := file.read(BLOCK):
            yield block
        return
    make, errors, feed = {
        ".gz": (lambda: _Gzip(), (zlib.error,), 1 << 16),
        ".bz2": (lambda: bz2.BZ2Decompressor(), (OSError, ValueError), 1 << 16),
        ".xz": (lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY), (lzma.LZMAError,), 1 << 16),
        # A zstd block of a few bytes may hold 128 kB, and this reader can't be told to stop: feed it little.
        ".zst": (lambda: _Zstd(), (zstandard.ZstdError,), 1 << 10),
    }[compression]
    member, started = make(), False
    while packed := file.read(feed):
        while packed:
            try:
                block = member.decompress(packed, BLOCK)
                started = True
                if block:
                    yield block
                while not member.eof and not member.needs_input:
                    if block := member.decompress(b"", BLOCK):
                        yield block
            except errors as error:
                raise Unreadable(f"the {compression} data is broken: {error}") from error
            packed = member.unused_data.lstrip(b"\0") if member.eof else b""
            if member.eof:
                # Members may be concatenated (pigz, zstd frames); zero padding between them is allowed.
                member, started = make(), False
    if started:
        raise Unreadable(f"the {compression} data ends too early: the file was cut")


class _Gzip:
    """zlib's decompressor under the interface that bz2 and lzma share."""

    def __init__(self):
        self._inner = zlib.decompressobj(31)

    def decompress(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, limit)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


class _Zstd:
    """zstandard's decompressor under the same interface; its output is bounded by what it is fed."""

    needs_input = True

    def __init__(self):
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def decompress(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(data)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data
