"""`.html`, `.htm`, `.xhtml`: one document a page; its main text is found in the worker."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import Opened, Raw
from idiolect.corpus.sources.held import hold
from idiolect.corpus.streams import Unreadable


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | Opened]:
    """The page as characters. Raises Unreadable when it is empty, too large, or no text at all."""
    page = hold(file, config)
    if page.count(0) * 10 > len(page) and not page.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("is binary, not a page")
    encoding, text = decode(page, config.encoding)
    yield Opened(encoding, len(page))
    yield Raw(text, kind="html")


def decode(page: bytes, encoding: str = "auto") -> tuple[str, str]:
    """A page's encoding (as said by the recipe, its mark, its head, or its bytes' look) and its characters."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    if encoding == "auto":
        encoding = detect_encoding(page, html5_compatible=True) or "utf-8"
    return encoding, bytes_to_str(page, encoding, "replace")
