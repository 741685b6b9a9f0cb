"""One stretch of documents, settled: a pure function of the documents and of what is known of all of them.

A piece is a Parquet file with at most one row group for each split, and a record, which makes it valid: a checksum,
and as JSON the tally and which splits these are. Any worker that sees the folder can make any piece.
"""

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
from idiolect.corpus.tally import Tally
from idiolect.corpus.transformed import transformed
from idiolect.corpus.writer import SETTINGS
from idiolect.rundir import write_atomic

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
        """Its checksum, splits and tally, written last."""
        return self.file.with_suffix(".record")

    @property
    def finished(self) -> bool:
        """Whether its maker came to the end; `read` looks closer."""
        return self.record.exists() and self.file.exists()

    def write(self, data: bytes, splits: list[str], tally: Tally) -> None:
        """Store what was made of the stretch. Raises ResourceError."""
        # Read by us alone, so NaN may stand in it.
        facts = json.dumps({"splits": splits, "tally": tally.facts()}).encode()
        # Whole or not at all: a machine that was given up for lost may still be writing the same piece.
        write_atomic(self.file, data)
        write_atomic(self.record, b"%d\n" % _checksum(data, facts) + facts)

    def read(self) -> tuple[bytes, list[str], Tally] | None:
        """What was stored; None where it is not there, or not what it was."""
        try:
            data = self.file.read_bytes()
            checksum, _, facts = self.record.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if checksum != b"%d" % _checksum(data, facts):
            return None
        said = json.loads(facts)
        return data, said["splits"], Tally.of(said["tally"])


def _checksum(data: bytes, facts: bytes) -> int:
    return zlib.crc32(facts, zlib.crc32(data))


class Settle:
    """The second pass over one stretch: a picklable callable."""

    def __init__(self, config: CorpusConfig, settled: Settled, folder: Path):
        self.config, self.settled, self.folder = config, settled, folder

    def __call__(self, stretch: Stretch) -> None:
        """Write the stretch's piece. Raises ResourceError."""
        ledger, out, splits = Ledger(self.config), io.BytesIO(), []
        kept = self._kept(stretch, ledger)
        with pq.ParquetWriter(out, SCHEMA, **SETTINGS) as file:
            for split in SPLITS:
                if tables := kept.pop(split):
                    some = pa.concat_tables(tables).combine_chunks()
                    del tables
                    file.write_table(some, row_group_size=some.num_rows)
                    splits.append(split)
        self.piece(stretch).write(out.getvalue(), splits, ledger.tally)

    def piece(self, stretch: Stretch) -> Piece:
        """Where the stretch's piece is, or will be."""
        return Piece(self.folder, stretch.number)

    def _kept(self, stretch: Stretch, ledger: Ledger) -> dict[str, list[pa.Table]]:
        """What each split keeps, as it is to be written; the books of it all are entered into `ledger`."""
        kept: dict[str, list[pa.Table]] = {split: [] for split in SPLITS}
        first = stretch.first
        for table in stretch.tables(ROWS):
            n = table.num_rows
            table, reasons = self._settled(first, table, ledger)
            for split, tables in kept.items():
                some = table.filter(pc.and_(pa.array(reasons == KEPT), pc.equal(table["split"], split)))
                if some.num_rows:
                    # Cutting and transforming leave other kinds of strings behind in some.
                    tables.append(some.select(SCHEMA.names).cast(SCHEMA))
            first += n
        return kept

    def _settled(self, first: int, table: pa.Table, ledger: Ledger) -> tuple[pa.Table, np.ndarray]:
        """Documents of which the first is number `first` of all, as they are now, and the reasons why they fall."""
        verdicts, copies, leaks = self.settled.verdicts, self.settled.copies, self.settled.leaks
        if leaks:
            leaks.enter(table, ledger.tally)
        reasons = verdicts.enter(table, ledger.tally)
        table = copies.enter(first, table, reasons, ledger.tally)
        table = transformed(table, reasons, self.config, ledger.tally)
        table = Nearest(self.config, ledger.tally).enter(table, reasons, verdicts.measures(table))
        ledger.enter(table, reasons, first)
        return table, reasons
