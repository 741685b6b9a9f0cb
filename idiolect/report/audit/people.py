"""Personal data found by pattern, counted by kind."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import part, plain, table


def content(audit: dict) -> Markup | None:
    """A bar a kind."""
    found = part(audit, "pii") or part(part(audit, "profile"), "pii")
    rows = {kind: n.get("found") if isinstance(n, dict) else n for kind, n in found.items()}
    rows = {kind: n for kind, n in rows.items() if figures.is_number(n)}
    if not rows:
        return None
    most = max(rows.values())
    lines = [
        [plain(kind), charts.bar(n, most, "dropped"), figures.count(n)]
        for kind, n in sorted(rows.items(), key=lambda item: -item[1])
    ]
    note = "What was found is masked in every sample on this page, whether or not the recipe masks it in the text."
    return tag("div", table(["kind", "", "found"], lines, numeric=(2,)), tag("p", note, class_="note"), class_="stack")
