"""`.parquet`: one document a row, read a row group at a time, with no size believed before it is checked."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import Columns, place_rows, raw_of, resolve_columns
from idiolect.corpus.streams import RATIO_FLOOR, Unreadable

ROWS = 1024


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document a row. Raises Unreadable when the footer or a page is broken, or the content a bomb."""
    if file.compression:
        raise Unreadable(f"is a compressed Parquet file; unpack the {file.compression} first")
    try:
        with pq.ParquetFile(file.path) as table:
            columns = resolve_columns(config, file, table.schema_arrow.names)
            size = sum(table.metadata.row_group(i).total_byte_size for i in range(table.num_row_groups))
            _check_size(size, file, config)
        yield Opened("parquet", size)
        yield from place_rows(lambda: _rows(file, columns, config), file, config)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"is not a valid Parquet file: {str(error).splitlines()[0]}") from error


def _rows(file: InputFile, columns: Columns, config: CorpusConfig) -> Iterator[Raw | BadRow]:
    # Kept as dictionaries, a million copies of one long value cost one: sizes are known before they are unfolded.
    schema = pq.read_schema(file.path)
    strings = [c for c in columns.text if schema.field(c).type in (pa.string(), pa.large_string())]
    with pq.ParquetFile(file.path, read_dictionary=strings) as table:
        number = total = 0
        for batch in table.iter_batches(batch_size=ROWS, columns=columns.wanted()):
            for name in columns.text:
                total += _unfolded_bytes(batch.column(name))
            _check_size(total, file, config)
            for row in batch.to_pylist():
                number += 1
                yield raw_of(row, columns, f"row {number}")


def _unfolded_bytes(column: pa.Array) -> int:
    if isinstance(column, pa.DictionaryArray) and column.dictionary.type in (pa.string(), pa.large_string()):
        return pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0
    return column.nbytes


def _check_size(size: int, file: InputFile, config: CorpusConfig) -> None:
    if size > config.max_file_bytes:
        raise Unreadable(f"unpacks to more than max_file_bytes = {config.max_file_bytes:,}")
    if size > RATIO_FLOOR and size > file.n_bytes * config.max_ratio:
        raise Unreadable(f"unpacks to more than {config.max_ratio} times its size (max_ratio): a bomb")
