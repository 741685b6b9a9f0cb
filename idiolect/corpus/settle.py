"""The second pass: what all documents together decide, and every document into its split or among the dropped."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.copies import Copies, Leaks
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.judged import Verdicts
from idiolect.corpus.ledger import Ledger
from idiolect.corpus.parts import Lots, Part
from idiolect.corpus.split import SPLITS
from idiolect.corpus.transformed import transformed
from idiolect.corpus.writer import SplitWriter
from idiolect.progress import Progress

# Documents held at once while the parts are read again.
ROWS = 8192


@dataclass(frozen=True)
class Settled:
    """What is known of all documents together before any of them is written."""

    verdicts: Verdicts
    copies: Copies
    leaks: Leaks | None


def settle(
    lots: Lots, config: CorpusConfig, names: list[str], out: Path, progress: Progress, settled: Settled
) -> Ledger:
    """Write the splits into `out`; returns the books."""
    ledger = Ledger(config)
    enter_events(lots, names, ledger)
    with ExitStack() as stack:
        writers = {s: stack.enter_context(SplitWriter(out / f"{s}.parquet", SCHEMA)) for s in SPLITS}
        bar = stack.enter_context(progress.bar("writing", total=lots.documents))
        first = 0
        for part in lots.parts():
            for table in _tables(part):
                if settled.leaks:
                    settled.leaks.enter(table)
                reasons = settled.verdicts.enter(table)
                table = settled.copies.enter(first, table, reasons)
                table = transformed(table, reasons, config, ledger.not_transformed)
                table = ledger.nearest.enter(table, reasons, settled.verdicts.measures(table))
                _enter(table, reasons, ledger, writers)
                first += table.num_rows
                bar.update(first)
    return ledger


def _tables(part: Part) -> Iterator[pa.Table]:
    table = part.table()
    table = table.append_column("original_bytes", pc.cast(pc.binary_length(table["text"]), pa.int64()))
    for start in range(0, table.num_rows, ROWS):
        yield table.slice(start, ROWS)


def _enter(table: pa.Table, reasons: np.ndarray, ledger: Ledger, writers: dict[str, SplitWriter]) -> None:
    ledger.read_documents += table.num_rows
    ledger.changed += pc.sum(table["changed"]).as_py() or 0
    ledger.note(table)
    for reason in sorted(set(reasons) - {""}):
        dropped = table.filter(pa.array(reasons == reason))
        ledger.drop(reason, dropped)
        if reason == "bad_row":
            for name, note in zip(dropped["source"].to_pylist(), dropped["note"].to_pylist(), strict=True):
                ledger.bad_row(name, note)
    kept = table.filter(pa.array(reasons == ""))
    for split in SPLITS:
        documents = kept.filter(pc.equal(kept["split"], split))
        ledger.keep(documents, split)
        writers[split].add(documents)
    ledger.place(digests_of(kept)[:, 0])


def digests_of(table: pa.Table) -> np.ndarray:
    """uint64[n, 2], most significant first."""
    whole = b"".join(table["digest"].to_pylist())
    return np.frombuffer(whole, dtype=">u8").reshape(-1, 2)


def enter_events(lots: Lots, names: list[str], ledger: Ledger) -> None:
    """What happened to each file; an attempt that went on in the middle of a file said some of it twice."""
    seen: set[tuple[int, str, str]] = set()
    for part in lots.parts():
        for file, event in part.events:
            what = event["event"]
            key = (file, what, event.get("where", ""))
            if key in seen:
                continue
            seen.add(key)
            if what == "opened":
                ledger.files_read += event["files"]
                ledger.read_bytes += event["n_bytes"]
                ledger.encodings[event["encoding"]] += event["files"]
            elif what == "read" and not event["documents"]:
                ledger.skip_file(names[file], "holds no documents")
            elif what == "ignored":
                ledger.skip_file(f"{names[file]}/{event['where']}", event["why"])
            elif what == "unreadable":
                n = event["documents"]
                after = f" (after {n:,} documents, which are kept)" if n else ""
                ledger.skip_file(names[file], event["why"] + after)
