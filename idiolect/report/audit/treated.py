"""What was changed in texts: characters and lines by cleaning, and what the recipe asked to be made of them."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, part, plain, table


def content(audit: dict) -> Markup | None:
    """How many documents, then a row a kind of change, then transforms."""
    cleaned, made = part(audit, "cleaned"), part(audit, "transformed")
    shown = [touched(audit, cleaned), places(part(cleaned, "places")), transforms(made)]
    shown = [one for one in shown if one]
    return tag("div", shown, class_="stack") if shown else None


def touched(audit: dict, cleaned: dict) -> Markup | None:
    """How many documents are not as they were found."""
    n, read = cleaned.get("documents"), part(audit, "read").get("documents")
    return (
        facts([("documents that cleaning changed", figures.count(n)), ("of all read", figures.share(n, read))])
        if n
        else None
    )


def places(found: dict) -> Markup | None:
    """How often each kind of thing was taken out or put right."""
    rows = sorted(((name, n) for name, n in found.items() if n), key=lambda row: (-row[1], row[0]))
    if not rows:
        return None
    lines = [[plain(name), charts.bar(n, rows[0][1], "kept"), figures.count(n)] for name, n in rows]
    return table(["what", "", "places"], lines, numeric=(2,), caption="Taken out or put right")


def transforms(made: dict) -> Markup | None:
    """Lower-casing and its like, and where they could not be made."""
    if not made.get("made"):
        return None
    left = [row for row in made.get("left_as_they_are") or [] if isinstance(row, dict)]
    lines = [
        [plain(str(row.get("transform", ""))), str(row.get("language") or "not identified"),
         figures.count(row.get("documents"))]
        for row in left
    ]  # fmt: skip
    said = f"Every text was transformed: {', '.join(plain(str(name)) for name in made['made'])}."
    return tag(
        "div",
        tag("p", said, class_="note"),
        table(["transform", "language", "documents"], lines, numeric=(2,), caption="Left as they are")
        if lines
        else None,
    )
