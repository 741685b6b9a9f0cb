"""`.mbox` and `.eml`: each message is a document; it is parsed in the worker."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.extract import as_payload
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import place_rows
from idiolect.corpus.streams import Unreadable, byte_blocks


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document a message. Raises Unreadable when there is none."""
    first = next(iter(byte_blocks(file.path, file.compression, config)), b"")
    if not first.strip():
        raise Unreadable("is empty")
    if first.count(0) * 10 > len(first):
        raise Unreadable("is binary, not mail")
    yield Opened("mail", file.n_bytes)
    yield from place_rows(lambda: _messages(file, config, first.startswith(b"From ")), file, config)


def _messages(file: InputFile, config: CorpusConfig, is_box: bool) -> Iterator[Raw | BadRow]:
    """The raw messages: of an mbox cut at its `From ` lines (RFC 4155), of any other file the whole."""
    most, number = config.formats.max_document_bytes, 0
    held: list[bytes] = []
    size, blank = 0, True
    for line in _lines(byte_blocks(file.path, file.compression, config)):
        if is_box and blank and line.startswith(b"From "):
            if size:
                number += 1
                yield _message(held, size, number, most)
            held, size = [], 0
        else:
            size += len(line)
            if size <= most:
                # Beyond the limit nothing more is held: it is only known that the message is too large.
                held.append(line[1:] if is_box and line.startswith(b">From ") else line)
        blank = not line.strip()
    if size:
        yield _message(held, size, number + 1, most)


def _message(held: list[bytes], size: int, number: int, most: int) -> Raw | BadRow:
    if size > most:
        return BadRow(f"message {number}", f"it is larger than max_document_bytes = {most:,}", "")
    return Raw(as_payload(b"".join(held)), kind="mail")


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines with their ends; one longer than two blocks comes in pieces, which are no lines but lose nothing."""
    left = b""
    for block in blocks:
        *whole, left = (left + block).splitlines(keepends=True) if block else [left]
        yield from whole
        if left.endswith(b"\n") or len(left) > 2 << 20:
            yield left
            left = b""
    if left:
        yield left
