"""The whole corpus in one sentence and a few numbers."""

from __future__ import annotations

from idiolect.corpus.audit.facts import WITHOUT_LICENCE
from idiolect.report import figures
from idiolect.report.audit import funnel, shares
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import part

UNNAMED = (*shares.UNNAMED, "(others)")


def numbers(audit: dict) -> dict:
    """Documents read and kept, bytes kept, sources, languages, and the share without a known licence."""
    splits = [split for split in part(audit, "kept").values() if isinstance(split, dict)]
    rows = shares.licences(audit)
    whole = sum(row["bytes"] for row in rows)
    return {
        "read": funnel.total(audit),
        "kept": funnel.documents(splits),
        "bytes": sum(split.get("bytes") or 0 for split in splits),
        "files": part(audit, "read").get("files"),
        "sources": len({row.get("source") for row in audit.get("sources") or []}),
        "languages": len([row for row in shares.languages(audit) if row.get("name") not in UNNAMED]),
        "unstated": sum(row["bytes"] for row in rows if row["name"] in WITHOUT_LICENCE) / whole if whole else 0.0,
    }


def sentence(audit: dict) -> str:
    """Documents in, documents kept, their size, where from and in which languages."""
    of = numbers(audit)
    said = figures.how_many(of["read"], "document")
    said += f" in {figures.how_many(of['files'], 'file')}" if of["files"] else ""
    said += f" went in; {figures.count(of['kept'])} {'is' if of['kept'] == 1 else 'are'} kept"
    said += f", {figures.size(of['bytes'])} of text"
    where = [figures.how_many(of["sources"], "source")] if of["sources"] else []
    where += [f"in {figures.how_many(of['languages'], 'language')}"] if of["languages"] else []
    said += f" from {' '.join(where)}" if of["sources"] else ""
    return said + "."


def warning(audit: dict) -> Markup | None:
    """What should be settled before a model is given to anybody."""
    share = numbers(audit)["unstated"]
    if share <= 0:
        return None
    said = (
        "None of this text has a stated licence: say it with corpus.licence, or ask its author."
        if share > 0.9995
        else f"{figures.share(share, 1)} of this text has no known licence."
    )
    return tag("p", said, class_="alarm note")


def headline(audit: dict) -> Markup:
    """The numbers that matter, large."""
    of, feeds = numbers(audit), part(part(audit, "profile"), "feeds")
    pairs = [("documents kept", figures.short(of["kept"])), ("of text", figures.size(of["bytes"]))]
    if feeds:
        pairs.append(("unique tokens", figures.short(feeds.get("unique_tokens"))))
        pairs.append(("parameters they can feed", figures.short(feeds.get("parameters"))))
    pairs.append(("of all documents fell", figures.share(of["read"] - of["kept"], of["read"])))
    cells = [tag("div", tag("dt", name), tag("dd", tag("strong", value))) for name, value in pairs]
    return tag("dl", cells, class_="numbers")
