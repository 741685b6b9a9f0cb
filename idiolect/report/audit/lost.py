"""Files and rows that could not be read, with the reason for each."""

from __future__ import annotations

from idiolect.report import figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import fold, table

MOST_ROWS = 200


def content(audit: dict) -> Markup | None:
    """How many, and their names."""
    rows = [row for row in audit.get("skipped_files") or [] if isinstance(row, dict)]
    if not rows:
        return None
    files, bad = audit.get("n_skipped_files", len(rows)), audit.get("n_skipped_rows", 0)
    said = f"{figures.count(files)} {'file was' if files == 1 else 'files were'} passed over"
    said += f", and {figures.count(bad)} {'row' if bad == 1 else 'rows'} of other files." if bad else "."
    named = table(["file", "why"], [[row.get("file", ""), row.get("reason", "")] for row in rows[:MOST_ROWS]])
    rest = f" (the first {MOST_ROWS} of them)" if len(rows) > MOST_ROWS else ""
    return tag("div", tag("p", said), fold(f"By name: {min(len(rows), MOST_ROWS)}{rest}", named), class_="folds first")
