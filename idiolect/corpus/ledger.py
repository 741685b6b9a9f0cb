"""The books of a preparation: what was read, kept and dropped, why, and samples of everything dropped.

The account balances: documents read = kept + dropped, each drop under one reason.
"""

import hashlib
import heapq
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import SCHEMA, Document
from idiolect.corpus.split import SPLITS

AUDIT_SAMPLES = 5
SAMPLE_CHARACTERS = 300
NAMED_FILES = 1000
# Fixed, so that files do not depend on how documents happened to arrive.
GROUP_ROWS, GROUP_BYTES = 8192, 8 << 20


class SplitWriter:
    """One split's Parquet file, written in row groups of fixed rules: equal documents give equal bytes."""

    def __init__(self, path: Path, schema: pa.Schema = SCHEMA):
        self._schema = schema
        self._file = pq.ParquetWriter(path, schema, compression="zstd", compression_level=3, store_schema=False)
        self._rows: list[tuple] = []
        self._bytes = 0

    def add(self, row: tuple, n_bytes: int) -> None:
        self._rows.append(row)
        self._bytes += n_bytes
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in self._schema)
        arrays = [pa.array(list(c), f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=GROUP_ROWS)
        self._rows, self._bytes = [], 0

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._file.close()


class Ledger:
    """Counts and samples; nothing here grows with the corpus but the set of digests that finds duplicates."""

    def __init__(self, config: CorpusConfig):
        self.config = config
        self.files_read = self.read_bytes = self.read_documents = self.changed = 0
        self.kept = {split: {"documents": 0, "bytes": 0, "characters": 0} for split in SPLITS}
        self.dropped: dict[str, dict] = {}
        self.sources: dict[tuple[str, str], dict] = {}
        self.encodings: dict[str, int] = {}
        self.skipped_files: list[dict] = []
        self.n_skipped = self.n_bad_rows = 0
        self.lengths: dict[int, int] = {}
        self.next_place = 1.0
        self._samples: dict[str, list] = {}
        self._seen: set[bytes] = set()

    def is_new(self, digest: bytes) -> bool:
        """Whether this text is met for the first time. About 100 bytes of memory for each document."""
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    def keep(self, document: Document, split: str, n_bytes: int, place: float) -> None:
        """Enter a kept document; `place` is where its hash stands between 0 and 1."""
        if place >= self.config.test_fraction:
            self.next_place = min(self.next_place, place)
        into = self.kept[split]
        into["documents"] += 1
        into["bytes"] += n_bytes
        into["characters"] += len(document.text)
        source = self.sources.setdefault((document.library, document.licence), {"documents": 0, "bytes": 0})
        source["documents"] += 1
        source["bytes"] += n_bytes
        bucket = max(len(document.text) - 1, 0).bit_length()
        self.lengths[bucket] = self.lengths.get(bucket, 0) + 1

    def drop(self, reason: str, document: Document) -> None:
        """Enter a dropped document; samples are drawn by hash, the same ones every time."""
        n_bytes = len(document.text.encode())
        entry = self.dropped.setdefault(reason, {"documents": 0, "bytes": 0})
        entry["documents"] += 1
        entry["bytes"] += n_bytes
        if not self.config.dropped_samples:
            return
        key = -int.from_bytes(hashlib.blake2b(f"{reason}\0{document.id}".encode(), digest_size=8).digest(), "big")
        heap = self._samples.setdefault(reason, [])
        item = (key, document.id, document)
        if len(heap) < self.config.dropped_samples:
            heapq.heappush(heap, item)
        elif item[:2] > heap[0][:2]:
            heapq.heapreplace(heap, item)

    def skip_file(self, name: str, why: str) -> None:
        """Name a file that was passed over; from the thousandth on they are only counted."""
        self.n_skipped += 1
        if len(self.skipped_files) < NAMED_FILES:
            self.skipped_files.append({"file": name, "reason": why})

    def bad_row(self, name: str, where: str, why: str) -> None:
        """Name a row that was passed over."""
        self.n_bad_rows += 1
        if len(self.skipped_files) < NAMED_FILES:
            self.skipped_files.append({"file": name, "reason": f"{where}: {why}"})

    def samples(self, reason: str) -> list[Document]:
        """The kept samples of one reason, by id."""
        return sorted((d for _, _, d in self._samples.get(reason, [])), key=lambda d: d.id)

    def write_dropped(self, path: Path) -> None:
        """dropped.parquet: the samples with their reasons."""
        writer = SplitWriter(path, pa.schema([pa.field("reason", pa.string()), *SCHEMA]))
        for reason in sorted(self.dropped):
            for d in self.samples(reason):
                writer.add((reason, d.id, d.text, d.source, d.licence, d.language, d.label), len(d.text))
        writer.close()

    def audit(self) -> dict:
        """What `audit.json` says; no time, path or machine in it, so that it is equal for equal input."""
        n_kept = sum(s["documents"] for s in self.kept.values())
        n_dropped = sum(d["documents"] for d in self.dropped.values())
        assert self.read_documents == n_kept + n_dropped, f"{self.read_documents} != {n_kept} + {n_dropped}"
        licences: dict[str, int] = {}
        for (_, licence), entry in self.sources.items():
            licences[licence] = licences.get(licence, 0) + entry["documents"]
        return {
            "read": {"files": self.files_read, "documents": self.read_documents, "bytes": self.read_bytes},
            "kept": self.kept,
            "dropped": {
                reason: {**entry, "samples": [_shown(d) for d in self.samples(reason)[:AUDIT_SAMPLES]]}
                for reason, entry in sorted(self.dropped.items())
            },
            "cleaned": {"documents": self.changed},
            "sources": [
                {"source": source, "licence": licence, **entry}
                for (source, licence), entry in sorted(self.sources.items())
            ],
            "lengths": [
                {"characters_from": (1 << (b - 1)) + 1 if b else 1, "characters_to": 1 << b, "documents": n}
                for b, n in sorted(self.lengths.items())
            ],
            "encodings": dict(sorted(self.encodings.items())),
            "skipped_files": self.skipped_files,
            "n_skipped_files": self.n_skipped,
            "n_skipped_rows": self.n_bad_rows,
            "licences": dict(sorted(licences.items())),
        }


def _shown(document: Document) -> dict:
    return {"id": document.id, "source": document.source, "text": document.text[:SAMPLE_CHARACTERS]}
