"""Finished parts of a preparation: what a killed one has to show, and where the next one goes on.

A part holds some 64 MB of documents, cleaned and judged, dropped ones too, in reading order: `part-00007.parquet`,
then `part-00007.json`, which makes it valid. How documents fall into parts never matters to what comes out of them.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from idiolect import faults
from idiolect.errors import FetchError, ResourceError
from idiolect.rundir import fsync_path, write_json

PART_BYTES = 64 << 20
# After these the same command goes on behind the finished parts. Any other error of ours asks for another recipe or
# other files, so nobody will come back for them.
RESUMED = (FetchError, ResourceError)
Event = tuple[int, dict]  # file, what happened to it


@dataclass
class Part:
    """One finished part: its documents, the events of its files, and where the next part begins."""

    path: Path
    documents: int
    events: list[Event]
    next: tuple[int, int]
    last: bool

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The part's documents."""
        return pq.read_table(self.path, columns=columns)


class Parts:
    """The folder of the parts of one lot: of the inputs from `first` up to, and without, `stop`."""

    def __init__(self, folder: Path, schema: pa.Schema, first: int, stop: int):
        self.folder, self.schema, self.first, self.stop = Path(folder), schema, first, stop
        self.folder.mkdir(parents=True, exist_ok=True)
        self.look()

    def look(self) -> None:
        """See which parts are there."""
        self._done = list(self._found())

    def _found(self) -> Iterator[Part]:
        number = 0
        while (record := self.folder / f"part-{number:05d}.json").exists():
            facts = json.loads(record.read_text(encoding="utf-8"))
            path = record.with_suffix(".parquet")
            if not path.exists() or path.stat().st_size != facts["file_bytes"]:
                return
            events = [(file, event) for file, event in facts["events"]]
            yield Part(path, facts["documents"], events, tuple(facts["next"]), facts["last"])
            number += 1

    def __iter__(self) -> Iterator[Part]:
        return iter(self._done)

    @property
    def next(self) -> tuple[int, int]:
        """File and position of the first document that no part holds."""
        return self._done[-1].next if self._done else (self.first, 0)

    @property
    def read(self) -> dict[int, int]:
        """How many documents each file gave that was read to its end, or to where it could be read no further."""
        events = [(file, event) for part in self for file, event in part.events]
        return {file: event["documents"] for file, event in events if event["event"] in ("read", "unreadable")}

    @property
    def fetched(self) -> dict[int, dict]:
        """What was fetched of each file that lay elsewhere: its version, SHA-256 and bytes."""
        events = [(file, event) for part in self for file, event in part.events]
        return {file: event for file, event in reversed(events) if event["event"] == "fetched"}

    @property
    def whole(self) -> bool:
        """Whether the last part is there."""
        return bool(self._done) and self._done[-1].last

    @property
    def documents(self) -> int:
        """Documents in all parts."""
        return sum(part.documents for part in self._done)

    def open(self) -> "PartWriter":
        """The next part, to be written."""
        return PartWriter(self.folder / f"part-{len(self._done):05d}.parquet", self.schema)

    def close(self, writer: "PartWriter", *, last: bool) -> None:
        """Make a written part valid."""
        self._done.append(writer.finish(last))


@dataclass
class PartWriter:
    """A part while it grows; nothing counts until `finish`."""

    path: Path
    schema: pa.Schema
    n_bytes: int = 0
    documents: int = 0
    events: list[Event] = field(default_factory=list)
    next: tuple[int, int] = (0, 0)

    def __post_init__(self):
        # Read back once and thrown away: speed counts for more than size.
        settings = {"compression": "lz4", "use_dictionary": False, "store_schema": False}
        self._file = pq.ParquetWriter(self.path, self.schema, **settings)

    @property
    def full(self) -> bool:
        return self.n_bytes >= PART_BYTES

    def add(self, table: pa.Table) -> None:
        """Whole packs, in reading order."""
        self._file.write_table(table)
        self.n_bytes += table.nbytes
        self.documents += table.num_rows
        self.next = (table["file"][-1].as_py(), table["position"][-1].as_py() + 1)

    def finish(self, last: bool) -> Part:
        self._file.close()
        fsync_path(self.path)
        facts = {
            "documents": self.documents,
            "events": self.events,
            "next": self.next,
            "last": last,
            "file_bytes": self.path.stat().st_size,
        }
        write_json(self.path.with_suffix(".json"), facts)
        faults.reached("corpus.after_part")
        return Part(self.path, self.documents, self.events, self.next, last)


class Lots:
    """The parts of every lot of a preparation, in reading order."""

    def __init__(self, folder: Path, schema: pa.Schema, ranges: list[tuple[int, int]]):
        # Other machines of a cluster stand in other folders.
        self.folder = Path(folder).absolute()
        self._lots = [Parts(self.folder / f"lot-{a:06d}-{b:06d}", schema, a, b) for a, b in ranges]

    def __iter__(self) -> Iterator[Parts]:
        return iter(self._lots)

    @property
    def documents(self) -> int:
        """Documents in all finished parts."""
        return sum(part.documents for part in self.parts())

    def parts(self) -> Iterator[Part]:
        """Every finished part. Lots may have been filled elsewhere, so their folders are looked at again."""
        for lot in self._lots:
            lot.look()
            yield from lot

    def remove(self) -> None:
        """Delete all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)
