"""What all tables share: which columns hold the text, and rows as raw documents."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Raw
from idiolect.corpus.split import cuts
from idiolect.errors import DataError

USUAL = ("text", "content", "body", "document", "sentence")
# Instead of names: every column there is, those without strings left out.
EVERY = "*"


@dataclass(frozen=True)
class Columns:
    """The columns a recipe reads from one table."""

    text: tuple[str, ...]
    label: str
    licence: str

    def wanted(self) -> list[str]:
        return list(dict.fromkeys(c for c in (*self.text, self.label, self.licence) if c))


def resolve_columns(config: CorpusConfig, file: InputFile, available: Sequence[str]) -> Columns:
    """Which of a table's columns to read. Raises DataError naming those there are."""
    text = config.text_columns or tuple(c for c in USUAL if c in available)[:1]
    if text == (EVERY,):
        text = tuple(available)
    if not text and len(available) == 1:
        text = (available[0],)
    for key, column in [("text_columns", c) for c in text] + [
        ("label_column", config.label_column),
        ("licence_column", config.licence_column),
    ]:
        if column and column not in available:
            near = difflib.get_close_matches(column, available, 1, 0.5)
            raise DataError(
                f"{file.name} has no column {column!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                why="its columns are " + ", ".join(map(repr, available)),
                fix=f"--corpus.{key}={near[0] if near else next(iter(available), 'NAME')}",
            )
    if not text:
        raise DataError(
            f"{file.name} has no column called {' or '.join(USUAL)}",
            why="its columns are " + (", ".join(map(repr, available)) or "none at all"),
            # Tables that pandas wrote have a first column without a name: their rows' numbers.
            fix=f"--corpus.text_columns={next(filter(None, available), 'NAME')}",
        )
    return Columns(text, config.label_column, config.licence_column)


def raw_of(row: dict[str, Any], columns: Columns, where: str) -> Raw | BadRow:
    """One row as a document: several text columns are joined by a blank line, empty ones left out."""
    values = [row.get(c) for c in columns.text]
    texts = [v for v in values if isinstance(v, str) and v]
    if not texts:
        odd = next((v for v in values if v is not None and not isinstance(v, str)), None)
        why = f"its text is of type {type(odd).__name__}, not a string" if odd is not None else "it has no text"
        return BadRow(where, why, str(row)[:300])
    label, licence = (row.get(c) if c else None for c in (columns.label, columns.licence))
    return Raw("\n\n".join(texts), "" if label is None else str(label), "" if licence is None else str(licence))


def place_rows(
    rows: Callable[[], Iterator[Raw | BadRow]], file: InputFile, config: CorpusConfig
) -> Iterator[Raw | BadRow]:
    """Rows as they are, or, split by position, with the side that their place among the rows gives them.

    A row is never cut, so the shares are of the rows that are read; they are counted in a first reading.
    """
    if config.split_by == "hash" or file.split:
        yield from rows()
        return
    train_end, test_start = cuts(sum(isinstance(row, Raw) for row in islice(rows(), file.first or None)), config)
    n = 0
    for row in rows():
        if isinstance(row, Raw):
            split = "train" if n < train_end else "validation" if n < test_start else "test"
            row, n = replace(row, split=split), n + 1
        yield row
