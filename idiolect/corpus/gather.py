"""The first pass: every file read once, in order; its documents, cleaned and judged on every core, put into parts."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.explain import unreadable
from idiolect.corpus.find import Found
from idiolect.corpus.packs import PACK_SCHEMA, read_packs
from idiolect.corpus.parts import Parts
from idiolect.corpus.work import FIELDS, RESULT, Work
from idiolect.errors import DataError
from idiolect.progress import Bar, Progress

# Starting a second process costs about a second of imports: not worth it for less text than this.
PARALLEL_BYTES = 16 << 20
PART_SCHEMA = pa.schema([("file", pa.int64()), *FIELDS.items()])
WARNINGS = 5


@dataclass
class Gathering:
    """What one preparation says while its first pass runs."""

    found: Found
    progress: Progress
    bar: Bar
    documents: int = 0
    n_bytes: int = 0
    warned: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def refuse(self) -> bool:
        return self.found.settings[0].on_unreadable == "refuse"

    def advance(self, table: pa.Table) -> None:
        self.documents += table.num_rows
        self.n_bytes += pc.sum(pc.binary_length(table["text"])).as_py() or 0
        seconds = max(time.monotonic() - self.started, 1e-9)
        self.bar.update(self.documents, mb_per_s=self.n_bytes / 1e6 / seconds)

    def note(self, name: str, event: dict) -> None:
        """Act on one event of a file: raise, warn, or nothing."""
        if event["event"] == "error":
            raise DataError(event["what"], why=event["why"], fix=event["fix"])
        if event["event"] == "unreadable":
            if self.refuse:
                raise unreadable(name, event["why"])
            after = f" (after {event['documents']:,} documents, which are kept)" if event["documents"] else ""
            self.warn(f"{name} {event['why']}{after}")

    def note_bad_rows(self, table: pa.Table) -> None:
        """The rows that are no documents: refused, or named in the first warnings."""
        bad = table.filter(pc.equal(table["reason"], "bad_row")).select(["source", "note"])
        for name, note in zip(*(bad.slice(0, WARNINGS)[c].to_pylist() for c in ("source", "note")), strict=True):
            if self.refuse:
                where, _, why = note.partition(": ")
                raise unreadable(name, f"{where} is {why}")
            self.warn(f"{name}, {note}")

    def warn(self, text: str) -> None:
        self.warned += 1
        if self.warned <= WARNINGS:
            more = " (further ones are in audit.json)" if self.warned == WARNINGS else ""
            self.progress.warn(f"passed over: {text}{more}")


def gather(found: Found, names: list[str], parts: Parts, progress: Progress) -> None:
    """Fill `parts` from where they end. Raises DataError for what the recipe asks and a file doesn't have."""
    if parts.whole:
        return
    with progress.bar("preparing") as bar, closing(_batches(found, parts.start)) as batches:
        told = Gathering(found, progress, bar)
        for name, why in found.unreadable:
            told.note(name, {"event": "unreadable", "why": why, "documents": 0})
        if parts.documents:
            progress.say(f"going on after {parts.documents:,} documents that an earlier attempt has finished")
        writer, ended = parts.open(), False
        for table in batches:
            if writer.full:
                parts.close(writer, last=False)
                writer = parts.open()
            for file, event in _events(table):
                ended = ended or event["event"] == "end"
                if not ended:
                    told.note(names[file], event)
                    writer.events.append((file, event))
            documents = table.filter(pc.is_valid(table["text"]))
            if documents.num_rows:
                told.note_bad_rows(documents)
                writer.add(documents.select(PART_SCHEMA.names).cast(PART_SCHEMA))
                told.advance(documents)
        # A stream that stops early must never pass for a short corpus.
        assert ended, "the engine stopped before the last pack"
        parts.close(writer, last=True)


def _events(table: pa.Table) -> Iterator[tuple[int, dict]]:
    told = table.filter(pc.not_equal(table["event"], ""))
    for file, event in zip(told["file"].to_pylist(), told["event"].to_pylist(), strict=True):
        yield file, json.loads(event)


def _batches(found: Found, start: tuple[int, int]) -> Iterator[pa.Table]:
    """The worked documents and events of every file as tables of whole packs, in reading order."""
    # Daft takes half a second to import: only a preparation that really happens pays for it.
    from idiolect.corpus import engine

    rules = [resolve_rule(config, found.files) for config in found.settings]
    config = found.settings[0]
    size = sum(f.n_bytes for f in found.files) + (PARALLEL_BYTES if found.default_split is not None else 0)
    workers = 1 if size < PARALLEL_BYTES else config.workers or os.cpu_count() or 1
    flow = engine.Flow()

    def packs() -> Iterator[pa.Table]:
        return (pack.table(serial) for serial, pack in enumerate(read_packs(found, rules, start)))

    engine.start(config.engine)
    frame = engine.documents_frame(packs, PACK_SCHEMA, Work(found.settings), RESULT, workers, flow)
    with closing(engine.run(frame, flow)) as batches:
        yield from whole_packs(pa.Table.from_batches([batch]) for batch in batches)


def whole_packs(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, cut only where a pack ends: a part that ends inside one could not be gone on from."""
    held: list[pa.Table] = []
    for table in tables:
        last = table["serial"][-1].as_py()
        first_of_last = pc.index(table["serial"], last).as_py()
        if held and held[-1]["serial"][-1].as_py() != table["serial"][0].as_py():
            yield pa.concat_tables(held)
            held = []
        if first_of_last:
            yield pa.concat_tables([*held, table.slice(0, first_of_last)])
            held = []
        held.append(table.slice(first_of_last))
    if held:
        yield pa.concat_tables(held)
