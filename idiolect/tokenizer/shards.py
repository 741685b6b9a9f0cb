"""Documents as token files: `write` them, open a split as one long row of tokens (`Shards`), `verify` the content.

    <folder>/train.shards.json       the split's list: sizes, counts, SHA-256 of every shard, and of itself
    <folder>/train-00000.tokens      shard_file.py describes it; a document is never cut between two

Every document is its tokens followed by the end token, so the tokens alone show where documents end. The list names
the sources of the documents; `source_row.py` reads one of them as a row of its own.
"""

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from idiolect.errors import DataError
from idiolect.progress import Progress
from idiolect.rundir import canonical_json, read_json, write_atomic
from idiolect.tokenizer.encode import Tokenizer
from idiolect.tokenizer.shard_file import AGAIN, Shard
from idiolect.tokenizer.shard_writer import encoded_documents, write_shard_files

SHARD_TOKENS = 1 << 26
_LIST_KEYS = ("split", "shards", "n_tokens", "n_documents", "n_bytes", "vocabulary_size", "end_id", "tokenizer_hash")
_LIST_KEYS_2 = (*_LIST_KEYS, "sources")


def write(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    folder: Path,
    split: str,
    workers: int = 1,
    progress: Progress | None = None,
    shard_tokens: int = SHARD_TOKENS,
    sources: Iterable[str] | None = None,
    original_bytes: Iterable[int] | None = None,
) -> dict:
    """Encode a split's documents into shards and return the split's list; `sources` names the source of each.

    `original_bytes` is what each counts for in bits per byte, where its text was made easier; else its own size.

    The bytes written don't depend on `workers` (processes; 1: this one). Raises DataError naming the document that
    can't be encoded, ResourceError when the disk is full.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, int] = {}
    documents = encoded_documents(tokenizer, _numbered(texts, sources, original_bytes, numbers), workers)
    with (progress or Progress.silent()).bar(f"encoding {split}") as bar:
        shards = write_shard_files(tokenizer, documents, folder, split, shard_tokens, bar)
    listed = {
        "split": split,
        "shards": shards,
        "n_tokens": sum(shard["n_tokens"] for shard in shards),
        "n_documents": sum(shard["n_documents"] for shard in shards),
        "n_bytes": sum(shard["n_bytes"] for shard in shards),
        "vocabulary_size": tokenizer.vocabulary_size,
        "end_id": tokenizer.end_id,
        "tokenizer_hash": tokenizer.hash,
        "sources": list(numbers),
    }
    write_atomic(_list_path(folder, split), _list_text(listed))
    return listed


def _numbered(
    texts: Iterable[str], sources: Iterable[str] | None, sizes: Iterable[int] | None, numbers: dict[str, int]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Texts with their sizes and the numbers of their sources, given out in the order of their first documents."""
    named = itertools.repeat("") if sources is None else sources
    sized = itertools.repeat(-1) if sizes is None else sizes
    for text, name, size in zip(texts, named, sized, strict=sources is not None and sizes is not None):
        yield text, (numbers.setdefault(name, len(numbers)), size)


class Shards:
    """A split's tokens as one row, memory-mapped; opening checks sizes and headers, `verify` checks the content.

    Pass the tokenizer to make sure that it is the one that wrote them. Raises DataError naming the shard.
    """

    def __init__(self, folder: Path, split: str, tokenizer: Tokenizer | None = None):
        self.folder, self.split = Path(folder), split
        self.listed = _read_list(self.folder, split)
        self.n_tokens: int = self.listed["n_tokens"]
        self.n_documents: int = self.listed["n_documents"]
        self.n_bytes: int = self.listed["n_bytes"]
        self.vocabulary_size: int = self.listed["vocabulary_size"]
        self.end_id: int = self.listed["end_id"]
        self.tokenizer_hash: str = self.listed["tokenizer_hash"]
        self.sources: tuple[str, ...] = tuple(self.listed.get("sources", [""]))
        if tokenizer is not None:
            _same_tokenizer(self.tokenizer_hash, tokenizer.hash, _list_path(self.folder, split))
        self._shards = [Shard.open(self.folder / entry["file"], entry) for entry in self.listed["shards"]]
        for shard in self._shards:
            _same_tokenizer(shard.header.tokenizer_hash, self.tokenizer_hash, shard.path)
        self._first = np.cumsum([0, *(shard.header.n_tokens for shard in self._shards)])
        self.dtype = self._shards[0].header.dtype if self._shards else np.dtype("<u2")

    def __len__(self) -> int:
        return self.n_tokens

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of each shard, as listed."""
        return [entry["sha256"] for entry in self.listed["shards"]]

    @functools.cached_property
    def document_starts(self) -> np.ndarray:
        """(n_documents,) int64: where each document begins in the row."""
        parts = [s.document_starts.astype(np.int64) + a for s, a in zip(self._shards, self._first, strict=False)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    @functools.cached_property
    def document_bytes(self) -> np.ndarray:
        """(n_documents,) int64: UTF-8 bytes of each document's text."""
        parts = [shard.document_bytes.astype(np.int64) for shard in self._shards]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    @functools.cached_property
    def document_sources(self) -> np.ndarray:
        """(n_documents,) int64: each document's place in `sources`. Raises DataError when it has none there."""
        parts = [shard.document_sources.astype(np.int64) for shard in self._shards]
        found = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        if len(found) and found.max() >= len(self.sources):
            raise DataError(
                f"{_list_path(self.folder, self.split)} doesn't name the sources of all documents",
                why=f"it names {len(self.sources)}, and a document is of number {found.max()}",
                fix=AGAIN,
            )
        return found

    def ids(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Tokens [start, stop) of the row, as stored (uint16 or uint32); a view where one shard holds them all."""
        stop = self.n_tokens if stop is None else stop
        assert 0 <= start <= stop <= self.n_tokens, (start, stop, self.n_tokens)
        parts = []
        for shard, a in zip(self._shards, self._first.tolist(), strict=False):
            if start < a + len(shard.tokens) and stop > a:
                parts.append(shard.tokens[max(0, start - a) : stop - a])
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, self.dtype), *parts])

    def rows(self, starts_B: np.ndarray, width: int, out_BW: np.ndarray | None = None) -> np.ndarray:
        """(B, width) int64: `width` tokens from each start, the row taken as a ring (its end joins its beginning).

        Raises DataError naming shard and offset when an id is outside the vocabulary: the file was changed on disk.
        """
        out_BW = np.empty((len(starts_B), width), np.int64) if out_BW is None else out_BW
        start_B = starts_B % self.n_tokens
        shard_B = np.searchsorted(self._first, start_B, "right") - 1
        offset_B = start_B - self._first[shard_B]
        for row, (shard, offset) in enumerate(zip(shard_B.tolist(), offset_B.tolist(), strict=True)):
            tokens = self._shards[shard].tokens[offset : offset + width]
            # Short at a shard's end: the row goes on in the next one, or at the beginning of the first.
            out_BW[row] = tokens if len(tokens) == width else self._around(int(start_B[row]), width)
        if out_BW.size and out_BW.max() >= self.vocabulary_size:
            for shard in self._shards:
                shard.check_ids()
        return out_BW

    def _around(self, start: int, width: int) -> np.ndarray:
        turns = -(-(start + width) // self.n_tokens)
        parts = [self.ids(start, self.n_tokens), *([self.ids()] * (turns - 1))]
        return np.concatenate(parts)[:width]

    def verify(self) -> None:
        """Check every byte of every shard. Raises DataError naming the first that is wrong, and where."""
        for shard, sha256 in zip(self._shards, self.hashes, strict=True):
            shard.verify(sha256)


def verify(folder: Path) -> list[str]:
    """Check the content of every split in a folder; the splits found. Raises DataError naming the shard."""
    splits = [path.name.removesuffix(".shards.json") for path in sorted(Path(folder).glob("*.shards.json"))]
    if not splits:
        raise DataError(f"{folder} has no token shards", why="no *.shards.json is in it", fix=AGAIN)
    for split in splits:
        Shards(folder, split).verify()
    return splits


def _list_path(folder: Path, split: str) -> Path:
    return folder / f"{split}.shards.json"


def _list_text(listed: dict) -> str:
    digest = hashlib.sha256(canonical_json(listed).encode()).hexdigest()
    return canonical_json({**listed, "sha256": digest}) + "\n"


def _read_list(folder: Path, split: str) -> dict:
    path = _list_path(folder, split)
    found = read_json(path)
    # Lists of format 1 name no sources, and stay readable: finished runs were made from them.
    keys = _LIST_KEYS_2 if isinstance(found, dict) and "sources" in found else _LIST_KEYS
    listed = {key: found.get(key) for key in keys} if isinstance(found, dict) else {}
    # Compared as text: any change of the file shows, a changed space too.
    if not listed or _list_text(listed).encode() != path.read_bytes():
        raise DataError(f"{path} has changed since it was written", why="its own SHA-256 doesn't fit", fix=AGAIN)
    return listed


def _same_tokenizer(found: str, expected: str, path: Path) -> None:
    if found != expected:
        raise DataError(
            f"{path} was written with another tokenizer",
            why=f"its tokenizer is {found[:12]}, this one is {expected[:12]}: the same ids mean different text",
            fix=AGAIN,
        )
