"""Files and rows that could not be read, with the reason for each."""

from __future__ import annotations

from collections import Counter

from idiolect.report import figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, fold, part, table

MOST_ROWS = 200


def content(audit: dict) -> Markup | None:
    """What was fetched and what was not allowed to be; how many were passed over, and their names."""
    shown = [one for one in (fetched(part(audit, "fetched")), passed_over(audit)) if one]
    return tag("div", shown, class_="stack") if shown else None


def fetched(found: dict) -> Markup | None:
    """How many addresses gave text, and how many were refused by the robots.txt of their host."""
    if not found:
        return None
    return facts([
        ("addresses fetched", figures.count(found.get("urls"))),
        ("left out, for robots.txt does not allow them", figures.count(found.get("refused_by_robots"))),
    ])  # fmt: skip


def passed_over(audit: dict) -> Markup | None:
    """Each file and reason once, with how often."""
    rows = Counter(
        (str(row.get("file", "")), str(row.get("reason", "")))
        for row in audit.get("skipped_files") or []
        if isinstance(row, dict)
    )
    if not rows:
        return None
    files, bad = audit.get("n_skipped_files", rows.total()), audit.get("n_skipped_rows", 0)
    said = f"{figures.count(files)} {'file was' if files == 1 else 'files were'} passed over"
    said += f", and {figures.count(bad)} {'row' if bad == 1 else 'rows'} of other files." if bad else "."
    lines = [[file, why, figures.count(n)] for (file, why), n in list(rows.items())[:MOST_ROWS]]
    named = table(["file", "why", "times"], lines, numeric=(2,))
    rest = f" (the first {MOST_ROWS} of them)" if len(rows) > MOST_ROWS else ""
    return tag("div", tag("p", said), fold(f"By name: {min(len(rows), MOST_ROWS)}{rest}", named), class_="folds first")
