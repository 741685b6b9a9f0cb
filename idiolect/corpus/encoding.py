"""Which encoding a text file is in, and its text in blocks.

A byte order mark decides; else valid UTF-8 is UTF-8; else bytes with NULs may be UTF-16 or UTF-32; else
charset-normalizer guesses. What looks like no text at all is refused with its name (an image, a zip, ...).
"""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from idiolect.corpus.alphabets import LATIN, is_latin_script, latin_encoding
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.streams import BLOCK, Unreadable, byte_blocks

IN_MEMORY = 64 << 20
SAMPLE = 1 << 16
# UTF-32 first: its little-endian mark begins with UTF-16's.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAGIC = (
    (b"\x1f\x8b", "gzip data (name it .gz)"),
    (b"\x28\xb5\x2f\xfd", "zstd data (name it .zst)"),
    (b"BZh", "bzip2 data (name it .bz2)"),
    (b"\xfd7zXZ", "xz data (name it .xz)"),
    (b"PAR1", "a Parquet file (name it .parquet)"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
)
# Escape sequences of the 7-bit encodings, which are valid ASCII on the face of it.
ESCAPED = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$B", "iso2022_jp_2"), (b"\x1b$@", "iso2022_jp_2"), (b"~{", "hz"))
MULTIBYTE = ("euc_jp", "cp932", "gb18030", "big5", "cp949")
# Rarer ones (EBCDIC, HP Roman, ...) were guessed wrongly more often than they were right on labelled files.
CANDIDATES = (*LATIN, *MULTIBYTE, "cp1251", "cp1253", "cp1255", "cp1256", "iso8859_5", "iso8859_6", "iso8859_7")
CANDIDATES += ("iso8859_8", "koi8_r", "koi8_u", "cp866", "cp855", "mac_cyrillic", "tis_620", "johab")
CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class Text:
    """A text file opened for reading: its encoding, its unpacked size, and a way to read it more than once."""

    path: Path
    compression: str
    config: CorpusConfig
    encoding: str
    n_bytes: int
    held: bytes | None

    def blocks(self, *, unify: bool = False) -> Iterator[str]:
        """The text in pieces of about a megabyte; `unify` makes every line end a newline, across pieces too."""
        name, errors = decoder_of(self.encoding)
        decoder = codecs.getincrementaldecoder(name)(errors)
        if unify:
            decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        raw = self._raw()
        for block in raw:
            if text := decoder.decode(block):
                yield text
        if text := decoder.decode(b"", True):
            yield text

    def _raw(self) -> Iterator[bytes]:
        if self.held is None:
            return byte_blocks(self.path, self.compression, self.config)
        return (self.held[i : i + BLOCK] for i in range(0, len(self.held), BLOCK))


def open_text(path: Path, compression: str, config: CorpusConfig) -> Text:
    """Read a file through once: whole, within its limits, text, and in which encoding.

    Raises Unreadable otherwise. Files up to 64 MB stay in memory for the second reading.
    """
    held: list[bytes] | None = []
    head, odd, total = b"", b"", 0
    strict, valid = codecs.getincrementaldecoder("utf-8")("strict"), True
    for block in byte_blocks(path, compression, config):
        head = head or block[:SAMPLE]
        total += len(block)
        if valid:
            try:
                strict.decode(block)
            except UnicodeDecodeError:
                # Where the first odd byte stands is the part worth guessing from: the head may be all ASCII.
                valid, odd = False, block
        if held is not None:
            held.append(block)
            held = held if total <= IN_MEMORY else None
    if not total:
        raise Unreadable("is empty")
    if valid:
        try:
            strict.decode(b"", True)
        except UnicodeDecodeError:
            valid, odd = False, block
    content = b"".join(held) if held is not None else None
    encoding = config.encoding
    if encoding == "auto":
        encoding = detect(head, odd if not valid else None)
    text = Text(path, compression, config, encoding, total, content)
    return _check(text) if not (valid and encoding in ("utf-8", "utf-8-sig")) else text


def detect(head: bytes, odd: bytes | None) -> str:
    """The encoding, from the file's head and (if it is not valid UTF-8) the block with the first odd byte."""
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    for magic, what in MAGIC:
        if head.startswith(magic):
            raise Unreadable(f"is {what}, not text")
    wide = _wide(head)
    if wide:
        return wide
    escaped = next((name for mark, name in ESCAPED if mark in head and _decodes(head, name)), None)
    if odd is None and escaped:
        return escaped
    if len(CONTROLS.findall(head)) > max(len(head) // 50, 1):
        raise Unreadable("is binary, not text")
    if odd is None:
        return "utf-8"
    return "utf-8+cp1252" if _mostly_utf8(odd) else _guess(odd)


def _wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: NULs stand in every second (or three of four) places."""
    if head.count(0) * 100 < len(head):
        return None
    whole = head[: len(head) // 4 * 4]
    columns = [whole[i::4].count(0) / max(len(whole) // 4, 1) for i in range(4)]
    if min(columns) > 0.9:
        return None
    if columns[2] > 0.9 and columns[3] > 0.9:
        return "utf-32-le"
    if columns[0] > 0.9 and columns[1] > 0.9:
        return "utf-32-be"
    even, odd = columns[0] + columns[2], columns[1] + columns[3]
    name = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) > 4 * min(even, odd) and _decodes(head[: len(head) // 2 * 2], name):
        return name
    return None


def _decodes(data: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)("strict").decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(sample: bytes) -> bool:
    """Whether this is UTF-8 with a few stray bytes: well-formed sequences outnumber them twenty to one."""
    lead = len(re.findall(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}", sample))
    text = sample.decode("utf-8", "replace")
    return lead >= 20 and lead >= 20 * (text.count("\ufffd") - sample.count("\ufffd".encode()))


def _guess(sample: bytes) -> str:
    lines, size = [], 0
    for line in sample.split(b"\n")[:-1] or [sample[:SAMPLE]]:
        if not line.isascii() and size + len(line) <= SAMPLE:
            lines.append(line)
            size += len(line) + 1
    odd = b"\n".join(lines) or sample[:SAMPLE]
    if is_latin_script(odd):
        return latin_encoding(odd)
    best = from_bytes(odd, cp_isolation=list(CANDIDATES)).best()
    if best is None:
        return _least_broken(odd)
    return latin_encoding(odd) if best.encoding in LATIN else best.encoding


def _least_broken(sample: bytes) -> str:
    """A multi-byte encoding in which under one byte in two hundred is wrong, else the best Latin one."""
    broken = {name: sample.decode(name, "replace").count("\ufffd") for name in MULTIBYTE}
    name = min(broken, key=broken.__getitem__)
    return f"{name}+latin-1" if broken[name] * 200 < len(sample) else latin_encoding(sample)


def decoder_of(encoding: str) -> tuple[str, str]:
    """Python's codec and its error handler for one of our encoding names."""
    if encoding == "utf-8+cp1252":
        codecs.register_error("idiolect.cp1252", _as_cp1252)
        return "utf-8", "idiolect.cp1252"
    if encoding.endswith("+latin-1"):
        codecs.register_error("idiolect.latin-1", _as_latin1)
        return encoding.removesuffix("+latin-1"), "idiolect.latin-1"
    return encoding, "strict"


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    data = error.object[error.start : error.end]
    try:
        return data.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return data.decode("latin-1"), error.end


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    return error.object[error.start : error.end].decode("latin-1"), error.end


def _check(text: Text) -> Text:
    """Decode to the end. A guess that fails later in the file falls back to cp1252; a stated encoding is refused."""
    try:
        for _ in text.blocks():
            pass
        return text
    except UnicodeError as error:
        if text.config.encoding != "auto":
            raise Unreadable(f"is not valid {text.encoding}: {error.reason} at byte {error.start:,}") from error
        if text.encoding.startswith("utf-"):
            raise Unreadable(f"begins as {text.encoding} but is not valid: {error}") from error
    return Text(text.path, text.compression, text.config, "cp1252+latin-1", text.n_bytes, text.held)
