"""Documents on the page: quoted, their personal data masked, or two beside each other with what differs marked."""

from __future__ import annotations

import difflib
import re

from idiolect.corpus.clean.pii import hidden
from idiolect.report.markup import Markup, tag

MOST_CHARACTERS = 600
PIECES = re.compile(r"\s+|\w+|[^\w\s]")


def text_of(sample: dict) -> str:
    """The head of a sample's text; mail addresses, numbers and keys in it are masked, whatever the recipe kept."""
    text = hidden(str(sample.get("text", sample.get("example", ""))))
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " …"


def quote(sample: dict, kind: str = "dropped", body: Markup | None = None) -> Markup:
    """One document with where it comes from."""
    about = [str(sample.get("source", ""))]
    about += [str(sample["note"])] if sample.get("note") else []
    text = body if body is not None else text_of(sample)
    return tag(
        "blockquote",
        text if str(text).strip() else tag("span", "nothing that can be seen", class_="absent"),
        tag("cite", " · ".join(part for part in about if part)),
        class_=kind,
    )


def quotes(samples: list[dict], kind: str, most: int = 5) -> list[Markup]:
    """Some documents, one under another."""
    return [quote(sample, kind) for sample in samples[:most] if isinstance(sample, dict)]


def beside(dropped: dict, kept: dict, stands: str = "kept", fell: str = "dropped") -> Markup:
    """Two documents side by side, the words that only one of them has marked; `stands` and `fell` say what they are."""
    left, right = marked(text_of(dropped), text_of(kept))
    return tag(
        "div",
        tag("div", tag("h4", stands), quote(kept, "kept", right)),
        tag("div", tag("h4", fell), quote(dropped, "dropped", left)),
        class_="beside",
    )


def marked(left: str, right: str) -> tuple[Markup, Markup]:
    """Both texts, with what the other doesn't have in <mark>."""
    return tuple(
        tag("span", *(tag("mark", piece) if differs else piece for piece, differs in pieces))
        for pieces in differing(left, right)
    )


def differing(left: str, right: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both texts in pieces, each with whether the other text lacks it; white space never counts."""
    a, b = PIECES.findall(left), PIECES.findall(right)
    found: tuple[list, list] = ([], [])
    for what, a1, a2, b1, b2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for pieces, into in (("".join(a[a1:a2]), found[0]), ("".join(b[b1:b2]), found[1])):
            if pieces:
                into.append((pieces, what != "equal" and bool(pieces.strip())))
    return found
