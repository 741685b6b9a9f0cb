"""One Parquet file out of row groups that stand in others: their bytes copied as they are, the footer written anew.

Compressing is what takes the time, and it is done where each row group is made; pyarrow can't append a row group
that is already written. A footer holds absolute places (https://github.com/apache/parquet-format, parquet.thrift),
which are moved by as much as the bytes are.
"""

import io
from pathlib import Path
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.thrift import I64, LIST, STRUCT, Reader, Struct, encoded
from idiolect.corpus.writer import SETTINGS

MAGIC = b"PAR1"
# Fields of FileMetaData, of a row group, of a column in it, and of that column's own metadata.
ROWS, GROUPS = 3, 4
COLUMNS, GROUP_ROWS, GROUP_PLACE, GROUP_SIZE = 1, 3, 5, 6
COLUMN_PLACE, COLUMN = 2, 3
FIRST_PAGE, DICTIONARY = 9, 11
# What else may hold a place (indexes, Bloom filters) is not written here, and would be refused.
PLAIN = {COLUMNS, 2, GROUP_ROWS, GROUP_PLACE, GROUP_SIZE}, {COLUMN_PLACE, COLUMN}, {*range(1, 10), *range(11, 14), 16}


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

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, source: BinaryIO, group: Struct) -> None:
        """One row group of another file with the same schema."""
        start, size = place_of(group), group[GROUP_SIZE][1]
        place = self._file.tell()
        source.seek(start)
        data = source.read(size)
        assert len(data) == size, "a row group ends before it should"
        self._file.write(data)
        self._groups.append(encoded(STRUCT, _moved(group, place - start)))
        self._rows += group[GROUP_ROWS][1]

    def close(self) -> None:
        """Write the footer: an empty file's, with these row groups."""
        if self._file.closed:
            return
        empty = io.BytesIO()
        pq.write_table(self._schema.empty_table(), empty, **SETTINGS)
        footer = footer_of(empty) | {ROWS: (I64, self._rows), GROUPS: (LIST, (STRUCT, self._groups))}
        data = encoded(STRUCT, footer)
        self._file.write(data + len(data).to_bytes(4, "little") + MAGIC)
        self._file.close()


def footer_of(file: BinaryIO) -> Struct:
    """A Parquet file's FileMetaData."""
    file.seek(-8, io.SEEK_END)
    size, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    assert magic == MAGIC, "not a Parquet file"
    file.seek(-8 - size, io.SEEK_END)
    return Reader(file.read(size)).struct()


def groups_of(file: BinaryIO) -> list[Struct]:
    """A Parquet file's row groups."""
    return footer_of(file)[GROUPS][1][1]


def place_of(group: Struct) -> int:
    """Where a row group's bytes begin."""
    first = group[COLUMNS][1][1][0][COLUMN][1]
    return min(first[field][1] for field in (DICTIONARY, FIRST_PAGE) if field in first)


def _moved(group: Struct, by: int) -> Struct:
    """The row group as it is named when it stands `by` bytes further on."""
    columns = []
    for outer in group[COLUMNS][1][1]:
        inner = outer[COLUMN][1]
        fields = (group.keys(), outer.keys(), inner.keys())
        assert all(a <= b for a, b in zip(fields, PLAIN, strict=True)), f"a row group with fields {fields}"
        inner = _shifted(_shifted(inner, FIRST_PAGE, by), DICTIONARY, by)
        columns.append(_shifted(outer, COLUMN_PLACE, by) | {COLUMN: (STRUCT, inner)})
    return _shifted(group, GROUP_PLACE, by) | {COLUMNS: (LIST, (STRUCT, columns))}


def _shifted(fields: Struct, field: int, by: int) -> Struct:
    # 0 says that nothing is said.
    kind, place = fields.get(field, (I64, 0))
    return fields | {field: (kind, place + by)} if place else fields
