"""A prepared corpus -> one HTML file that runs nothing, loads nothing and is read anywhere.

No script stands on it: all drawings are inline SVG, all folds are the browser's own, so its content-security policy
can forbid everything.
"""

from __future__ import annotations

from idiolect.report.audit import chapters, story
from idiolect.report.markup import Markup, join, tag
from idiolect.report.page import own, policy
from idiolect.report.sections import frame

FOOT = (
    "Written by Idiolect. This file is complete: it loads nothing and sends nothing. Texts on it were written by "
    "others, and are shown as they are but for personal data, which is masked."
)


def render(audit: dict, name: str = "corpus") -> str:
    """The page as text."""
    shown = chapters(audit)
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy([])),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{name}, the corpus · Idiolect"),
        tag("style", Markup(own("style.css") + own("audit/style.css"))),
    )
    hero = tag(
        "header",
        tag("p", "Idiolect · audit of a corpus", class_="eyebrow"),
        tag("h1", name),
        tag("p", story.sentence(audit), class_="lede"),
        story.warning(audit),
        story.headline(audit),
        class_="hero",
        id="top",
    )
    contents = tag("nav", [tag("a", title, href=f"#{identity}") for identity, title, _, _ in shown],
                   aria_label="Chapters")  # fmt: skip
    body = join(
        tag("a", "Skip to the chapters", href="#chapters", class_="skip"),
        hero,
        contents,
        tag("main", [frame(*chapter) for chapter in shown], id="chapters"),
        tag("footer", FOOT),
    )
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", body), lang="en")
