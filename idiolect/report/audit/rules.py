"""What each heuristic rule does: how many documents fail it at all, alone, and together with other rules."""

from __future__ import annotations

from idiolect.corpus.explain import REASONS
from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import part, plain, table


def content(audit: dict) -> Markup | None:
    """A row a rule, those that take most by themselves first; rules that nothing failed are named below."""
    rules = part(audit, "rules")
    rows = {name: row for name, row in rules.items() if isinstance(row, dict) and row.get("failed")}
    if not rules:
        return None
    judged = part(audit, "read").get("documents") or 0
    order = sorted(rows, key=lambda name: (-(rows[name].get("alone") or 0), -rows[name]["failed"], name))
    return tag("div", effects(order, rows, judged) if order else None, idle(rules, rows), class_="stack")


def effects(order: list[str], rows: dict[str, dict], judged: int) -> Markup:
    """The table. What a rule fails alone is its marginal effect: just that would come back without it."""
    most = max(row["failed"] for row in rows.values())
    lines = []
    for name in order:
        failed, alone = rows[name]["failed"], rows[name].get("alone") or 0
        label = tag("span", plain(name), tag("small", REASONS[name][0]) if name in REASONS else None, class_="rule")
        bar = tag(
            "svg",
            tag("rect", class_="track", x="0", y="0", width="100%", height="100%"),
            tag("rect", class_="fall", x="0", y="0", width=charts.percent(failed, most), height="100%"),
            tag("rect", class_="alone", x="0", y="0", width=charts.percent(alone, most), height="100%"),
            class_="bar", aria_hidden="true", focusable="false",
        )  # fmt: skip
        lines.append([
            label, bar, figures.count(failed), figures.count(alone), figures.count(failed - alone),
            figures.share(failed, judged),
        ])  # fmt: skip
    note = "The strong part of a bar fails this rule and no other: without the rule just these documents would return."
    return tag(
        "div",
        table(["rule", "", "fail it", "it alone", "with others", "of all read"], lines, numeric=(2, 3, 4, 5)),
        tag("p", note, class_="note"),
    )


def idle(rules: dict, rows: dict) -> Markup | None:
    """Rules that are on and that every document passed."""
    names = [plain(name) for name in rules if name not in rows]
    return tag("p", f"Nothing failed: {', '.join(names)}.", class_="note") if names else None
