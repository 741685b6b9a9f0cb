"""Personal data found by pattern, counted by kind."""

from __future__ import annotations

from idiolect.corpus.audit import facts
from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import part, plain, table

NAMES = {
    "mail": "mail addresses", "ip": "IP addresses", "phone": "phone numbers", "card": "card numbers",
    "iban": "bank accounts (IBAN)", "key": "keys and passwords", "ssn": "social security numbers",
}  # fmt: skip


def content(audit: dict) -> Markup | None:
    """A bar a kind, and what was done with it."""
    rows = [(kind, n, action) for kind, n, action in facts.pii(audit | {"profile": part(audit, "profile")}) if n]
    if not rows:
        return None
    most = max(n for _, n, _ in rows)
    lines = [[NAMES.get(kind, plain(kind)), charts.bar(n, most, "dropped"), figures.count(n), action or figures.DASH]
             for kind, n, action in rows]  # fmt: skip
    note = "What was found is masked in every sample on this page, whether or not the recipe masks it in the text."
    return tag(
        "div", table(["kind", "", "found", "what was done"], lines, numeric=(2,)), tag("p", note, class_="note"),
        class_="stack",
    )  # fmt: skip
