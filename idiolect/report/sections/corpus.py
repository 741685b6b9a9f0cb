"""The corpus in a run's report: the audit's story and funnel, what it can feed, who speaks; the rest folded away."""

from __future__ import annotations

from idiolect.report.audit import chapters, story
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, fold, frame, part

GLOSS = "Files become documents. Nothing is dropped without a count and a reason."
OPEN = ("funnel", "worth", "shares")


def section(data: dict) -> Markup:
    """All chapters of the audit that have something to say."""
    audit = part(data, "audit")
    if not audit:
        return frame("corpus", "Corpus", GLOSS, absent("This run kept no audit of its corpus", "idiolect prepare"))
    shown = chapters(audit)
    opened = [
        tag("div", tag("h3", title) if identity != OPEN[0] else None, content, class_="chapter")
        for identity, title, _, content in shown
        if identity in OPEN
    ]
    folded = [
        fold(title, tag("p", gloss, class_="note"), content, open_=False)
        for identity, title, gloss, content in shown
        if identity not in OPEN
    ]
    return frame(
        "corpus",
        "Corpus",
        GLOSS,
        tag("p", story.sentence(audit), class_="verdict"),
        story.warning(audit),
        opened,
        tag("div", tag("h3", "More of the audit"), folded, class_="folds more") if folded else None,
        page_of(audit),
    )


def page_of(audit: dict) -> Markup | None:
    """Where the audit stands as a page of its own."""
    where = audit.get("page")
    return tag("p", "The audit as a page of its own: ", tag("a", where, href=where), class_="note") if where else None
