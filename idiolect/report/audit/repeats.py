"""Duplicates: how many and how large their clusters are, with pairs side by side and what differs marked."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.audit.documents import beside
from idiolect.report.audit.funnel import stage_of
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, fold, part, plain, table

NAMES = {
    "duplicate": "documents there before, word for word", "near_duplicate": "documents nearly there before",
    "repeated_text": "documents of which too little was left",
}  # fmt: skip
STAGES = ("duplicates", "near duplicates", "repeated passages")


def content(audit: dict) -> Markup | None:
    """Counts, cluster sizes, pairs; and lines, paragraphs and passages that were cut out."""
    found = {reason: row for reason, row in part(audit, "dropped").items() if stage_of(reason) in STAGES}
    cuts = {name: row for name, row in part(audit, "cuts").items() if isinstance(row, dict)}
    pairs = [(NAMES.get(reason, plain(reason)), figures.count(row.get("documents"))) for reason, row in found.items()]
    if not pairs and not part(audit, "near"):
        return None
    together = {reason: {"pairs": rows} for reason, rows in part(audit, "pairs").items() if stage_of(reason) in STAGES}
    shown = [
        facts(pairs) if pairs else tag("p", "No document was there twice.", class_="note"),
        cut_out(cuts),
        clusters(audit),
        chances(part(audit, "near")),
        [examples(reason, row) for reason, row in (found | together).items()],
    ]
    return tag("div", shown, class_="stack")


def cut_out(cuts: dict) -> Markup | None:
    """What came again within documents that stay, and was cut out of them."""
    if not cuts:
        return None
    lines = [
        [f"{plain(name)}s", figures.size(row.get("bytes")), figures.count(row.get("documents"))]
        for name, row in cuts.items()
    ]
    return table(["of what came again", "cut out", "of documents"], lines, numeric=(1, 2),
                 caption="Cut out of documents that stay")  # fmt: skip


def chances(near: dict) -> Markup | None:
    """How likely near duplicates are found at all: signatures of bands are a lottery with known odds."""
    found = [(float(alike), chance) for alike, chance in part(near, "found_of_similar").items()]
    if not found:
        return None
    lines = [
        [f"alike by {figures.share(alike, 1)}", charts.bar(chance, 1, "kept"), figures.share(chance, 1)]
        for alike, chance in sorted(found)
    ]
    note = (
        f"Near duplicates are looked for with {figures.count(near.get('bands'))} bands of "
        f"{figures.count(near.get('rows'))} MinHash values (arXiv 2107.06499); a pair that was met falls when it is "
        f"alike by {figures.share(near.get('min_similarity'), 1)} or more."
    )
    return tag(
        "div", table(["two documents", "", "chance to be found"], lines, numeric=(2,), caption="What is found"),
        tag("p", note, class_="note"),
    )  # fmt: skip


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
