"""PDF: the text of its pages, running heads left out, words that a line's end had cut joined again.

pypdf limits what any stream may unpack to (75 MB); pages and seconds are limited here, between pages. The seconds
are the one place where a slow machine could decide otherwise than a fast one: no file of ours needs a tenth of them.
"""

import io
import logging
import re
import time

from idiolect.corpus.clean.pages import PAGE_END
from idiolect.corpus.extract import BadDocument, as_bytes
from idiolect.corpus.extract.config import FormatsConfig
from idiolect.errors import MissingExtra

HYPHEN = re.compile(r"(\w)[\u00ad-]\n(?=[^\W\d_A-Z])")
# A few broken pages of a long book are no reason to lose the others; more are.
MOST_BROKEN = 0.1


def extract(payload: str, config: FormatsConfig) -> str:
    """The text of all pages. Raises BadDocument when it is encrypted, broken, endless, or pictures of text alone."""
    reader = _open(as_bytes(payload))
    n_pages, began = len(reader.pages), time.monotonic()
    if n_pages > config.max_pdf_pages:
        raise BadDocument(f"it claims {n_pages:,} pages, more than max_pdf_pages = {config.max_pdf_pages:,}")
    texts, broken, why = [], 0, ""
    for number in range(n_pages):
        if time.monotonic() - began > config.max_pdf_seconds:
            raise BadDocument(f"its first {number:,} pages took longer than max_pdf_seconds = {config.max_pdf_seconds}")
        try:
            texts.append(reader.pages[number].extract_text())
        except Exception as error:  # a broken page may raise anything, and the others are still text
            broken, why = broken + 1, f"page {number + 1}: {type(error).__name__}: {error}"
    if broken > MOST_BROKEN * n_pages:
        raise BadDocument(f"{broken:,} of its {n_pages:,} pages can't be read ({why})")
    text = without_heads(texts)
    if not text.strip():
        raise BadDocument("it holds no text: its pages are pictures, and those are not read")
    return text


def _open(content: bytes):
    try:
        from pypdf import PdfReader
    except ImportError:
        raise MissingExtra("corpus", needs="pypdf, which reads PDF,") from None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise BadDocument("it is encrypted; remove its password first")
        len(reader.pages)
    except BadDocument:
        raise
    except Exception as error:  # structures that lie about themselves raise anything, from KeyError to RecursionError
        raise BadDocument(f"it is no PDF that can be read: {type(error).__name__}: {error}") from error
    return reader


def without_heads(pages: list[str]) -> str:
    """Pages parted by form feeds; running heads and page numbers, which repeat, left out."""
    lines = [[line.rstrip() for line in page.replace("\r", "").split("\n")] for page in pages]
    repeated = _repeated(lines)
    kept = []
    for page in lines:
        body = [line for i, line in enumerate(page) if not (_at_edge(i, page) and _shape(line) in repeated)]
        kept.append("\n".join(body).strip("\n"))
    return PAGE_END.join(body for body in kept if body.strip())


def flowing(text: str) -> str:
    """The pages as one text: a page's end is a line's end, and words that either had cut are joined."""
    return re.sub(r"\n{3,}", "\n\n", HYPHEN.sub(r"\1", text.replace(PAGE_END, "\n"))).strip()


def _at_edge(i: int, page: list[str]) -> bool:
    return i < 2 or i >= len(page) - 2


def _shape(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split()))


def _repeated(pages: list[list[str]]) -> set[str]:
    """Lines at the top or bottom of more than half of at least four pages, numbers apart."""
    counts: dict[str, int] = {}
    for page in pages:
        for shape in {_shape(line) for i, line in enumerate(page) if _at_edge(i, page)}:
            counts[shape] = counts.get(shape, 0) + 1
    return {shape for shape, n in counts.items() if shape and len(pages) >= 4 and n > len(pages) / 2}
