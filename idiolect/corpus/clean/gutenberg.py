"""Project Gutenberg's header, footer and licence, found by their markers, or by their words in a piece of a book.

Long files are cut into pieces before they are cleaned, so a piece may hold the licence's middle and neither marker.
"""

import re

# A header or footer is looked for this far from its end of the text: longer ones are not known.
HEAD_CHARACTERS, LICENCE_CHARACTERS = 20_000, 40_000
START = re.compile(
    r"^[ \t]*(?:\*{3} ?START OF TH(?:E|IS) PROJECT GUTENBERG[^\n]*(?:\n[^\n*]+)?\*{3}"
    r"|\*END[* ]*THE SMALL PRINT![^\n]*)[^\n]*\n",
    re.MULTILINE | re.IGNORECASE,
)
END = re.compile(
    r"^[ \t]*(?:End of (?:the |this )?Project Gutenberg[^\n]*|\*{3} ?END OF TH(?:E|IS) PROJECT GUTENBERG[^\n]*"
    r"|\*{3} START: FULL LICENSE \*{3}[^\n]*)$",
    re.MULTILINE | re.IGNORECASE,
)
PRODUCED = re.compile(r"\A\s*(?:(?:E-text )?(?:Produced|Prepared|Transcribed|Digitized) (?:by|from)\b[^\n]*"
                      r"(?:\n[^\n]+)*\n)", re.IGNORECASE)  # fmt: skip
# A numbered clause (1.E.8.), a section, or any mention: what paragraphs of the licence have and novels lack.
CLAUSE = re.compile(
    r"\A\s*(?:1\.[A-F](?:\.\d)?\.?\s|Section\s+\d\.|START: FULL LICENSE)"
    r"|Project\s+Gutenberg(?:-tm|\u2122|\(TM\)|\s+Literary|\s+License|\s+EBook|\s+electronic)|pglaf|www\.gutenberg\.",
    re.IGNORECASE,
)
FEW_CLAUSES = 3


def without_licence(text: str) -> tuple[str, int]:
    """The book alone, and how many parts were removed: the header, the footer, the licence."""
    if "gutenberg" not in text and "Gutenberg" not in text and "GUTENBERG" not in text:
        return text, 0
    removed = 0
    start = START.search(text, 0, HEAD_CHARACTERS)
    if start:
        text, removed = text[start.end() :].lstrip("\n"), 1
        text = PRODUCED.sub("", text).lstrip("\n")
    end = END.search(text)
    if end and len(text) - end.start() <= LICENCE_CHARACTERS:
        text, removed = text[: end.start()].rstrip() + "\n", removed + 1
    rest, cut = _without_clauses(text)
    return rest, removed + cut


def _without_clauses(text: str) -> tuple[str, int]:
    """A piece of a longer text without the licence's paragraphs, where there are enough of them to be sure."""
    pieces = re.split(r"(\n[ \t]*\n\s*)", text)
    clauses = [index for index in range(0, len(pieces), 2) if CLAUSE.search(pieces[index])]
    if len(clauses) < FEW_CLAUSES:
        return text, 0
    rest = "".join(pieces[: clauses[0]]).rstrip() + "".join(pieces[clauses[-1] + 1 :])
    return rest, 1
