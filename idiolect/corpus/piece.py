"""One stretch of documents, settled: a pure function of the documents and of what is known of all of them.

A piece is a Parquet file with at most one row group for each split, and a JSON file, which makes it valid, with the
tally and which splits these are. Any worker that sees the folder can make any piece.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.copies import Copies, Leaks
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.judged import Verdicts
from idiolect.corpus.ledger import KEPT, Ledger
from idiolect.corpus.near import Nearest
from idiolect.corpus.split import SPLITS
from idiolect.corpus.stretches import Stretch
from idiolect.corpus.transformed import transformed
from idiolect.corpus.writer import SETTINGS
from idiolect.rundir import fsync_path, write_atomic

# Documents whose texts may be held as Python's own strings at once.
ROWS = 8192


@dataclass(frozen=True)
class Settled:
    """What is known of all documents together before any of them is written; picklable and small."""

    verdicts: Verdicts
    copies: Copies
    leaks: Leaks | None


@dataclass(frozen=True)
class Piece:
    """What is made of one stretch, in a folder that all workers see."""

    folder: Path
    number: int

    @property
    def file(self) -> Path:
        """Its row groups."""
        return self.folder / f"piece-{self.number:07d}.parquet"

    @property
    def record(self) -> Path:
        """Its splits, tally and size, written last."""
        return self.file.with_suffix(".json")

    def facts(self) -> dict:
        """What its record says."""
        return json.loads(self.record.read_text(encoding="utf-8"))

    @property
    def whole(self) -> bool:
        """Whether it was finished by whoever made it."""
        if not (self.record.exists() and self.file.exists()):
            return False
        return self.file.stat().st_size == self.facts()["file_bytes"]


class Settle:
    """The second pass over one stretch: a picklable callable."""

    def __init__(self, config: CorpusConfig, settled: Settled, folder: Path):
        self.config, self.settled, self.folder = config, settled, folder

    def __call__(self, stretch: Stretch) -> None:
        """Write the stretch's piece."""
        piece, ledger = Piece(self.folder, stretch.number), Ledger(self.config)
        kept = list(self._settled(stretch, ledger))
        splits = []
        with pq.ParquetWriter(piece.file, SCHEMA, **SETTINGS) as file:
            for split in SPLITS:
                some = pa.concat_tables([table.filter(pc.equal(sides, split)) for table, sides in kept])
                if some.num_rows:
                    file.write_table(some.combine_chunks().cast(SCHEMA), row_group_size=some.num_rows)
                    splits.append(split)
        fsync_path(piece.file)
        size = piece.file.stat().st_size
        facts = {"splits": splits, "file_bytes": size, "tally": ledger.tally.facts()}
        # Read by us alone, so NaN may stand in it.
        write_atomic(piece.record, json.dumps(facts))

    def _settled(self, stretch: Stretch, ledger: Ledger) -> Iterator[tuple[pa.Table, pa.ChunkedArray]]:
        """What is kept, as it is to be written, and the split of each."""
        verdicts, copies, leaks = self.settled.verdicts, self.settled.copies, self.settled.leaks
        tally, whole = ledger.tally, stretch.table()
        nearest = Nearest(self.config, tally)
        for start in range(0, whole.num_rows, ROWS):
            table, first = whole.slice(start, ROWS), stretch.first + start
            if leaks:
                leaks.enter(table, tally)
            reasons = verdicts.enter(table, tally)
            table = copies.enter(first, table, reasons, tally)
            table = transformed(table, reasons, self.config, tally)
            table = nearest.enter(table, reasons, verdicts.measures(table))
            ledger.enter(table, reasons, first)
            kept = table.filter(pa.array(reasons == KEPT))
            yield kept.select(SCHEMA.names), kept["split"]
