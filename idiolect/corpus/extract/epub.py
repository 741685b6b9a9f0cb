"""EPUB: the chapters of a book in the order of its spine.

Members are read in memory, within one limit on all that they unpack to; their names never become paths.
"""

import io
import posixpath
import re
import zipfile
import zlib
from urllib.parse import unquote

from idiolect.corpus.extract import BadDocument, as_bytes, html
from idiolect.corpus.extract.config import FormatsConfig
from idiolect.corpus.extract.xml import START, BadXml, events

CONTAINER, PROTECTED = "META-INF/container.xml", "META-INF/encryption.xml"
# Fonts alone may be obfuscated (EPUB 3.3, section 4.3): then the chapters are still plain.
FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError)


def extract(payload: str, config: FormatsConfig) -> str:
    """The book's text. Raises BadDocument when it is protected, broken, a bomb, or no EPUB."""
    try:
        with zipfile.ZipFile(io.BytesIO(as_bytes(payload))) as archive:
            book = _Book(archive, config.max_document_bytes)
            book.check_protection()
            texts = [_text(book.member(name)) for name in book.chapters()]
    except BROKEN as error:
        raise BadDocument(f"it is no EPUB that can be read: {error}") from error
    except BadXml as error:
        raise BadDocument(f"its table of contents {error}") from error
    text = re.sub(r"\n{3,}", "\n\n", "\n\n".join(part for part in texts if part))
    if not text:
        raise BadDocument("it holds no text")
    return text


def _text(chapter: bytes) -> str:
    page = decoded(chapter)
    html.check_depth(page)
    return html.whole_text(page)


def decoded(page: bytes) -> str:
    """A page's characters, by its byte order mark, its declaration, or what its bytes look like."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    return bytes_to_str(page, detect_encoding(page, html5_compatible=True) or "utf-8", "replace")


class _Book:
    """An archive whose members are read within one limit on all that they unpack to."""

    def __init__(self, archive: zipfile.ZipFile, most: int):
        self.archive, self.left, self.most = archive, most, most

    def member(self, name: str) -> bytes:
        with self.archive.open(name) as file:
            data = file.read(self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise BadDocument(f"it unpacks to more than max_document_bytes = {self.most:,}: a bomb")
        return data

    def check_protection(self) -> None:
        """Raise BadDocument when more than fonts is encrypted."""
        if PROTECTED not in self.archive.namelist():
            return
        methods = [a["Algorithm"] for e, name, a in self._events(PROTECTED)
                   if e == START and name == "EncryptionMethod" and "Algorithm" in a]  # fmt: skip
        if any(method not in FONTS for method in methods):
            raise BadDocument("it is encrypted (DRM)")

    def chapters(self) -> list[str]:
        """Names of the members that are read, in order. Raises BadDocument for a name that leads out of the book."""
        package = next((a.get("full-path") for e, name, a in self._events(CONTAINER) if name == "rootfile"), None)
        if not package:
            raise BadDocument("it names no package file: it is no EPUB")
        items, spine = {}, []
        for event, name, attributes in self._events(package):
            if event == START and name == "item":
                items[attributes.get("id")] = attributes
            elif event == START and name == "itemref":
                spine.append(attributes.get("idref"))
        read = [items[i] for i in dict.fromkeys(spine) if i in items]
        folder = posixpath.dirname(package)
        return [
            _inside(folder, item.get("href", ""))
            for item in read
            if "html" in item.get("media-type", "") and "nav" not in item.get("properties", "").split()
        ]

    def _events(self, name: str):
        return events([self.member(name)])


def _inside(folder: str, href: str) -> str:
    name = posixpath.normpath(posixpath.join(folder, unquote(href)))
    if name.startswith(("..", "/")):
        raise BadDocument(f"its spine names {href[:80]!r}, which lies outside the book: refused")
    return name
