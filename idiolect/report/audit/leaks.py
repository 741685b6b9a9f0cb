"""What of evaluation sets was found and taken out, and what held-out text still shares with the training text."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.audit.documents import beside, quote
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import fold, part, table


def content(audit: dict) -> Markup | None:
    """The evaluation sets that were kept out, then what is shared all the same."""
    shown = [one for one in (kept_out(audit), shared(audit)) if one]
    return tag("div", shown, class_="stack") if shown else None


def kept_out(audit: dict) -> Markup | None:
    """A row for each evaluation set: how many of its items were looked for, and how many were met in the text."""
    sets = {name: row for name, row in part(audit, "decontamination").items() if isinstance(row, dict)}
    if not sets:
        return None
    lines = []
    for name, row in sets.items():
        items, short, found = (row.get(key) or 0 for key in ("items", "too_short", "found"))
        lines.append([
            name, figures.count(items), figures.count(short), charts.bar(found, items - short, "dropped"),
            figures.count(found), figures.share(found, items - short), figures.count(row.get("documents")),
        ])  # fmt: skip
    head = ["evaluation set", "items", "too short to look for", "", "found", "of those looked for", "in documents"]
    note = "Documents that held an item were dropped, or had the item cut out, before anything below was counted."
    pairs = [pair for pair in part(audit, "pairs").get("contaminated") or [] if isinstance(pair, dict)]
    removed = [beside(pair["dropped"], pair["kept"], "item of an evaluation set", "cut out") for pair in pairs[:5]]
    return tag(
        "div",
        table(head, lines, numeric=(1, 2, 4, 5, 6), caption="Evaluation sets kept out"),
        tag("p", note, class_="note"),
        tag("div", fold(f"What was cut out: {len(removed)}", removed), class_="folds") if removed else None,
    )


def shared(audit: dict) -> Markup | None:
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
    shown = table(head, lines, numeric=(2, 3), caption="Runs of words that the training text holds as well")
    return tag("div", shown, worst(rows), class_="stack")


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
