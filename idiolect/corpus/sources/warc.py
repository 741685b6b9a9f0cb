"""`.warc`, `.wet` and `.arc`, packed or not: web archives, a record at a time.

Records are told apart here, so that a broken one is named and the next one found again (at its `WARC/` line), and so
that the limits on what unpacks hold for archives too. FastWARC then undoes what HTTP did to a page: chunks, gzip,
brotli. Pages go to the worker as characters; extracts (WET) and plain text are text already.
"""

import io
from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.framing import Record, frames
from idiolect.corpus.sources.html import decode
from idiolect.corpus.sources.tables import place_rows
from idiolect.corpus.streams import Unreadable, byte_blocks

PAGES = ("text/html", "application/xhtml+xml")
TEXTS = ("text/plain", "text/markdown")


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document a page that was answered with 200, a stored resource, or an extract; broken records are named.

    Raises Unreadable when there is no record at all.
    """
    first = next(iter(byte_blocks(file.path, file.compression, config)), b"").lstrip()
    if not first.startswith((b"WARC/", b"filedesc:", b"http")):
        raise Unreadable("holds no records: it begins neither as WARC nor as ARC" if first else "is empty")
    yield Opened("warc", file.n_bytes)
    yield from place_rows(lambda: _documents(file, config), file, config)


def _documents(file: InputFile, config: CorpusConfig) -> Iterator[Raw | BadRow]:
    most = config.formats.max_document_bytes
    for number, record in enumerate(frames(byte_blocks(file.path, file.compression, config), most), 1):
        where = f"record {number} ({record.address[:200]})" if record.address else f"record {number}"
        begins = record.data[:300].decode("latin-1")
        try:
            found = record.why or _document(record, most)
        except (OSError, ValueError, RuntimeError, MemoryError, LookupError) as error:
            found = f"it can't be read: {error}"
        if isinstance(found, str):
            yield BadRow(where, found, begins)
        elif found is not None:
            yield found


def _document(record: Record, most: int) -> Raw | str | None:
    """The record's text; why it has none; or None when it is no text that was found (an image, a redirect)."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    wanted = WarcRecordType.response | WarcRecordType.conversion | WarcRecordType.resource
    parsed = next(iter(ArchiveIterator(io.BytesIO(record.data), record_types=wanted, auto_decode="all")), None)
    if parsed is None:
        return None
    kind, charset = (parsed.headers.get("Content-Type") or "").partition(";")[0].strip().lower(), None
    if parsed.is_http and parsed.http_headers is not None:
        if parsed.http_headers.status_code != 200:
            return None
        kind, charset = (parsed.http_content_type or "").lower(), parsed.http_charset
    if kind not in PAGES + TEXTS:
        return None
    content = parsed.reader.read(most + 1)
    if len(content) > most:
        return f"it unpacks to more than max_document_bytes = {most:,}"
    if not content.strip():
        return "it is empty"
    text = decode(content, charset or "auto")[1]
    return Raw(text, kind="html" if kind in PAGES else "text", origin=record.address)
