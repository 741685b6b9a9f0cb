"""How many unique tokens there are, what size of model they can feed, and what the sources are mixed to."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, part, plain, table

MIXED = ("weight", "share", "quota", "tokens", "documents", "epochs", "start", "end")


def content(audit: dict) -> Markup | None:
    """The sentence, the account of unique text, the table of epochs, the mixture."""
    profile = part(audit, "profile")
    feeds, unique = part(profile, "feeds"), part(profile, "unique")
    shown = [said(feeds), account(unique, part(profile, "repetition")), epochs(feeds), mixture(audit)]
    shown = [one for one in shown if one]
    return tag("div", shown, class_="stack") if shown else None


def said(feeds: dict) -> Markup | None:
    """The verdict in one sentence."""
    return tag("p", str(feeds["sentence"]), class_="verdict") if feeds.get("sentence") else None


def account(unique: dict, repetition: dict) -> Markup | None:
    """Unique text and its tokens; how much of it says what was said before."""
    if not unique:
        return None
    passages = part(unique, "of_distinct_passages")
    each = figures.significant(unique.get("bytes_per_token"), 3)
    how = f"assumed: {each} bytes each" if unique.get("assumed") else f"measured: {each} bytes each"
    pairs = [
        ("unique tokens", figures.short(passages.get("tokens", unique.get("tokens")))),
        (f"tokens of training text ({how})", figures.short(unique.get("tokens"))),
        ("training text", figures.size(unique.get("bytes"))),
    ]
    if figures.is_number(repetition.get("repeated_share")):
        n = figures.count(repetition.get("n"))
        pairs.append((f"of its {n}-grams repeat an earlier one", figures.share(repetition["repeated_share"], 1)))
    removed = part(unique, "removed")
    if removed:
        pairs.append((
            "duplicates taken out before",
            figures.size(sum(row.get("bytes") or 0 for row in removed.values())),
        ))  # fmt: skip
    return facts(pairs)


def epochs(feeds: dict) -> Markup | None:
    """What reading the text several times is worth, and the model that it feeds."""
    rows = feeds.get("epochs") or []
    if not rows:
        return None
    most = max(row.get("parameters") or 0 for row in rows)
    lines = [
        [
            f"read\u00a0{figures.count(row.get('epochs'))}\u00a0time{'' if row.get('epochs') == 1 else 's'}",
            charts.bar(row.get("parameters") or 0, most, "kept"),
            figures.short(row.get("seen_tokens")), figures.short(row.get("worth_tokens")),
            figures.short(row.get("parameters")),
        ]
        for row in rows
    ]  # fmt: skip
    return tag(
        "div",
        table(["", "", "tokens seen", "worth, in fresh tokens", "feeds parameters"], lines, numeric=(2, 3, 4),
              caption=f"What size of model it can feed, at {figures.count(feeds.get('tokens_per_parameter'))} tokens "
                      "a parameter"),
        tag("p", "Repetition loses its worth: four readings are nearly as good as fresh text, sixteen are not "
                 "(arXiv 2305.16264; tokens a parameter after arXiv 2203.15556).", class_="note"),
    )  # fmt: skip


def mixture(audit: dict) -> Markup | None:
    """What the trainer reads of each source, when sources are weighed."""
    rows = [row for row in audit.get("mixture") or [] if isinstance(row, dict)]
    columns = [name for name in MIXED if any(figures.is_number(row.get(name)) for row in rows)]
    if not columns:
        return None

    def cell(name: str, value: object) -> str:
        if name == "share":
            return figures.share(value, 1)
        return figures.short(value) if name in ("tokens", "quota", "documents") else figures.significant(value, 3)

    lines = [[str(row.get("source", row.get("name", ""))), *(cell(c, row.get(c)) for c in columns)] for row in rows]
    return table(["source", *map(plain, columns)], lines, numeric=range(1, len(columns) + 1), caption="The mixture")
