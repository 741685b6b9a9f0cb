"""Shares of the text by language, source, licence and label, and the lengths of documents."""

from __future__ import annotations

from idiolect.corpus.audit.facts import WITHOUT_LICENCE, licence_of
from idiolect.report import charts, figures
from idiolect.report.audit.documents import text_of
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import fold, part, table

MOST_ROWS = 40
UNNAMED = ("", "und", None)


def content(audit: dict) -> Markup | None:
    """One table a kind, then lengths."""
    tables = [
        shares("Languages", languages(audit), unnamed="not identified"),
        shares("Licences", licences(audit)),
        sources(audit),
        shares("Labels", profiled(audit, "label"), unnamed="none"),
        lengths(audit),
        encodings(audit),
    ]
    shown = [one for one in tables if one]
    return tag("div", shown, class_="stack") if shown else None


def profiled(audit: dict, kind: str) -> list[dict]:
    """The rows of one kind, as the profile counted them."""
    rows = part(part(audit, "profile"), "shares").get(kind)
    return rows if isinstance(rows, list) else []


def languages(audit: dict) -> list[dict]:
    """Languages, from the profile or from the books."""
    own = [row | {"name": row.get("language", "")} for row in audit.get("languages") or []]
    return profiled(audit, "language") or own


def licences(audit: dict) -> list[dict]:
    """Licences over all sources, the largest first; unstated ones and those said to be unknown are rows, too."""
    found: dict[str, dict] = {}
    for row in audit.get("sources") or []:
        name = licence_of(row)
        entry = found.setdefault(name, {"name": name, "documents": 0, "bytes": 0})
        entry["documents"] += row.get("documents") or 0
        entry["bytes"] += row.get("bytes") or 0
    return sorted(found.values(), key=lambda row: -row["bytes"])


def shares(title: str, rows: list[dict], unnamed: str = "") -> Markup | None:
    """Bars by bytes; a kind that nothing is known of is left out."""
    if not any(row.get("name") for row in rows):
        return None
    whole = sum(row.get("bytes") or 0 for row in rows)
    lines = []
    for row in rows[:MOST_ROWS]:
        known = row.get("name") not in UNNAMED
        kind = "dropped" if row.get("name") in WITHOUT_LICENCE else "kept" if known else ""
        name = named(str(row["name"])) if known else tag("span", unnamed, class_="soft")
        lines.append([
            name, charts.bar(row.get("bytes") or 0, whole, kind), figures.count(row.get("documents")),
            figures.size(row.get("bytes")), figures.share(row.get("bytes"), whole),
        ])  # fmt: skip
    return table([title[:-1].lower(), "", "documents", "size", "share"], lines, numeric=(2, 3, 4), caption=title)


def named(name: str) -> Markup:
    """A name; one that stands for a missing licence is set off."""
    return tag("span", name, class_="alarm" if name in WITHOUT_LICENCE else None)


def sources(audit: dict) -> Markup | None:
    """Sources by size, with their licence."""
    rows = sorted(audit.get("sources") or [], key=lambda row: -(row.get("bytes") or 0))
    if not rows:
        return None
    whole = sum(row.get("bytes") or 0 for row in rows)
    lines = [
        [
            row.get("source", ""),
            named(licence_of(row)),
            figures.count(row.get("documents")), figures.size(row.get("bytes")), figures.share(row.get("bytes"), whole),
        ]
        for row in rows[:MOST_ROWS]
    ]  # fmt: skip
    if len(rows) > MOST_ROWS:
        rest = rows[MOST_ROWS:]
        size = sum(row.get("bytes") or 0 for row in rest)
        n = sum(row.get("documents") or 0 for row in rest)
        lines.append([f"and {len(rest)} more", "", figures.count(n), figures.size(size), figures.share(size, whole)])
    return table(["source", "licence", "documents", "size", "share"], lines, numeric=(2, 3, 4),
                 caption="Sources and licences")  # fmt: skip


def encodings(audit: dict) -> Markup | None:
    """In which encodings the files were written, when there was more than one."""
    found = part(audit, "encodings")
    if len(found) < 2:
        return None
    rows = [[name, figures.count(n)] for name, n in sorted(found.items(), key=lambda item: -item[1])]
    return tag("div", fold(f"Encodings: {len(rows)}", table(["encoding", "files"], rows, numeric=(1,))), class_="folds")


def lengths(audit: dict) -> Markup | None:
    """The histogram of document lengths: lengths themselves, or bins that were counted already."""
    profile = part(part(audit, "profile"), "lengths")
    values = profile.get("bins") or audit.get("lengths") or []
    if isinstance(values, dict):
        values = list(values.items())
    bins = counted(values) if values and not isinstance(values[0], (int, float)) else charts.log_bins(values)
    characters = bool(profile) or (bool(values) and isinstance(values[0], dict) and "characters_from" in values[0])
    title = f"Documents by length in {'characters' if characters else 'bytes'}"
    drawing = charts.histogram(bins, title)
    return tag("div", tag("h3", title), drawing, ends(profile)) if drawing else None


def counted(values: list) -> list[tuple[str, float]]:
    """Bins of any of the forms that audits have had, as (lower edge, documents)."""
    edges = ("characters_from", "from", "low", "from_bytes", "up_to", "up_to_bytes", "high", "bytes")
    found = []
    for value in values:
        if isinstance(value, dict):
            edge = next((value[key] for key in edges if figures.is_number(value.get(key))), None)
            found.append((figures.short(edge), value.get("documents", value.get("count", value.get("n", 0)))))
        else:
            edge, number = value
            is_digit = str(edge).replace(".", "", 1).isdigit()
            found.append((figures.short(float(edge)) if is_digit else str(edge), number))
    return found


def ends(profile: dict) -> Markup | None:
    """The median and its like in a sentence, and the shortest and the longest document."""
    at = part(profile, "percentiles")
    if not at:
        return None
    said = (
        f"Half of all documents have between {figures.count(at.get('25'))} and {figures.count(at.get('75'))} "
        f"characters, one in a hundred fewer than {figures.count(at.get('1'))}, one in a hundred more than "
        f"{figures.count(at.get('99'))}."
    )
    rows = [
        tag("li", f"{word}, {figures.count(one.get('characters'))} characters: ", tag("q", text_of(one)[:160]))
        for word, one in (("shortest", part(profile, "shortest")), ("longest", part(profile, "longest")))
        if one
    ]
    return tag("div", tag("p", said, class_="note"), tag("ul", rows, class_="note") if rows else None)
