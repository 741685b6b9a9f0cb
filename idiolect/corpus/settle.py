"""The second pass: what all documents together decide, and every document into its split or among the dropped.

Stretches of documents are settled apart from each other (`piece.py`), on every core or on a cluster; what is left to
one process is to copy their row groups behind each other and to add up their tallies, in reading order. Finished
pieces stay until all is done, so a pass that was killed makes only those that are missing.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from idiolect import faults
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.gather import processes
from idiolect.corpus.joined import JoinedFile, groups_of
from idiolect.corpus.ledger import Ledger
from idiolect.corpus.parts import Lots
from idiolect.corpus.piece import Piece, Settle, Settled
from idiolect.corpus.split import SPLITS
from idiolect.corpus.stretches import Stretch, stretches
from idiolect.corpus.tally import Tally
from idiolect.progress import Progress

# A process takes a second or two to start, a stretch less than one: fewer than this many are not worth it.
STRETCHES_A_WORKER = 4


def settle(
    lots: Lots, config: CorpusConfig, names: list[str], out: Path, progress: Progress, settled: Settled
) -> Ledger:
    """Write the splits into `out`; returns the books."""
    folder = lots.folder / "pieces"
    folder.mkdir(exist_ok=True)
    ledger = Ledger(config)
    enter_events(lots, names, ledger)
    n = 0
    with progress.bar("settling", total=lots.documents) as bar:
        done = 0
        for stretch in _settled(list(stretches(lots)), Settle(config, settled, folder), config):
            n, done = n + 1, done + stretch.documents
            bar.update(done)
            faults.reached("corpus.after_piece")
    with ExitStack() as stack:
        files = {s: stack.enter_context(JoinedFile(out / f"{s}.parquet", SCHEMA)) for s in SPLITS}
        for number in range(n):
            ledger.tally.add(_joined(Piece(folder, number), files))
    ledger.name_bad_rows()
    return ledger


def _settled(all_stretches: list[Stretch], work: Settle, config: CorpusConfig) -> Iterator[Stretch]:
    """The stretches whose pieces are there, each as soon as it is."""
    missing = []
    for stretch in all_stretches:
        if Piece(work.folder, stretch.number).whole:
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


def _joined(piece: Piece, files: dict[str, JoinedFile]) -> Tally:
    """A piece's row groups, each behind what its split has already; returns the piece's tally."""
    facts = piece.facts()
    with open(piece.file, "rb") as source:
        for split, group in zip(facts["splits"], groups_of(source), strict=True):
            files[split].add(source, group)
    return Tally.of(facts["tally"])


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
