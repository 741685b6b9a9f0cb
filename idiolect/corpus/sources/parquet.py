"""`.parquet`: one document a row, read a row group at a time, with no size believed before it is checked."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import Columns, place_rows, raw_of, resolve_columns
from idiolect.corpus.streams import RATIO_FLOOR, Unreadable
from idiolect.errors import DataError

ROWS = 1024
MAGIC = b"PAR1"
# A footer is this long at most, mostly; it is what is fetched of a file before anything else.
TAIL = 256 << 10
# Ranges nearer to each other than this are one: a further request costs more than the bytes between.
GAP = 1 << 20
# Old writers left a page's header out of its column's length (PARQUET-816), and Arrow reads so much further.
SLACK = 128


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
        groups = range(_groups(table.metadata, file.first))
        for batch in table.iter_batches(batch_size=ROWS, row_groups=groups, columns=columns.wanted()):
            for name in columns.text:
                total += _unfolded_bytes(batch.column(name))
            _check_size(total, file, config)
            for row in batch.to_pylist():
                number += 1
                yield raw_of(row, columns, f"row {number}")


def _groups(metadata: pq.FileMetaData, first: int) -> int:
    """How many row groups hold the first so many rows; all of them for 0."""
    rows = 0
    for group in range(metadata.num_row_groups):
        if first and rows >= first:
            return group
        rows += metadata.row_group(group).num_rows
    return metadata.num_row_groups


def footer_bytes(path: Path) -> int:
    """How long a file's footer says it is, its length and its mark included; 0 when the file is no Parquet."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 8))
        end = file.read(8)
    return int.from_bytes(end[:4], "little") + 8 if end[4:] == MAGIC else 0


def wanted_ranges(path: Path, file: InputFile, config: CorpusConfig, footer: int) -> list[tuple[int, int]]:
    """Where in a file the columns stand that are read of its first rows; last, its footer, which begins at `footer`.

    `path` holds the footer at its place. A file that can't be read, or lacks a column, is its footer alone: reading it
    says what is wrong.
    """
    size = path.stat().st_size
    try:
        metadata = pq.read_metadata(path)
        columns = resolve_columns(config, file, metadata.schema.to_arrow_schema().names).wanted()
    except (pa.ArrowException, OSError, DataError):
        return [(footer, size)]
    found = []
    for group in map(metadata.row_group, range(_groups(metadata, file.first))):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.partition(".")[0] in columns:
                start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)), default=0)
                found.append((start, start + column.total_compressed_size + SLACK))
    before = [(start, min(stop, footer)) for start, stop in sorted(found) if start < footer]
    return [*_joined(before), (footer, size)]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined = ranges[:1]
    for start, stop in ranges[1:]:
        if start <= joined[-1][1] + GAP:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _unfolded_bytes(column: pa.Array) -> int:
    if isinstance(column, pa.DictionaryArray) and column.dictionary.type in (pa.string(), pa.large_string()):
        return pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0
    return column.nbytes


def _check_size(size: int, file: InputFile, config: CorpusConfig) -> None:
    if size > config.max_file_bytes:
        raise Unreadable(f"unpacks to more than max_file_bytes = {config.max_file_bytes:,}")
    if size > RATIO_FLOOR and size > file.n_bytes * config.max_ratio:
        raise Unreadable(f"unpacks to more than {config.max_ratio} times its size (max_ratio): a bomb")
