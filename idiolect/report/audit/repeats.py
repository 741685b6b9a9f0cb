"""Duplicates: how many and how large their clusters are, with pairs side by side and what differs marked."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.audit.documents import beside
from idiolect.report.audit.funnel import stage_of
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, fold, part, plain

STAGES = ("duplicates", "near duplicates")


def content(audit: dict) -> Markup | None:
    """Counts, cluster sizes, pairs; and lines, paragraphs and passages that were cut out."""
    found = {reason: row for reason, row in part(audit, "dropped").items() if stage_of(reason) in STAGES}
    cuts = {name: row for name, row in part(audit, "cuts").items() if isinstance(row, dict)}
    pairs = [(f"{plain(reason)}s", figures.count(row.get("documents"))) for reason, row in found.items()]
    pairs += [(f"{plain(name)} cut out", figures.size(row.get("bytes"))) for name, row in cuts.items()]
    if not pairs:
        return None
    shown = [facts(pairs), clusters(audit), [examples(reason, row) for reason, row in found.items()]]
    return tag("div", shown, class_="stack")


def clusters(audit: dict) -> Markup | None:
    """How many clusters there are of each size."""
    rows = part(audit, "clusters").get("sizes") or []
    bins = [(figures.count(row.get("size")), row.get("clusters") or 0) for row in rows if isinstance(row, dict)]
    if len(bins) < 2:
        return None
    drawing = charts.histogram(bins, "Clusters of near duplicates by how many documents they have")
    return tag("div", tag("h3", "Clusters by size"), drawing) if drawing else None


def examples(reason: str, row: dict) -> Markup | None:
    """Pairs of one reason."""
    pairs = [pair for pair in row.get("pairs") or [] if isinstance(pair, dict)]
    pairs += [{"dropped": one, "kept": one["kept"]} for one in row.get("samples") or [] if one.get("kept")]
    if not pairs:
        return None
    shown = []
    for pair in pairs[:5]:
        alike = pair.get("similarity")
        shown.append(
            tag("p", f"alike by {figures.share(alike, 1)}", class_="note") if figures.is_number(alike) else None
        )
        shown.append(beside(pair["dropped"], pair["kept"]))
    return tag("div", fold(f"Pairs: {plain(reason)}", shown, open_=stage_of(reason) == STAGES[1]), class_="folds")
