"""Packs: a few hundred kilobytes of raw documents as one row, the unit of work that processes pass around.

Rows of equal weight keep memory and hand-over costs even, whether a corpus is a million tweets or ten books. A pack
with an `event` tells what happened to its file instead of holding texts.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from idiolect.corpus.clean.text import encodable
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.exact import process
from idiolect.corpus.find import Found, InputFile
from idiolect.corpus.sources import BadRow, Opened, default, reader_of
from idiolect.corpus.split import sides
from idiolect.corpus.streams import Unreadable
from idiolect.errors import DataError

PACK_BYTES = 256 << 10
PACK_ROWS = 4096
TEXTS = pa.large_list(pa.large_string())
PACK_SCHEMA = pa.schema(
    [
        ("serial", pa.int64()),
        ("file", pa.int64()),
        ("kind", pa.string()),
        ("first", pa.int64()),
        ("texts", TEXTS),
        ("labels", TEXTS),
        ("licences", TEXTS),
        ("splits", TEXTS),
        ("event", pa.string()),
    ]
)


@dataclass
class Pack:
    """Raw documents of one file, from position `first` on; or one event."""

    file: int
    first: int
    kind: str = "text"
    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    event: str = ""
    n_bytes: int = 0

    def full(self) -> bool:
        return self.n_bytes >= PACK_BYTES or len(self.texts) >= PACK_ROWS

    def table(self, serial: int) -> pa.Table:
        row = {name: [getattr(self, name)] for name in PACK_SCHEMA.names if name != "serial"}
        try:
            return pa.table({"serial": [serial], **row}, schema=PACK_SCHEMA)
        except UnicodeEncodeError:
            # Lone surrogates come from JSON and from odd codecs only, so nobody else pays for the check.
            row["texts"] = [[encodable(text) for text in self.texts]]
            return pa.table({"serial": [serial], **row}, schema=PACK_SCHEMA)


def read_packs(found: Found, config: CorpusConfig, rule: Rule) -> Iterator[Pack]:
    """Every raw document of every input, in order, and what happened to each file; the last pack is the event `end`."""
    for index, file in enumerate(found.files):
        yield from _packs_of(index, file, config, rule)
    if found.default_split is not None:
        yield from _default_packs(len(found.files))
    if found.exact:
        yield from _exact_packs(config)
    yield _event(-1, "end")


def _packs_of(index: int, file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Pack]:
    position = 0
    pack = Pack(index, position)
    try:
        for item in reader_of(file)(file, config, rule):
            if isinstance(item, Opened):
                yield _event(index, "opened", encoding=item.encoding, n_bytes=item.n_bytes, files=1)
                continue
            if isinstance(item, BadRow):
                yield _event(index, "row", where=item.where, why=item.why, text=encodable(item.text[:300]))
                position += 1
                continue
            if pack.full() or position != pack.first + len(pack.texts):
                if pack.texts:
                    yield pack
                pack = Pack(index, position)
            pack.texts.append(item.text)
            pack.labels.append(item.label)
            pack.licences.append(item.licence or config.licence)
            pack.splits.append(item.split or file.split)
            pack.n_bytes += len(item.text)
            position += 1
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


def _event(index: int, name: str, **facts) -> Pack:
    return Pack(index, -1, kind="event", event=json.dumps({"event": name, **facts}, ensure_ascii=False))


def _default_packs(index: int) -> Iterator[Pack]:
    """The default corpus's source files by name; they are read and parsed where the work is done."""
    for n, library in enumerate(default.libraries()):
        pack, position = Pack(index + n, 0, kind=f"default:{library.name}"), 0
        n_bytes = 0
        for module in default.modules_of(library):
            size = Path(library.root, module).stat().st_size
            if pack.texts and pack.n_bytes + size > 2 * PACK_BYTES:
                yield pack
                pack = Pack(index + n, position, kind=pack.kind)
            pack.texts.append(module.as_posix())
            pack.n_bytes += size
            n_bytes += size
            position += 1
        yield pack
        yield _event(index + n, "opened", encoding="utf-8", n_bytes=n_bytes, files=position)
        yield _event(index + n, "read", documents=position)


def _exact_packs(config: CorpusConfig) -> Iterator[Pack]:
    """Generated documents as they are: independent draws, so their places decide their sides.

    Hashes of texts would not do: a text that comes twice would always fall on the same side, and what is held out
    would follow another law than what is learned from.
    """
    texts = process.documents(config.exact)
    splits = sides(len(texts), config)
    for first in range(0, len(texts), PACK_ROWS):
        some = slice(first, first + PACK_ROWS)
        n = len(texts[some])
        yield Pack(0, first, "exact", texts[some], [""] * n, [process.LICENCE] * n, splits[some])
    yield _event(0, "opened", encoding="ascii", n_bytes=sum(map(len, texts)), files=1)
    yield _event(0, "read", documents=len(texts))
