"""The second pass: what all documents together decide, and every document into its split or among the dropped.

Stretches of documents are settled apart from each other (`piece.py`), on every core or on a cluster; what is left to
one process is to copy their row groups behind each other and to add up their tallies, in reading order. Finished
pieces stay until all is done, so a pass that was killed makes only those that are missing or spoilt.
"""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from idiolect import faults
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.gather import processes
from idiolect.corpus.joined import JoinedFile, RewrittenFile
from idiolect.corpus.ledger import Ledger
from idiolect.corpus.parts import Lots
from idiolect.corpus.piece import Settle, Settled
from idiolect.corpus.split import SPLITS
from idiolect.corpus.stretches import Stretch, stretches
from idiolect.corpus.tally import Tally
from idiolect.corpus.thrift import NotUnderstood
from idiolect.errors import ResourceError
from idiolect.progress import Progress

# A process takes a second or two to start, a stretch less than one: fewer than this many are not worth it.
STRETCHES_A_WORKER = 4


def settle(
    lots: Lots, config: CorpusConfig, names: list[str], out: Path, progress: Progress, settled: Settled
) -> Ledger:
    """Write the splits into `out`; returns the books."""
    folder = lots.folder / "pieces"
    folder.mkdir(exist_ok=True)
    ledger, work, everything = Ledger(config), Settle(config, settled, folder), list(stretches(lots))
    enter_events(lots, names, ledger)
    with progress.bar("settling", total=lots.documents) as bar:
        done = 0
        for stretch in _settled(everything, work, config):
            done += stretch.documents
            bar.update(done)
            faults.reached("corpus.after_piece")
    try:
        ledger.tally.add(_joined(everything, work, out, JoinedFile))
    except NotUnderstood as error:
        progress.warn(f"joined by reading and writing anew, which takes longer ({error})")
        ledger.tally.add(_joined(everything, work, out, RewrittenFile))
    ledger.name_bad_rows()
    return ledger


def _settled(everything: list[Stretch], work: Settle, config: CorpusConfig) -> Iterator[Stretch]:
    """The stretches whose pieces are there, each as soon as it is."""
    missing = []
    for stretch in everything:
        if work.piece(stretch).finished:
            yield stretch
        else:
            missing.append(stretch)
    n_workers = min(processes(config), len(missing) // STRETCHES_A_WORKER)
    if config.engine == "ray" and len(missing) >= 2 * STRETCHES_A_WORKER:
        from idiolect.corpus.cluster import each

        yield from each(work, missing, config)
    elif n_workers > 1:
        from idiolect.corpus.engine import each

        yield from each(work, missing, n_workers)
    else:
        for stretch in missing:
            work(stretch)
            yield stretch


def _joined(everything: list[Stretch], work: Settle, out: Path, kind: type[JoinedFile] | type[RewrittenFile]) -> Tally:
    """The splits' files out of all pieces; returns the sum of their tallies. Raises NotUnderstood."""
    whole = Tally()
    with ExitStack() as stack:
        files = {split: stack.enter_context(kind(out / f"{split}.parquet", SCHEMA)) for split in SPLITS}
        for stretch in everything:
            data, splits, tally = _piece(stretch, work)
            for number, split in enumerate(splits):
                files[split].add(io.BytesIO(data), number)
            whole.add(tally)
    return whole


def _piece(stretch: Stretch, work: Settle) -> tuple[bytes, list[str], Tally]:
    """The stretch's piece, made again where a disk lost or spoilt it."""
    found = work.piece(stretch).read()
    if found is None:
        work(stretch)
        found = work.piece(stretch).read()
    if found is None:
        raise ResourceError(
            f"{work.piece(stretch).file} is not what was written to it a moment ago",
            why="the disk or the network file system that holds it loses data",
            fix="--runs=/another/disk/runs, or the same command again: what is sound of what was finished is kept",
        )
    return found


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
                ledger.tally.count("read", "files", n=event["files"])
                ledger.tally.count("read", "bytes", n=event["n_bytes"])
                ledger.tally.count("encoding", event["encoding"], n=event["files"])
            elif what == "read" and not event["documents"]:
                ledger.skip_file(names[file], "holds no documents")
            elif what == "ignored":
                ledger.skip_file(f"{names[file]}/{event['where']}", event["why"])
            elif what == "unreadable":
                n = event["documents"]
                after = f" (after {n:,} documents, which are kept)" if n else ""
                ledger.skip_file(names[file], event["why"] + after)
