"""One shard on disk: a fixed header, the tokens, and where its documents start.

    byte 0      header, 128 bytes, little-endian (HEADER below)
    128         tokens: uint16 or uint32, padded with zeros to a multiple of 8 bytes
    then        start of each document (uint64, in tokens from this shard's first)
    then        UTF-8 bytes of each document's text (uint64)
    then        source of each document (uint64, its place in the list's `sources`); format 1 had none

Start at `Shard.open`. The header repeats what the split's list says, so that a shard can't be mistaken for another.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idiolect.errors import DataError
from idiolect.rundir import sha256_file

MAGIC, VERSION = b"IDIOTOKS", 2
WITHOUT_SOURCES = 1
HEADER = struct.Struct("<8s I I Q Q Q Q Q Q 32s")
HEADER_BYTES = 128
AGAIN = "delete the folder and run `idiolect prepare` again: it is made anew from the documents"


@dataclass(frozen=True)
class Header:
    """What the first 128 bytes say."""

    token_bytes: int
    n_tokens: int
    n_documents: int
    n_bytes: int
    vocabulary_size: int
    max_id: int
    end_id: int
    tokenizer_hash: str
    version: int = VERSION

    def pack(self) -> bytes:
        """The header's bytes."""
        packed = HEADER.pack(
            MAGIC, self.version, self.token_bytes, self.n_tokens, self.n_documents, self.n_bytes, self.vocabulary_size,
            self.max_id, self.end_id, bytes.fromhex(self.tokenizer_hash),
        )  # fmt: skip
        return packed.ljust(HEADER_BYTES, b"\0")

    @classmethod
    def read(cls, path: Path) -> "Header":
        """Read and check a file's header. Raises DataError naming the file."""
        try:
            with open(path, "rb") as file:
                data = file.read(HEADER_BYTES)
        except FileNotFoundError:
            raise DataError(f"{path} is missing", why="the split's list of shards names it", fix=AGAIN) from None
        if len(data) < HEADER_BYTES:
            raise DataError(f"{path} is cut short", why=f"{len(data)} bytes don't hold the header", fix=AGAIN)
        magic, version, *numbers, digest = HEADER.unpack(data[: HEADER.size])
        if magic != MAGIC or data[HEADER.size :].strip(b"\0"):
            raise DataError(f"{path} is not a token shard", why="its header is not one of ours", fix=AGAIN)
        if version not in (WITHOUT_SOURCES, VERSION):
            raise DataError(
                f"{path} has format {version}",
                why=f"this version of Idiolect reads the formats {WITHOUT_SOURCES} and {VERSION}",
                fix=AGAIN,
            )
        return cls(*numbers, digest.hex(), version)

    @property
    def dtype(self) -> np.dtype:
        """Type of a token on disk."""
        return np.dtype(f"<u{self.token_bytes}")

    @property
    def documents_at(self) -> int:
        """Byte where the document starts begin."""
        return HEADER_BYTES + -(-self.n_tokens * self.token_bytes // 8) * 8

    @property
    def file_bytes(self) -> int:
        """Size the whole file must have."""
        return self.documents_at + 8 * self.columns * self.n_documents

    @property
    def columns(self) -> int:
        """Numbers kept of each document."""
        return 2 if self.version == WITHOUT_SOURCES else 3


def token_bytes_for(vocabulary_size: int) -> int:
    """Bytes a token takes: 2 where every id fits, else 4."""
    return 2 if vocabulary_size <= 1 << 16 else 4


class Shard:
    """A shard opened for reading; its arrays are views of the memory-mapped file."""

    def __init__(self, path: Path, header: Header):
        self.path, self.header = path, header
        # A plain array over the map: numpy's memmap subclass costs microseconds on every slice.
        whole = np.memmap(path, np.uint8, "r").view(np.ndarray)
        end = HEADER_BYTES + header.n_tokens * header.token_bytes
        self.tokens = whole[HEADER_BYTES:end].view(header.dtype)
        columns = whole[header.documents_at :].view("<u8").reshape(header.columns, -1)
        self.document_starts, self.document_bytes = columns[:2]
        # What was written before sources were kept is all of one.
        self.document_sources = columns[2] if header.columns > 2 else np.zeros(header.n_documents, "<u8")

    @classmethod
    def open(cls, path: Path, listed: dict) -> "Shard":
        """Map a shard after checking its header and size against the split's list. Raises DataError naming it."""
        header = Header.read(path)
        size = path.stat().st_size
        if header.token_bytes != token_bytes_for(header.vocabulary_size):
            raise DataError(
                f"{path} stores tokens in {header.token_bytes} bytes",
                why=f"{header.vocabulary_size} ids take {token_bytes_for(header.vocabulary_size)}",
                fix=AGAIN,
            )
        if size != header.file_bytes:
            state = "cut short" if size < header.file_bytes else "too long"
            raise DataError(
                f"{path} is {state}", why=f"it has {size:,} bytes, its header says {header.file_bytes:,}", fix=AGAIN
            )
        for name in ("n_tokens", "n_documents", "n_bytes"):
            if getattr(header, name) != listed[name]:
                raise DataError(
                    f"{path} is not the shard that was written",
                    why=f"its header has {name} = {getattr(header, name):,}, the split's list {listed[name]:,}",
                    fix=AGAIN,
                )
        if header.max_id >= header.vocabulary_size:
            raise DataError(
                f"{path} has the token id {header.max_id}",
                why=f"the vocabulary ends at {header.vocabulary_size - 1}",
                fix=AGAIN,
            )
        return cls(path, header)

    def verify(self, sha256: str) -> None:
        """Check the content: every id, every document boundary, the SHA-256. Raises DataError with the place."""
        self.check_ids()
        ends = np.flatnonzero(self.tokens == self.header.end_id)
        if not np.array_equal(np.append(0, ends[:-1] + 1) if len(ends) else ends, self.document_starts):
            raise DataError(
                f"{self.path} has document boundaries that don't match its tokens",
                why="every document ends with the end token, and the next one starts there",
                fix=AGAIN,
            )
        if sha256_file(self.path) != sha256:
            raise DataError(
                f"{self.path} has changed since it was written", why="its SHA-256 is not the listed one", fix=AGAIN
            )

    def check_ids(self) -> None:
        """Raises DataError with the offset of the first id outside the vocabulary."""
        piece = 1 << 24
        for first in range(0, len(self.tokens), piece):
            ids = self.tokens[first : first + piece]
            if ids.max() >= self.header.vocabulary_size:
                offset = first + int(np.argmax(ids >= self.header.vocabulary_size))
                raise DataError(
                    f"{self.path} has the token id {int(self.tokens[offset])} at token {offset:,}",
                    why=f"the vocabulary ends at {self.header.vocabulary_size - 1}: the shard is damaged",
                    fix=AGAIN,
                )
