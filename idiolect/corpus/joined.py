"""One Parquet file out of row groups that stand in others: their bytes copied as they are, the footer written anew.

Compressing is what takes the time, and it is done where each row group is made; pyarrow can't append a row group
that is already written. A footer holds absolute places (https://github.com/apache/parquet-format, parquet.thrift),
which are moved by as much as the bytes are. A footer that says more than is known here may hold further places: such
row groups are read and written again by pyarrow, which takes longer and loses nothing.
"""

import io
from pathlib import Path
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.thrift import I64, LIST, STRUCT, NotUnderstood, Struct, decoded, encoded
from idiolect.corpus.writer import SETTINGS

MAGIC = b"PAR1"
# Fields of FileMetaData, of a row group, of a column in it, and of that column's own metadata.
ROWS, GROUPS = 3, 4
COLUMNS, GROUP_ROWS, GROUP_PLACE = 1, 3, 5
COLUMN_PLACE, COLUMN = 2, 3
COLUMN_SIZE, FIRST_PAGE, DICTIONARY = 7, 9, 11
# What else may hold a place (indexes, Bloom filters) is not written here.
KNOWN = {COLUMNS, 2, GROUP_ROWS, GROUP_PLACE, 6}, {COLUMN_PLACE, COLUMN}, {*range(1, 10), *range(11, 14), 16}


class JoinedFile:
    """A Parquet file while row groups are added; held are some hundred bytes a group."""

    def __init__(self, path: Path, schema: pa.Schema):
        self._schema = schema
        self._file = open(path, "wb")
        self._file.write(MAGIC)
        self._rows = 0
        self._groups: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type | None, *_: object) -> None:
        # Without its footer no reader takes the file for a whole one.
        self._file.close() if failure else self.close()

    def add(self, source: BinaryIO, number: int) -> None:
        """A row group of another file with the same schema. Raises NotUnderstood."""
        group = groups_of(source)[number]
        start, stop = extent(group)
        moved = encoded(STRUCT, _moved(group, self._file.tell() - start))
        source.seek(start)
        self._file.write(source.read(stop - start))
        self._groups.append(moved)
        self._rows += group[GROUP_ROWS][1]

    def close(self) -> None:
        """Write the footer: an empty file's, with these row groups. Raises NotUnderstood."""
        empty = io.BytesIO()
        pq.write_table(self._schema.empty_table(), empty, **SETTINGS)
        footer = footer_of(empty) | {ROWS: (I64, self._rows), GROUPS: (LIST, (STRUCT, self._groups))}
        data = encoded(STRUCT, footer)
        self._file.write(data + len(data).to_bytes(4, "little") + MAGIC)
        self._file.close()


class RewrittenFile:
    """The same file by way of pyarrow, whatever its footers say."""

    def __init__(self, path: Path, schema: pa.Schema):
        self._writer = pq.ParquetWriter(path, schema, **SETTINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def add(self, source: BinaryIO, number: int) -> None:
        """A row group of another file with the same schema."""
        table = pq.ParquetFile(source).read_row_group(number)
        self._writer.write_table(table, row_group_size=table.num_rows)


def footer_of(file: BinaryIO) -> Struct:
    """A Parquet file's FileMetaData. Raises NotUnderstood."""
    file.seek(-8, io.SEEK_END)
    size, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic != MAGIC or size > file.tell() - 8:
        raise NotUnderstood("not a Parquet file, or an encrypted one")
    file.seek(-8 - size, io.SEEK_END)
    return decoded(file.read(size))


def groups_of(file: BinaryIO) -> list[Struct]:
    """A Parquet file's row groups. Raises NotUnderstood."""
    return footer_of(file)[GROUPS][1][1]


def extent(group: Struct) -> tuple[int, int]:
    """Where a row group's bytes begin and end. Raises NotUnderstood."""
    _check(group)
    starts, stops = [], []
    for outer in group[COLUMNS][1][1]:
        column = outer[COLUMN][1]
        starts.append(min(column[field][1] for field in (DICTIONARY, FIRST_PAGE) if field in column))
        stops.append(starts[-1] + column[COLUMN_SIZE][1])
    return min(starts), max(stops)


def _check(group: Struct) -> None:
    known_of_group, known_of_outer, known_of_column = KNOWN
    unknown = group.keys() - known_of_group
    for outer in group[COLUMNS][1][1]:
        unknown |= outer.keys() - known_of_outer
        unknown |= outer[COLUMN][1].keys() - known_of_column if COLUMN in outer else {COLUMN}
    if unknown:
        raise NotUnderstood(f"a row group that has, or lacks, fields {sorted(unknown)}")


def _moved(group: Struct, by: int) -> Struct:
    """The row group as it is named when it stands `by` bytes further on."""
    columns = []
    for outer in group[COLUMNS][1][1]:
        column = _shifted(_shifted(outer[COLUMN][1], FIRST_PAGE, by), DICTIONARY, by)
        columns.append(_shifted(outer, COLUMN_PLACE, by) | {COLUMN: (STRUCT, column)})
    return _shifted(group, GROUP_PLACE, by) | {COLUMNS: (LIST, (STRUCT, columns))}


def _shifted(fields: Struct, field: int, by: int) -> Struct:
    # 0 says that nothing is said.
    kind, place = fields.get(field, (I64, 0))
    return fields | {field: (kind, place + by)} if place else fields
