"""A comparison -> one HTML file, one SVG and one Markdown table: compare.json holds all that they show."""

from __future__ import annotations

import re

from idiolect.report import lines
from idiolect.report.markup import Markup, escape, join, tag
from idiolect.report.page import own, policy
from idiolect.report.sections.comparison import (
    AXES,
    CLASSIFIER_HEAD,
    GLOSS,
    HEAD,
    classifier_rows,
    content,
    curves,
    rows,
)
from idiolect.visible import visible

__all__ = ["HEAD", "markdown", "plot", "render", "rows"]
PANEL = (620, 340)


def render(data: dict) -> str:
    """The page as text; no script runs on it, and it loads nothing."""
    title = f"{data['name']} compared · Idiolect"
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy([])),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(own("style.css"))),
    )
    first = data["verdicts"][0] if data["verdicts"] else "Nothing could be compared."
    hero = tag(
        "header",
        tag("p", f"Idiolect · {str(data.get('lineage', {}).get('date', ''))[:10]}", class_="eyebrow"),
        tag("h1", data["name"]),
        tag("p", f"{len(data['contenders'])} compared at {data['budget']['text']}: {first}.", class_="lede"),
        class_="hero",
        id="top",
    )
    section = tag(
        "section",
        tag("header", tag("h2", "Comparison", id="comparison-title"), tag("p", GLOSS, class_="gloss")),
        tag("div", content(data), class_="content"),
        id="comparison",
        aria_labelledby="comparison-title",
    )
    footer = tag("footer", "Written by Idiolect. This file is complete: it loads nothing and sends nothing.")
    body = join(hero, tag("main", section), footer)
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", body), lang="en")


def plot(data: dict) -> str:
    """Curves against seconds and against FLOPs side by side, as an SVG file."""
    width, height = PANEL
    panels = [curves(data, axis, at=index * width) for index, axis in enumerate(AXES)]
    drawn = [one for one in panels if one is not None]
    title = f"bits per byte at {data['budget']['text']}"
    if not drawn:
        return lines.svg(tag("text", "no curves", x="20", y="40", fill=lines.GREY), width, 60, title)
    return lines.svg(drawn, width * len(drawn), height, title)


def markdown(data: dict, plot_name: str) -> str:
    """The table, the plot and the verdicts, for a documentation page."""
    said = [
        f"Budget: {cell(data['budget']['text'])}. "
        f"Scores: bits per byte of {data['scored_tokens']:,} {data['split']} tokens.",
        "",
        "| " + " | ".join(map(cell, HEAD)) + " |",
        "|" + "|".join([" :-- ", *([" --: "] * (len(HEAD) - 1))]) + "|",
        *("| " + " | ".join(map(cell, row)) + " |" for row in rows(data)),
        "",
        f"![Bits per byte against compute]({plot_name})",
        "",
        *classifiers(data),
        *(f"- {cell(verdict)}" for verdict in data["verdicts"]),
        "",
        *(f"- {cell(note)}" for note in data["notes"]),
        "",
    ]
    return "\n".join(said)


def classifiers(data: dict) -> list[str]:
    """The table of classifiers, where there are any."""
    found = classifier_rows(data)
    if not found:
        return []
    table = [CLASSIFIER_HEAD, [" :-- ", *([" --: "] * (len(CLASSIFIER_HEAD) - 1))], *found]
    return [*("| " + " | ".join(map(cell, row)) + " |" for row in table), ""]


def cell(text: object) -> str:
    """Text that is text in Markdown and in the HTML made of it, whatever a recipe was called."""
    plain = visible(str(text)).replace("\u202f", " ").replace("\n", " ")
    return escape(re.sub(r"([\\`*_\[\]|])", r"\\\1", plain)).replace("&#x27;", "'").replace("&quot;", '"')
