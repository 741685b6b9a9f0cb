"""`.arrow` and `.feather`: one document a row, a batch at a time (Hugging Face datasets keep such files).

A folder that `datasets` saved to disk is read through its `.arrow` files; its `state.json` says which they are, and
what else lies there (caches of old steps) is passed over. Its licence is taken from `dataset_info.json`.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import Columns, place_rows, raw_of, resolve_columns
from idiolect.corpus.streams import RATIO_FLOOR, Unreadable

# The file format is the stream format between two marks, so one way of reading serves both.
MARK = b"ARROW1\0\0"
ROWS = 1024
RECORDS, DICTIONARY = "record batch", "dictionary"


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document a row. Raises Unreadable when the file is neither format, a bomb, or no part of its dataset."""
    if file.compression:
        raise Unreadable(f"is a compressed Arrow file; unpack the {file.compression} first")
    _check_part(file.path)
    try:
        size = _declared_bytes(file, config)
        with pa.ipc.open_stream(_source(file)) as table:
            columns = resolve_columns(config, file, table.schema.names)
        yield Opened("arrow", size)
        licence = _licence(file.path)
        for item in place_rows(lambda: _rows(file, columns), file, config):
            lacks = licence and isinstance(item, Raw) and not item.licence
            yield replace(item, licence=licence) if lacks else item
    except (pa.ArrowException, OSError, ValueError, struct.error, MemoryError) as error:
        raise Unreadable(f"is not a valid Arrow file: {(str(error) or 'it is empty').splitlines()[0]}") from error


def _source(file: InputFile) -> pa.NativeFile:
    source = pa.memory_map(str(file.path))
    if source.read(len(MARK)) != MARK:
        source.seek(0)
    return source


def _rows(file: InputFile, columns: Columns) -> Iterator[Raw | BadRow]:
    number = 0
    with pa.ipc.open_stream(_source(file)) as table:
        for batch in table:
            wanted = batch.select(columns.wanted())
            for first in range(0, wanted.num_rows, ROWS):
                for row in wanted.slice(first, ROWS).to_pylist():
                    number += 1
                    yield raw_of(row, columns, f"row {number}")


def _declared_bytes(file: InputFile, config: CorpusConfig) -> int:
    """What all buffers unpack to, as they declare it, before any is unpacked: Arrow allocates what it is told to.

    Raises Unreadable when that is a bomb.
    """
    total = 0
    messages = pa.ipc.MessageReader.open_stream(_source(file))
    while (message := _next(messages)) is not None:
        if message.type not in (RECORDS, DICTIONARY):
            continue
        body = memoryview(message.body)
        for offset, length in _buffers(memoryview(message.metadata), message.type == DICTIONARY):
            declared = struct.unpack_from("<q", body, offset)[0] if length >= 8 else -1
            total += max(declared, length) if _is_packed(memoryview(message.metadata), message.type) else length
        if total > config.max_file_bytes:
            raise Unreadable(f"unpacks to more than max_file_bytes = {config.max_file_bytes:,}")
        if total > RATIO_FLOOR and total > file.n_bytes * config.max_ratio:
            raise Unreadable(f"unpacks to more than {config.max_ratio} times its size (max_ratio): a bomb")
    return total


def _next(messages: pa.ipc.MessageReader) -> pa.ipc.Message | None:
    try:
        return messages.read_next_message()
    except StopIteration:
        return None


# Arrow's format/Message.fbs: Message = version, header_type, header; RecordBatch = length, nodes, buffers, compression;
# DictionaryBatch = id, data (a RecordBatch). A flatbuffer's table begins with the way back to its list of fields.
def _field(data: memoryview, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table stands; 0 when it is left out."""
    listed = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, listed)[0]:
        return 0
    offset = struct.unpack_from("<H", data, listed + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _follow(data: memoryview, at: int) -> int:
    return at + struct.unpack_from("<I", data, at)[0]


def _batch(data: memoryview, of_dictionary: bool) -> int:
    header = _follow(data, _field(data, _follow(data, 0), 2))
    return _follow(data, _field(data, header, 1)) if of_dictionary else header


def _buffers(data: memoryview, of_dictionary: bool) -> Iterator[tuple[int, int]]:
    at = _field(data, _batch(data, of_dictionary), 2)
    if at:
        vector = _follow(data, at)
        for i in range(struct.unpack_from("<I", data, vector)[0]):
            yield struct.unpack_from("<qq", data, vector + 4 + 16 * i)


def _is_packed(data: memoryview, kind: str) -> bool:
    return bool(_field(data, _batch(data, kind == DICTIONARY), 3))


def _check_part(path: Path) -> None:
    """Raise Unreadable for a file that lies beside a saved dataset's parts without being one."""
    state = _described(path.with_name("state.json")).get("_data_files")
    if isinstance(state, list) and path.name not in [f.get("filename") for f in state if isinstance(f, dict)]:
        raise Unreadable("is no part of the dataset beside it (state.json): a cache")


def _licence(path: Path) -> str:
    licence = _described(path.with_name("dataset_info.json")).get("license")
    return licence if isinstance(licence, str) else ""


def _described(path: Path) -> dict:
    try:
        found = json.loads(path.read_bytes()) if path.stat().st_size < 1 << 20 else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
