"""Packs: a few hundred kilobytes of raw documents as one row, the unit of work that processes pass around.

Rows of equal weight keep memory and hand-over costs even, whether a corpus is a million tweets or ten books. A pack
with an `event` tells what happened to its file instead of holding documents. Reading may start in the middle: a
preparation that was killed goes on after the last part it has finished.
"""

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from idiolect.corpus.clean.text import encodable
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.exact import process
from idiolect.corpus.find import EXACT, Found, InputFile
from idiolect.corpus.sources import BadRow, Ignored, Opened, Raw, default, reader_of
from idiolect.corpus.split import sides
from idiolect.corpus.streams import Unreadable
from idiolect.errors import DataError

PACK_BYTES = 256 << 10
PACK_ROWS = 4096
BAD = "bad"  # the kind of a row that is no document: `notes` says why, its text is how it begins
COLUMNS = ("texts", "kinds", "labels", "licences", "languages", "origins", "splits", "notes")
PACK_SCHEMA = pa.schema(
    [
        ("serial", pa.int64()),
        ("file", pa.int64()),
        ("name", pa.large_string()),
        ("settings", pa.int64()),
        ("kind", pa.string()),
        ("first", pa.int64()),
        *((name, pa.large_list(pa.large_string())) for name in COLUMNS),
        ("event", pa.string()),
    ]
)


# A file's number and the file -> the file where it can be read, and what was fetched of it, if it was (`ahead.py`).
Take = Callable[[int, InputFile], tuple[InputFile, Any]]


@dataclass
class Pack:
    """Raw documents of one file, from position `first` on; or one event."""

    file: int
    name: str = ""
    first: int = -1
    settings: int = 0
    kind: str = "documents"
    texts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    event: str = ""
    n_bytes: int = 0

    def full(self) -> bool:
        return self.n_bytes >= PACK_BYTES or len(self.texts) >= PACK_ROWS

    def add(self, *values: str) -> None:
        """One document's values, in the order of COLUMNS."""
        for name, value in zip(COLUMNS, values, strict=True):
            getattr(self, name).append(value)
        self.n_bytes += len(values[0])

    def table(self, serial: int) -> pa.Table:
        row = {name: [getattr(self, name)] for name in PACK_SCHEMA.names if name != "serial"}
        try:
            return pa.table({"serial": [serial], **row}, schema=PACK_SCHEMA)
        except UnicodeEncodeError:
            # Lone surrogates come from JSON and from odd codecs only, so nobody else pays for the check.
            row |= {name: [[encodable(value) for value in getattr(self, name)]] for name in COLUMNS}
            return pa.table({"serial": [serial], **row}, schema=PACK_SCHEMA)


def read_packs(
    found: Found,
    rules: list[Rule],
    start: tuple[int, int] = (0, 0),
    stop: int | None = None,
    read: Mapping[int, int] = MappingProxyType({}),
    take: Take = lambda index, file: (file, None),
) -> Iterator[Pack]:
    """Every raw document from `start` (file, position) up to file `stop`, in order, what happened to each file; `end`.

    `rules` has one entry for each of `found.settings`; `read` says how many documents of earlier files were read,
    `take` brings a file that lies elsewhere. The default corpus and generated text come after all files.
    """
    taken: Counter[str] = Counter()
    for index, n in read.items():
        taken[found.files[index].quota] += n if index < start[0] else 0
    for index in range(start[0], min(len(found.files), len(found.files) if stop is None else stop)):
        file = found.files[index]
        if file.first:
            file = replace(file, first=max(file.first - taken[file.quota], 0))
            if not file.first:
                continue
        file, fetched = take(index, file)
        if fetched:
            yield _event(index, "fetched", version=file.remote.version, sha256=fetched.sha256, n_bytes=fetched.n_bytes)
        config, rule = found.settings[file.settings], rules[file.settings]
        taken[file.quota] += yield from _packs_of(index, file, config, rule, start[1] if index == start[0] else 0)
    if stop is not None and stop <= len(found.files) - 1:
        yield _event(-1, "end")
        return
    yield from _default_packs(found, start)
    if found.exact:
        yield from _exact_packs(found.settings[0], start)
    yield _event(-1, "end")


def _packs_of(index: int, file: InputFile, config: CorpusConfig, rule: Rule, start: int) -> Generator[Pack, None, int]:
    """The packs of one file from position `start` on, and its events; returns how many documents it has given."""
    position = 0
    pack = Pack(index, file.name, start, file.settings)
    try:
        for item in reader_of(file)(file, config, rule):
            if isinstance(item, Opened):
                if not start:
                    yield _event(index, "opened", encoding=item.encoding, n_bytes=item.n_bytes, files=1)
                continue
            if isinstance(item, Ignored):
                yield _event(index, "ignored", where=item.where, why=item.why)
                continue
            position += 1
            if position > start:
                if pack.full():
                    yield pack
                    pack = Pack(index, file.name, position - 1, file.settings)
                pack.add(*_values(item, file, config))
            if position == file.first:
                break
        if pack.texts:
            yield pack
        yield _event(index, "read", documents=position)
    except Unreadable as error:
        if pack.texts:
            yield pack
        yield _event(index, "unreadable", why=str(error), documents=position)
    except DataError as error:
        # The recipe asks for something this file does not have. Errors can't cross Daft whole, so they travel as facts.
        yield _event(index, "error", what=error.what, why=error.why, fix=error.fix)
    return position


def _values(item: Raw | BadRow, file: InputFile, config: CorpusConfig) -> tuple[str, ...]:
    if isinstance(item, BadRow):
        text, note = encodable(item.text[:300]), encodable(f"{item.where}: {item.why}")
        return text, BAD, "", file.licence or config.licence, "", file.origin, file.split, note
    return (
        item.text,
        item.kind,
        item.label,
        item.licence or file.licence or config.licence,
        item.language or config.language,
        item.origin or file.origin,
        item.split or file.split,
        "",
    )


def _event(index: int, name: str, **facts) -> Pack:
    return Pack(index, kind="event", event=json.dumps({"event": name, **facts}))


def _default_packs(found: Found, start: tuple[int, int]) -> Iterator[Pack]:
    """The default corpus's source files by name; they are read and parsed where the work is done."""
    for index, file in enumerate(found.libraries, len(found.files)):
        if index < start[0]:
            continue
        skip = start[1] if index == start[0] else 0
        library = default.library(file.name)
        pack, position, n_bytes = Pack(index, file.name, 0, file.settings, "default"), 0, 0
        for module in default.modules_of(library):
            size = Path(library.root, module).stat().st_size
            if pack.texts and pack.n_bytes + size > 2 * PACK_BYTES:
                if pack.first >= skip:
                    yield pack
                pack = Pack(index, file.name, position, file.settings, "default")
            pack.add(
                module.as_posix(), "default", library.name, file.licence, default.LANGUAGE, file.origin, file.split, ""
            )
            pack.n_bytes += size
            n_bytes += size
            position += 1
        if pack.first >= skip:
            yield pack
        yield _event(index, "opened", encoding="utf-8", n_bytes=n_bytes, files=position)
        yield _event(index, "read", documents=position)


def _exact_packs(config: CorpusConfig, start: tuple[int, int]) -> Iterator[Pack]:
    """Generated documents as they are: independent draws, so their places decide their sides.

    Hashes of texts would not do: a text that comes twice would always fall on the same side, and what is held out
    would follow another law than what is learned from.
    """
    texts = process.documents(config.exact)
    splits = sides(len(texts), config)
    for first in range(start[1], len(texts), PACK_ROWS):
        pack = Pack(0, EXACT, first, kind=EXACT)
        for text, split in zip(texts[first : first + PACK_ROWS], splits[first : first + PACK_ROWS], strict=True):
            pack.add(text, EXACT, "", process.LICENCE, "", "", split, "")
        yield pack
    yield _event(0, "opened", encoding="ascii", n_bytes=sum(map(len, texts)), files=1)
    yield _event(0, "read", documents=len(texts))
