"""Where one record of a web archive ends and the next begins, while it streams, whatever its headers claim."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST_LINE = 1 << 16
MOST_LINES = 1000


@dataclass(frozen=True)
class Record:
    """One record as WARC, whichever it was; with `why` it is broken, and `data` only how it begins."""

    data: bytes
    address: str = ""
    why: str = ""


class _Bytes:
    """A stream of blocks read by lines and by counts."""

    def __init__(self, blocks: Iterable[bytes]):
        self._blocks, self._held, self._at = iter(blocks), b"", 0

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        self._held, self._at = self._held[self._at :] + block, 0
        return bool(block)

    def line(self) -> bytes:
        """The next line with its end, cut at a length that no header has; empty at the end."""
        while (end := self._held.find(b"\n", self._at)) < 0 and len(self._held) - self._at < LONGEST_LINE:
            if not self._more():
                end = len(self._held) - 1
                break
        end = end + 1 if end >= 0 else self._at + LONGEST_LINE
        line, self._at = self._held[self._at : end], min(end, len(self._held))
        return line

    def take(self, n: int, most: int) -> tuple[bytes, int]:
        """The next n bytes, of which no more than `most` are kept, and how many there were."""
        kept, seen = [], 0
        while seen < n:
            part = self._held[self._at : self._at + n - seen]
            if not part:
                if not self._more():
                    break
                continue
            if seen < most:
                kept.append(part[: most - seen])
            seen += len(part)
            self._at += len(part)
        return b"".join(kept), seen


def frames(blocks: Iterable[bytes], most: int) -> Iterator[Record]:
    """Every record of a WARC or ARC; what is too large, cut, or stands between records is told with its reason."""
    stream = _Bytes(blocks)
    lost = b""
    while line := stream.line():
        is_warc, is_arc = line.startswith(b"WARC/"), line.startswith((b"http://", b"https://", b"filedesc://"))
        if not (is_warc or is_arc):
            lost = lost or line.strip()
            continue
        if lost:
            yield Record(lost, why="bytes stand between two records: a length or a header is wrong")
            lost = b""
        yield from _warc(line, stream, most) if is_warc else _arc(line, stream, most)
    if lost:
        yield Record(lost, why="bytes stand after the last record: a length or a header is wrong")


def _warc(first: bytes, stream: _Bytes, most: int) -> Iterator[Record]:
    lines, fields = [first], {}
    for _ in range(MOST_LINES):
        line = stream.line()
        lines.append(line)
        if not line.strip():
            break
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    address = fields.get(b"warc-target-uri", b"").strip(b"<>").decode("utf-8", "replace")
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 18:
        yield Record(b"".join(lines), address, "its Content-Length is no number")
        return
    yield from _whole(b"".join(lines), address, int(length), stream, most)


def _arc(line: bytes, stream: _Bytes, most: int) -> Iterator[Record]:
    """ARC 1 and 2: one line (address, IP, date, type, ..., length), then what HTTP answered; no blank line needed."""
    parts = line.split()
    address = parts[0].decode("utf-8", "replace")
    if len(parts) < 5 or not parts[-1].isdigit() or len(parts[-1]) > 18:
        yield Record(line, address, "its header has no length")
        return
    if line.startswith(b"filedesc:"):
        stream.take(int(parts[-1]), 0)
        return
    head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"
    head += b"Content-Length: " + parts[-1] + b"\r\n\r\n"
    yield from _whole(head, address, int(parts[-1]), stream, most)


def _whole(head: bytes, address: str, length: int, stream: _Bytes, most: int) -> Iterator[Record]:
    body, seen = stream.take(length, most)
    if seen < length:
        yield Record(head, address, f"the file ends {length - seen:,} bytes before it does")
    elif length > most:
        yield Record(head, address, f"it is larger than max_document_bytes = {most:,}")
    else:
        yield Record(head + body + b"\r\n\r\n", address)
