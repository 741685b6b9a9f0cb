"""The corpus stage, start to end: find files, read, clean, drop, split, write, keep the books.

`prepare` is the whole of it. Files are read once, in order, by one reader; packs of documents are cleaned in
parallel (`engine`, `work`) and come back in order, which makes the result independent of how many there were.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.documents import Document
from idiolect.corpus.exact.process import described
from idiolect.corpus.explain import check_result, say_result, unreadable
from idiolect.corpus.find import EXACT, Found, find
from idiolect.corpus.ledger import Ledger, SplitWriter
from idiolect.corpus.packs import PACK_SCHEMA, read_packs
from idiolect.corpus.sources import default
from idiolect.corpus.split import SPLITS, place_of
from idiolect.corpus.work import FIELDS, RESULT, Work
from idiolect.errors import DataError, RecipeError
from idiolect.progress import Bar, Progress
from idiolect.rundir import write_json

# Starting a second process costs about a second of imports: not worth it for less text than this.
PARALLEL_BYTES = 16 << 20
WARNINGS = 5


def prepare(config: CorpusConfig, out: Path, progress: Progress) -> dict:
    """Write `{train,validation,test,dropped}.parquet` and `audit.json` into `out`; returns the audit.

    Byte-identical for the same input and settings, whatever the number of workers. Raises DataError when nothing is
    found, nothing is left, a held-out part is empty, or (on_unreadable = refuse) a file can't be used.
    """
    _check_pattern(config)
    found = find(config)
    libraries = default.libraries() if found.default_split is not None else []
    names = [f.name for f in found.files] + [library.name for library in libraries] + [EXACT] * found.exact
    ledger = Ledger(config)
    for name, why in found.ignored:
        ledger.skip_file(name, why)
    for name, why in found.unreadable:
        _note({"event": "unreadable", "why": why, "documents": 0}, name, config, ledger, progress)
    with ExitStack() as stack:
        writers = {s: stack.enter_context(closing(SplitWriter(out / f"{s}.parquet"))) for s in SPLITS}
        bar = stack.enter_context(progress.bar("preparing"))
        rows = stack.enter_context(closing(_rows(config, found)))
        # Texts drawn from a known law may repeat themselves: that is part of the law.
        unique = config.drop_duplicates and not found.exact
        _collect(rows, config, names, writers, ledger, bar, progress, unique)
    check_result(config, ledger)
    ledger.write_dropped(out / "dropped.parquet")
    audit = ledger.audit()
    audit["libraries"] = [{"library": x.name, "version": x.version, "licence": x.licence} for x in libraries]
    if found.exact:
        audit["exact"] = described(config.exact)
    write_json(out / "audit.json", audit)
    say_result(audit, progress)
    return audit


def _check_pattern(config: CorpusConfig) -> None:
    try:
        pc.match_substring_regex(pa.array([""]), config.document_start)
    except pa.ArrowInvalid as error:
        raise RecipeError(
            f"corpus.document_start = {config.document_start!r} is not a regular expression",
            why=str(error),
            fix='--corpus.document_start="^ = [^=].* = $" (RE2 syntax; no look-around, no back-references)',
        ) from None


def _collect(
    rows: Iterator[tuple],
    config: CorpusConfig,
    names: list[str],
    writers: dict[str, SplitWriter],
    ledger: Ledger,
    bar: Bar,
    progress: Progress,
    unique: bool,
) -> None:
    """Every document into its split or among the dropped; every event into the books."""
    started, n_bytes = time.monotonic(), 0
    for file, event, position, name, text, label, licence, split, digest, reason, changed in rows:
        if event:
            _note(json.loads(event), names[file], config, ledger, progress)
            continue
        if text is None:
            continue
        source = f"{names[file]}/{name}" if name else names[file]
        document = Document(
            _id(source, position), text, source, licence, default.LANGUAGE if name else config.language, label
        )
        size = len(text.encode())
        n_bytes += size
        ledger.read_documents += 1
        ledger.changed += changed
        if not reason and unique and not ledger.is_new(digest):
            reason = "duplicate"
        if reason:
            ledger.drop(reason, document)
        else:
            ledger.keep(document, split, size, place_of(digest))
            writers[split].add((document.id, text, source, licence, document.language, label), size)
        if ledger.read_documents % 64 == 0:
            bar.update(ledger.read_documents, mb_per_s=n_bytes / 1e6 / (time.monotonic() - started))
    bar.update(ledger.read_documents, mb_per_s=n_bytes / 1e6 / max(time.monotonic() - started, 1e-9))


def _id(source: str, position: int | str) -> str:
    return hashlib.blake2b(f"{source}\0{position}".encode(), digest_size=8).hexdigest()


def _rows(config: CorpusConfig, found: Found) -> Iterator[tuple]:
    """The cleaned documents and the events of every file, in reading order, as plain tuples."""
    # Daft takes half a second to import: only a preparation that really happens pays for it.
    from idiolect.corpus import engine

    rule = resolve_rule(config, found.files)
    size = sum(f.n_bytes for f in found.files) + (PARALLEL_BYTES if found.default_split is not None else 0)
    workers = 1 if size < PARALLEL_BYTES else config.workers or os.cpu_count() or 1
    flow = engine.Flow()

    def packs() -> Iterator[pa.Table]:
        return (pack.table(serial) for serial, pack in enumerate(read_packs(found, config, rule)))

    work = Work(config, found.default_split or "")
    frame = engine.documents_frame(packs, PACK_SCHEMA, work, RESULT, workers, flow)
    ended = False
    with closing(engine.run(frame, flow)) as batches:
        for batch in batches:
            columns = [batch.column(name).to_pylist() for name in ("file", "event", *FIELDS)]
            for row in zip(*columns, strict=True):
                ended = ended or '"end"' in row[1]
                yield row
    # A stream that stops early must never pass for a short corpus.
    assert ended, "the engine stopped before the last pack"


def _note(event: dict, name: str, config: CorpusConfig, ledger: Ledger, progress: Progress) -> None:
    """One event of a file: found readable, a bad row, the end, or what makes it unusable."""
    what = event["event"]
    if what == "opened":
        ledger.files_read += event["files"]
        ledger.read_bytes += event["n_bytes"]
        ledger.encodings[event["encoding"]] = ledger.encodings.get(event["encoding"], 0) + event["files"]
        return
    if what == "end":
        return
    if what == "error":
        raise DataError(event["what"], why=event["why"], fix=event["fix"])
    if what == "read":
        if not event["documents"]:
            ledger.skip_file(name, "holds no documents")
        return
    if config.on_unreadable == "refuse":
        where = f"{event['where']} is " if what == "row" else ""
        raise unreadable(name, f"{where}{event['why']}")
    if what == "row":
        ledger.bad_row(name, event["where"], event["why"])
        ledger.read_documents += 1
        ledger.drop("bad_row", Document(_id(name, event["where"]), event["text"], name, "", "", ""))
        shown, text = ledger.n_bad_rows, f"{name}, {event['where']}: {event['why']}"
    else:
        after = f" (after {event['documents']:,} documents, which are kept)" if event["documents"] else ""
        ledger.skip_file(name, event["why"] + after)
        shown, text = ledger.n_skipped, f"{name} {event['why']}{after}"
    if shown <= WARNINGS:
        progress.warn(f"passed over: {text}" + (" (further ones are in audit.json)" if shown == WARNINGS else ""))
