"""One split's Parquet file, written in row groups of fixed rules: equal documents give equal bytes."""

from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Fixed, so that files do not depend on how documents happened to arrive.
GROUP_ROWS, GROUP_BYTES = 8192, 8 << 20
# No statistics: nobody asks for the alphabetically first text, and it may be kilobytes of each row group's footer.
SETTINGS = {"compression": "zstd", "compression_level": 3, "store_schema": False, "write_statistics": False}


class SplitWriter:
    """Takes tables of any size and writes row groups that depend on the documents alone."""

    def __init__(self, path: Path, schema: pa.Schema):
        self._schema = schema
        self._file = pq.ParquetWriter(path, schema, **SETTINGS)
        self._held: list[pa.Table] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, table: pa.Table) -> None:
        """Further documents; columns in any order, those beyond the schema left out."""
        table = table.select(self._schema.names)
        self._held.append(table)
        self._rows += table.num_rows
        self._bytes += pc.sum(pc.binary_length(table["text"])).as_py() or 0
        while self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        held = pa.concat_tables(self._held)
        sizes = np.cumsum(pc.binary_length(held["text"]).to_numpy())
        n = min(int(np.searchsorted(sizes, GROUP_BYTES)) + 1, GROUP_ROWS, held.num_rows)
        self._file.write_table(held.slice(0, n).combine_chunks().cast(self._schema), row_group_size=GROUP_ROWS)
        self._held = [held.slice(n)]
        self._rows -= n
        self._bytes -= int(sizes[n - 1])

    def close(self) -> None:
        """Write what is left, and the footer."""
        while self._rows:
            self._write_group()
        if self._file.is_open:
            self._file.close()
