"""Vocabulary and n-grams: how many different ones, how their number grows, and which come again and again."""

from __future__ import annotations

import math

from idiolect.report import charts, figures, lines
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, fold, part, table

MOST_TOPS = 12


def content(audit: dict) -> Markup | None:
    """Figures, the growth of the vocabulary, n-grams."""
    profile = part(audit, "profile")
    words = part(profile, "vocabulary")
    grams = [row for row in profile.get("ngrams") or [] if isinstance(row, dict) and row.get("total")]
    pairs = numbers(words, part(profile, "compression"))
    shown = [facts(pairs) if pairs else None, growth(words), ngrams(grams), tops(grams)]
    shown = [one for one in shown if one]
    return tag("div", shown, class_="stack") if shown else None


def numbers(words: dict, compression: dict) -> list[tuple[str, str]]:
    """The figures that are one number."""
    about = "about " if words.get("error") else ""
    pairs = [
        ("words", figures.short(words.get("words"))),
        ("different words", about + figures.short(words.get("distinct"))),
    ]
    if figures.is_number(words.get("once")):
        pairs.append(("of them met just once", figures.share(words["once"], 1)))
    if figures.is_number(words.get("windowed_type_token")):
        pairs.append(("different words in a thousand", figures.count(1000 * words["windowed_type_token"])))
    if figures.is_number(part(words, "heaps").get("beta")):
        pairs.append(("Heaps' exponent", figures.significant(words["heaps"]["beta"], 2)))
    if figures.is_number(compression.get("ratio")):
        pairs.append((f"times smaller by {compression.get('codec')}", figures.significant(compression["ratio"], 3)))
    return pairs if words or compression else []


def growth(words: dict) -> Markup | None:
    """Different words against words read, both in powers of ten: Heaps' law is a straight line there."""
    rows = [row for row in words.get("growth") or [] if row.get("words") and row.get("distinct")]
    if len(rows) < 2:
        return None
    x_low, x_high = math.log10(rows[0]["words"]), math.log10(rows[-1]["words"])
    y_low, y_high = math.floor(math.log10(rows[0]["distinct"])), math.log10(rows[-1]["distinct"])

    def x_of(value: float) -> str:
        return f"{60 + 520 * (math.log10(value) - x_low) / (x_high - x_low or 1):.1f}"

    def y_of(value: float) -> str:
        return f"{190 - 170 * (math.log10(value) - y_low) / (y_high - y_low or 1):.1f}"

    drawn: list[Markup] = []
    for power in range(y_low, math.floor(y_high) + 1):
        y = y_of(10**power)
        drawn.append(tag("line", x1="60", x2="580", y1=y, y2=y, stroke=lines.FAINT))
        drawn.append(tag("text", figures.short(10**power), x="50", y=y, dy="4", fill=lines.GREY, text_anchor="end"))
    for power in range(math.ceil(x_low - 1e-9), math.floor(x_high) + 1):
        x = x_of(10**power)
        drawn.append(tag("text", figures.short(10**power), x=x, y="210", fill=lines.GREY, text_anchor="middle"))
    points = " ".join(f"{x_of(row['words'])},{y_of(row['distinct'])}" for row in rows)
    drawn.append(tag("polyline", class_="growth", points=points, fill="none", stroke_width="2.5"))
    drawn.append(tag("text", "words read", x="320", y="232", fill=lines.GREY, text_anchor="middle"))
    title = "Different words as more and more is read"
    return tag("figure", tag("h3", title), lines.svg(drawn, 620, 240, title))


def ngrams(rows: list[dict]) -> Markup | None:
    """How many of the n-grams are met for the first time."""
    if not rows:
        return None
    cells = [
        [
            f"{row['n']}-grams" if row["n"] > 1 else "words",
            charts.bar(row.get("distinct") or 0, row["total"], "kept"),
            figures.short(row.get("distinct")), figures.short(row["total"]),
            figures.share(row.get("distinct"), row["total"]),
        ]
        for row in rows
    ]  # fmt: skip
    return table(["", "", "different", "in all", "share"], cells, numeric=(2, 3, 4), caption="How much is different")


def tops(rows: list[dict]) -> Markup | None:
    """The most frequent n-grams; long ones show boilerplate at a glance."""
    folds = []
    for row in rows:
        top = [one for one in row.get("top") or [] if isinstance(one, dict)][:MOST_TOPS]
        cells = [
            [str(one.get("ngram")), figures.count(one.get("count")), figures.share(one.get("share"), 1)] for one in top
        ]
        if cells:
            name = f"Most frequent {row['n']}-grams" if row["n"] > 1 else "Most frequent words"
            folds.append(fold(name, table(["", "times", "share"], cells, numeric=(1, 2))))
    return tag("div", folds, class_="folds") if folds else None
