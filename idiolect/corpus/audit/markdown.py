"""Markdown that says what it was given and nothing else: names and licences of documents are hostile text."""

import html
import re
from collections.abc import Sequence

from idiolect.visible import visible

SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def said(value: object) -> str:
    """Any value as one line of text: no markup, no HTML, no control character takes effect."""
    return SPECIAL.sub(r"\\\1", html.escape(visible(" ".join(str(value).split())), quote=False))


def table(head: Sequence[str], rows: Sequence[Sequence[object]], numeric: Sequence[int] = ()) -> str:
    """A table; `numeric` lists the columns set flush right."""
    lines = [
        "| " + " | ".join(map(said, head)) + " |",
        "|" + "|".join(" --: " if i in numeric else " :-- " for i in range(len(head))) + "|",
    ]
    return "\n".join(lines + ["| " + " | ".join(map(said, row)) + " |" for row in rows])


def count(n: float) -> str:
    """A whole number with grouped digits."""
    return f"{n:,.0f}"


def share(part: float, whole: float) -> str:
    """A percentage, or a dash where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
