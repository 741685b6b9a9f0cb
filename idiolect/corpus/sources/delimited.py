"""`.csv` and `.tsv`: a header row, or names from the recipe, then one document a row.

Commas come with double quotes, which may hold commas and line ends; in a `.tsv` quotes are plain characters, as the
corpora that come in this form have them.
"""

import csv
from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule, lines_of
from idiolect.corpus.encoding import Text, open_text
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import Columns, place_rows, raw_of, resolve_columns
from idiolect.corpus.streams import Unreadable

Row = tuple[int, list[str] | None, str]  # its number, its cells, or why it has none


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document a row; a row with too few or too many cells is passed over by its number."""
    text, most = open_text(file.path, file.compression, config), config.formats.max_document_bytes
    _, header, why = next(_cells(text, file, most), (0, None, "it has no rows"))
    if header is None:
        raise Unreadable(f"has no header row: {why}")
    names = list(config.column_names) or header
    columns = resolve_columns(config, file, names)
    yield Opened(text.encoding, text.n_bytes)

    def rows() -> Iterator[Raw | BadRow]:
        return _rows(_cells(text, file, most), names, columns, not config.column_names)

    yield from place_rows(rows, file, config)


def _rows(rows: Iterator[Row], names: list[str], columns: Columns, headed: bool) -> Iterator[Raw | BadRow]:
    for number, cells, why in rows:
        if headed:
            headed = False
        elif cells is None:
            yield BadRow(f"row {number}", why, "")
        elif len(cells) != len(names):
            yield BadRow(f"row {number}", f"{len(cells)} cells where {len(names)} were expected", repr(cells)[:300])
        else:
            yield raw_of(dict(zip(names, cells, strict=True)), columns, f"row {number}")


def _cells(text: Text, file: InputFile, most: int) -> Iterator[Row]:
    lines = lines_of(text.blocks(), keep_ends=True, most=most)
    # A stray quote would otherwise swallow the rest of the file as one cell; process-wide, so set at each use.
    csv.field_size_limit(most)
    tabs = file.format == "tsv"
    rows = csv.reader(
        lines, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL, strict=not tabs
    )
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, None, f"not valid: {error}"
            continue
        if row:
            yield number, row, ""
