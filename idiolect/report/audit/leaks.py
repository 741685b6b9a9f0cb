"""What validation, test and evaluation sets share with the training text, in n-grams of words."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.audit.documents import quote
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import fold, part, table


def content(audit: dict) -> Markup | None:
    """A row for each set and length of n-gram, then the documents that share most."""
    rows = [row for row in part(audit, "profile").get("overlap") or [] if isinstance(row, dict)]
    if not rows:
        return None
    lines = [
        [
            f"{row.get('of')}, {figures.count(row.get('n'))}-grams",
            charts.bar(row.get("share") or 0, 1, "dropped"),
            figures.share(row.get("share"), 1),
            f"{figures.count(row.get('touched'))} of {figures.count(row.get('documents'))}",
        ]
        for row in rows
    ]
    head = ["of", "", "also in train", "documents touched"]
    return tag("div", table(head, lines, numeric=(2, 3)), worst(rows), class_="stack")


def worst(rows: list[dict]) -> Markup | None:
    """The documents of the longest n-grams' rows that share most."""
    longest = max(row.get("n") or 0 for row in rows)
    shown = [
        quote(one | {"note": f"{row.get('of')}: {figures.share(one.get('share'), 1)} shared"})
        for row in rows
        if row.get("n") == longest
        for one in row.get("worst") or []
    ]
    return tag("div", fold(f"The documents that share most: {len(shown)}", shown), class_="folds") if shown else None
