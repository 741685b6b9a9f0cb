"""Topic clusters: their words, their size, their languages and sources, and documents of each."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.audit.documents import quotes
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import fold, part


def content(audit: dict) -> Markup | None:
    """One entry a cluster, the largest first."""
    topics = part(part(audit, "profile"), "topics")
    clusters = [one for one in topics.get("clusters") or [] if isinstance(one, dict)]
    if not clusters:
        return None
    most = max(one.get("share") or 0 for one in clusters)
    return tag("div", [cluster(one, most) for one in clusters], class_="topics")


def cluster(one: dict, most: float) -> Markup:
    """Words, size and, folded, documents."""
    words = [str(word) for word in one.get("words") or []]
    where = [
        ", ".join(f"{name or 'not identified'} {figures.share(share, 1)}" for name, share in one.get(key) or [])
        for key in ("languages", "sources")
    ]
    samples = quotes(one.get("samples") or [], "kept", 3)
    return tag(
        "div",
        tag("p", tag("strong", ", ".join(words[:3])), f", {', '.join(words[3:])}" if words[3:] else "", class_="words"),
        charts.bar(one.get("share") or 0, most, "kept"),
        tag("p", f"{figures.share(one.get('share'), 1)} of the documents ({figures.count(one.get('documents'))}), "
            f"{figures.size(one.get('bytes'))}", [f" · {said}" for said in where if said], class_="note"),
        fold(f"Documents: {len(samples)}", samples) if samples else None,
        class_="topic",
    )  # fmt: skip
