"""The corpus: what was read, what was dropped and why (with samples), what was kept, under which licences."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, fold, frame, part, plain, table

GLOSS = "Files become documents. Nothing is dropped without a count and a reason."
MOST_SAMPLES = 5
MOST_ROWS = 40


def section(data: dict) -> Markup:
    """The funnel, the sources, and the lengths of the documents."""
    audit = part(data, "audit")
    if not audit:
        return frame("corpus", "Corpus", GLOSS, absent("This run kept no audit of its corpus", "idiolect prepare"))
    return frame("corpus", "Corpus", GLOSS, funnel(audit), drops(audit), sources(audit), lengths(audit), skipped(audit))


def funnel(audit: dict) -> Markup:
    """Read, dropped by reason, kept by split, as bars of one scale."""
    read, kept, dropped = part(audit, "read"), part(audit, "kept"), part(audit, "dropped")
    whole = read.get("documents") or sum(row.get("documents", 0) for row in [*kept.values(), *dropped.values()])
    rows = [("read", read, "read")]
    rows += [
        (f"dropped: {plain(reason)}", row, "dropped")
        for reason, row in sorted(dropped.items(), key=lambda item: -item[1].get("documents", 0))
    ]
    rows += [(f"kept: {plain(split)}", row, "kept") for split, row in kept.items()]
    lines = [
        [
            tag("span", name, class_=kind),
            charts.bar(row.get("documents") or 0, whole, kind),
            figures.count(row.get("documents")),
            figures.size(row.get("bytes")),
            figures.share(row.get("documents"), whole),
        ]
        for name, row, kind in rows
    ]
    files = f" in {figures.count(read['files'])} files" if figures.is_number(read.get("files")) else ""
    return table(
        ["outcome", "", "documents", "size", "share"],
        lines,
        numeric=(2, 3, 4),
        caption=f"{figures.count(read.get('documents'))} documents read{files}",
    )


def drops(audit: dict) -> Markup | None:
    """A few of the dropped documents of every reason."""
    folds = []
    for reason, row in part(audit, "dropped").items():
        samples = (row.get("samples") or [])[:MOST_SAMPLES]
        if samples:
            quoted = [
                tag("blockquote", clip(sample.get("text", "")), tag("cite", sample.get("source", "")))
                for sample in samples
            ]
            folds.append(
                fold(f"Dropped as {plain(reason)}: {len(samples)} of {figures.count(row.get('documents'))}", quoted)
            )
    return tag("div", tag("h3", "What was dropped"), folds, class_="folds") if folds else None


def clip(text: object, most: int = 600) -> str:
    """The head of a text."""
    text = str(text)
    return text if len(text) <= most else text[:most] + " …"


def sources(audit: dict) -> Markup | None:
    """Sources by size, with their licence."""
    rows = sorted(audit.get("sources") or [], key=lambda row: -(row.get("bytes") or 0))
    if not rows:
        return None
    whole = sum(row.get("bytes") or 0 for row in rows)
    lines = [
        [
            row.get("source", ""),
            row.get("licence") or "not stated",
            figures.count(row.get("documents")),
            figures.size(row.get("bytes")),
            figures.share(row.get("bytes"), whole),
        ]
        for row in rows[:MOST_ROWS]
    ]
    if len(rows) > MOST_ROWS:
        rest = rows[MOST_ROWS:]
        lines.append(
            [
                f"and {len(rest)} more",
                "",
                figures.count(sum(row.get("documents") or 0 for row in rest)),
                figures.size(sum(row.get("bytes") or 0 for row in rest)),
                figures.share(sum(row.get("bytes") or 0 for row in rest), whole),
            ]
        )
    return table(
        ["source", "licence", "documents", "size", "share"], lines, numeric=(2, 3, 4), caption="Sources and licences"
    )


def lengths(audit: dict) -> Markup | None:
    """The histogram of document lengths: either lengths themselves, or bins that were counted already."""
    values = audit.get("lengths") or []
    if isinstance(values, dict):
        values = list(values.items())
    if values and isinstance(values[0], dict):
        edges = ("characters_from", "from", "low", "from_bytes", "up_to", "up_to_bytes", "high", "bytes")
        bins = [
            (
                figures.short(next((row[key] for key in edges if figures.is_number(row.get(key))), None)),
                row.get("documents", row.get("count", row.get("n", 0))),
            )
            for row in values
        ]
    elif values and isinstance(values[0], (list, tuple)):
        bins = [
            (figures.short(float(edge)) if str(edge).replace(".", "", 1).isdigit() else str(edge), number)
            for edge, number in values
        ]
    else:
        bins = charts.log_bins(values)
    in_characters = bool(values) and isinstance(values[0], dict) and "characters_from" in values[0]
    title = f"Documents by length in {'characters' if in_characters else 'bytes'}"
    drawing = charts.histogram(bins, title)
    return tag("div", tag("h3", title), drawing) if drawing else None


def skipped(audit: dict) -> Markup | None:
    """Files that could not be read, by name."""
    rows = audit.get("skipped_files") or []
    if not rows:
        return None
    named = table(["file", "why"], [[row.get("file", ""), row.get("reason", "")] for row in rows[:200]])
    return tag("div", fold(f"Skipped files: {len(rows)}", named), class_="folds")
