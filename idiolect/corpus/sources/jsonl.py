"""`.jsonl`: one JSON object a line, lines ended by a newline and by nothing else."""

import json
from collections.abc import Iterator

from idiolect.corpus.clean.text import encodable
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule, lines_of
from idiolect.corpus.encoding import Text, open_text
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import Columns, place_rows, raw_of, resolve_columns
from idiolect.corpus.streams import Unreadable


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document a line; a line that is no JSON object is passed over by its number.

    The columns are those of the first object. Raises Unreadable when no line at all is a JSON object.
    """
    text, most = open_text(file.path, file.compression, config), config.formats.max_document_bytes
    first = next((row for _, row, _ in _objects(text, most) if row is not None), None)
    if first is None:
        _, _, why = next(_objects(text, most), (1, None, "there are no lines"))
        raise Unreadable(f"has no line that is a JSON object (line 1: {why})")
    columns = resolve_columns(config, file, list(first))
    yield Opened(text.encoding, text.n_bytes)
    yield from place_rows(lambda: _rows(text, columns, most), file, config)


def _rows(text: Text, columns: Columns, most: int) -> Iterator[Raw | BadRow]:
    for number, row, why in _objects(text, most):
        yield BadRow(f"line {number}", why, "") if row is None else raw_of(row, columns, f"line {number}")


def _objects(text: Text, most: int) -> Iterator[tuple[int, dict | None, str]]:
    for number, line in enumerate(lines_of(text.blocks(), most=most), 1):
        if len(line) > most:
            yield number, None, f"longer than max_document_bytes = {most:,}"
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield number, None, f"not valid JSON: {error}"
            continue
        except RecursionError:
            yield number, None, "nested too deep"
            continue
        if isinstance(row, dict):
            yield number, {key: encodable(v) if isinstance(v, str) else v for key, v in row.items()}, ""
        else:
            yield number, None, f"a {type(row).__name__}, not an object with named columns"
