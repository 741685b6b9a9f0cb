"""How many unique tokens there are, what size of model they can feed, and what the sources are mixed to."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, part, table


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
    if not rows:
        return None
    lines = [
        [
            str(row.get("source", "")), figures.count(row.get("documents")), figures.short(row.get("tokens")),
            str(row.get("weight", "")).replace(" ", "\u00a0"), charts.bar(row.get("share") or 0, 1, "kept"),
            figures.share(row.get("share"), 1),
            figures.short(row.get("drawn")), figures.significant(row.get("epochs"), 3),
        ]
        for row in rows
    ]  # fmt: skip
    head = ["source", "documents", "tokens", "weight", "", "share", "tokens drawn", "times read"]
    return table(head, lines, numeric=(1, 2, 5, 6, 7), caption="The mixture, as a whole training reads it")
