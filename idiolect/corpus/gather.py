"""The first pass: every file read once, in order; its documents, cleaned and judged on every core, put into parts.

One machine takes all files as one lot, and its cores share each file's packs. A cluster takes many lots, each worked
on one core wherever there is room, which writes its own parts: no text passes through the process that waits.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.ahead import Ahead
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.explain import unreadable
from idiolect.corpus.find import Found
from idiolect.corpus.packs import PACK_SCHEMA, read_packs
from idiolect.corpus.parts import Lots, Parts
from idiolect.corpus.work import FIELDS, RESULT, Work
from idiolect.errors import DataError
from idiolect.progress import Progress

# Starting a second process costs about a second of imports: not worth it for less text than this.
PARALLEL_BYTES = 16 << 20
LOT_BYTES = 256 << 20
UNPACKED = 3  # times its packed size, about, is a compressed text
PART_SCHEMA = pa.schema([("file", pa.int64()), *FIELDS.items(), ("original_bytes", pa.int64())])
WARNINGS = 5


def gather(found: Found, names: list[str], lots: Lots, progress: Progress) -> None:
    """Fill every lot's parts from where they end. Raises DataError for what the recipe asks and a file doesn't have."""
    told = Told(progress)
    for name, why in found.unreadable:
        told.unreadable(name, why, found.settings[0].on_unreadable)
    if lots.documents:
        progress.say(f"going on after {lots.documents:,} documents that an earlier attempt has finished")
    unfinished = [parts for parts in lots if not parts.whole]
    with progress.bar("preparing") as bar:
        if found.settings[0].engine == "ray":
            from idiolect.corpus.cluster import each_lot

            for facts in each_lot(found, names, unfinished):
                told.replay(facts)
                bar.update(told.documents, mb_per_s=told.mb_per_s)
        else:
            for parts in unfinished:
                for _ in gather_lot(found, names, parts, told, workers_for(found)):
                    bar.update(told.documents, mb_per_s=told.mb_per_s, **told.of_fetching)


def lots_of(found: Found, n_inputs: int) -> list[tuple[int, int]]:
    """Runs of files [start, stop) that are worked apart from each other."""
    if found.settings[0].engine != "ray":
        return [(0, n_inputs)]
    lots, start, size = [], 0, 0
    for index, file in enumerate(found.files, 1):
        size += file.n_bytes
        # Files that share a bound are read in turn: how many documents one may give depends on those before it.
        bound = index < len(found.files) and file.quota and file.quota == found.files[index].quota
        if size >= LOT_BYTES and index < n_inputs and not bound:
            lots.append((start, index))
            start, size = index, 0
    return [*lots, (start, n_inputs)]


def workers_for(found: Found) -> int:
    """Processes that one machine's lot is worth."""
    size = sum(f.n_bytes * (UNPACKED if f.compression else 1) for f in found.files)
    size += PARALLEL_BYTES if found.libraries else 0
    return 1 if size < PARALLEL_BYTES else processes(found.settings[0])


def processes(config: CorpusConfig) -> int:
    """As many as the recipe says, else as there are cores."""
    return config.workers or os.cpu_count() or 1


@dataclass
class Told:
    """What has been worked so far, and the warnings of which only the first few are said."""

    progress: Progress
    documents: int = 0
    n_bytes: int = 0
    fetched_bytes: int = 0
    ahead: int = 0
    warnings: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def fetched(self, n: int) -> None:
        """So many more bytes came from elsewhere."""
        self.fetched_bytes += n

    @property
    def of_fetching(self) -> dict[str, float]:
        """What came from elsewhere, and the files that wait to be read; empty when nothing did."""
        return {"fetched_mb": self.fetched_bytes / 1e6, "files_ahead": self.ahead} if self.fetched_bytes else {}

    @property
    def mb_per_s(self) -> float:
        return self.n_bytes / 1e6 / max(time.monotonic() - self.started, 1e-9)

    def event(self, name: str, event: dict, on_unreadable: str) -> None:
        """Act on one event of a file: raise, warn, or nothing."""
        if event["event"] == "error":
            raise DataError(event["what"], why=event["why"], fix=event["fix"])
        if event["event"] == "unreadable":
            after = f" (after {event['documents']:,} documents, which are kept)" if event["documents"] else ""
            self.unreadable(name, event["why"] + after, on_unreadable)

    def unreadable(self, name: str, why: str, on_unreadable: str) -> None:
        if on_unreadable == "refuse":
            raise unreadable(name, why)
        self.warn(f"{name} {why}")

    def bad_rows(self, documents: pa.Table, on_unreadable: str) -> None:
        """The rows that are no documents: refused, or named in the first warnings."""
        bad = documents.filter(pc.equal(documents["reason"], "bad_row")).slice(0, WARNINGS)
        for name, note in zip(bad["source"].to_pylist(), bad["note"].to_pylist(), strict=True):
            if on_unreadable == "refuse":
                raise unreadable(f"{name},", note)
            self.warn(f"{name}, {note}")

    def warn(self, text: str) -> None:
        if len(self.warnings) < WARNINGS and text not in self.warnings:
            self.warnings.append(text)
            more = " (further ones are in audit.json)" if len(self.warnings) == WARNINGS else ""
            self.progress.warn(f"passed over: {text}{more}")

    @property
    def facts(self) -> tuple[int, int, list[str]]:
        """What travels between machines."""
        return self.documents, self.n_bytes, self.warnings

    def replay(self, facts: tuple[int, int, list[str]]) -> None:
        """Take over the facts of another machine."""
        self.documents += facts[0]
        self.n_bytes += facts[1]
        for text in facts[2]:
            self.warn(text)


def gather_lot(found: Found, names: list[str], parts: Parts, told: Told, workers: int) -> Iterator[None]:
    """Fill one lot's parts; yields as it goes on."""
    on_unreadable = found.settings[0].on_unreadable
    writer, ended = parts.open(), False
    ahead = Ahead(found, parts, told.fetched)
    # The engine comes to rest only when its source does, and that may be waiting for a file: fetching ends first.
    with closing(_batches(found, parts, workers, ahead)) as batches, ahead:
        for table in batches:
            if writer.full:
                parts.close(writer, last=False)
                ahead.forget(parts.next[0])
                writer = parts.open()
            told.ahead = ahead.waiting
            for file, event in _events(table):
                ended = ended or event["event"] == "end"
                if not ended:
                    told.event(names[file], event, on_unreadable)
                    writer.events.append((file, event))
            documents = table.filter(pc.is_valid(table["text"]))
            if documents.num_rows:
                told.bad_rows(documents, on_unreadable)
                sizes = pc.cast(pc.binary_length(documents["text"]), pa.int64())
                documents = documents.append_column("original_bytes", sizes)
                writer.add(documents.select(PART_SCHEMA.names).cast(PART_SCHEMA))
                told.documents += documents.num_rows
                told.n_bytes += pc.sum(sizes).as_py()
                yield
        # A stream that stops early must never pass for a short corpus.
        assert ended, "the engine stopped before the last pack"
        parts.close(writer, last=True)


def _events(table: pa.Table) -> Iterator[tuple[int, dict]]:
    told = table.filter(pc.not_equal(table["event"], ""))
    for file, event in zip(told["file"].to_pylist(), told["event"].to_pylist(), strict=True):
        yield file, json.loads(event)


def _batches(found: Found, parts: Parts, workers: int, ahead: Ahead) -> Iterator[pa.Table]:
    """The worked documents and events of a lot's files as tables of whole packs, in reading order."""
    # Daft takes half a second to import: only a preparation that really happens pays for it.
    from idiolect.corpus import engine

    rules = [resolve_rule(config, found.files) for config in found.settings]
    flow = engine.Flow()

    def packs() -> Iterator[pa.Table]:
        read = read_packs(found, rules, parts.next, parts.stop, parts.read, ahead.take)
        return (pack.table(serial) for serial, pack in enumerate(read))

    frame = engine.documents_frame(
        packs, PACK_SCHEMA, Work(found.settings, rules, found.judges, found.finder), RESULT, workers, flow
    )
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
