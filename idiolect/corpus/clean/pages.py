"""Headers, footers and page numbers that a document's pages repeat; pages are what form feeds part."""

import re
from collections import Counter

PAGE_END = "\f"
EDGE_LINES = 3  # lines looked at, from a page's top and from its bottom
FEW_PAGES = 3
DIGITS = re.compile(r"\d+|\b[ivxlcdm]+\b")
NUMBER = re.compile(r"[\W_]*(?:(?:page|seite|p\.|s\.|página|pagina|стр\.)\s*)?(?:\d{1,5}|[ivxlcdm]{1,8})"
                    r"(?:\s*(?:/|of|von|de|sur|из)\s*\d{1,5})?[\W_]*", re.IGNORECASE)  # fmt: skip


def without_repeated(text: str, share: float) -> tuple[str, int]:
    """The pages as one text, without lines at their edges that stand on `share` of them (numbers aside), and a count.

    A page number alone on its line goes when most pages have one. A text without pages is left as it is.
    """
    pages = [page.split("\n") for page in text.split(PAGE_END)]
    if len(pages) < FEW_PAGES + 1:
        return text, 0
    edges = [_edges(lines) for lines in pages]
    seen = Counter(
        shape for lines, edge in zip(pages, edges, strict=True) for shape in {_shape(lines[i]) for i in edge}
    )
    least = max(FEW_PAGES, share * len(pages))
    removed = 0
    for lines, edge in zip(pages, edges, strict=True):
        for index in reversed(edge):
            if seen[_shape(lines[index])] >= least:
                del lines[index]
                removed += 1
    # Without its form feed a page's end is a line's end: a sentence may go on behind it.
    return "\n".join("\n".join(lines).strip("\n") for lines in pages), removed


def _edges(lines: list[str]) -> list[int]:
    """The places of the first and last lines with something on them, in order."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    return sorted({*filled[:EDGE_LINES], *filled[-EDGE_LINES:]})


def _shape(line: str) -> str:
    """The line as other pages have it: without case and numbers."""
    if NUMBER.fullmatch(line):
        return "#"
    return DIGITS.sub("#", " ".join(line.casefold().split()))
