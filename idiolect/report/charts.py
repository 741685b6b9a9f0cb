"""Small drawings without a script: bars, intervals and histograms as inline SVG, coloured by the style sheet.

Lengths are percentages, so a drawing is as wide as its column on any screen and on paper; colours are classes, so dark
mode and printing are the style sheet's business. The interactive curves are drawn by `page.js` from `curve_data`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from idiolect.report import figures
from idiolect.report.markup import Markup, tag

MOST_POINTS = 1500  # of one curve; a browser stays smooth, and no screen shows more


def percent(part: float, whole: float) -> str:
    """A share as an SVG length."""
    return f"{100 * min(1.0, max(0.0, part / whole)):.3f}%" if whole > 0 else "0%"


def bar(part: float, whole: float, kind: str = "") -> Markup:
    """A horizontal bar as long as part / whole; something that is not nothing stays visible."""
    drawn = tag("rect", class_="track", x="0", y="0", width="100%", height="100%")
    filled = tag(
        "rect",
        class_=f"fill {kind}".strip(),
        x="0",
        y="0",
        width=percent(part, whole),
        height="100%",
        stroke_width=1 if part else None,
    )
    return tag("svg", drawn, filled, class_="bar", aria_hidden="true", focusable="false")


def needle(value: float, whole: float, low: float | None = None, high: float | None = None, kind: str = "") -> Markup:
    """A value as a dot on a rule from 0 to `whole`, with its interval as a band."""
    parts = [
        tag("line", class_="rule", x1="0", x2="100%", y1="50%", y2="50%"),
        tag("line", class_=f"stem {kind}".strip(), x1="0", x2=percent(value, whole), y1="50%", y2="50%"),
    ]
    if low is not None and high is not None:
        parts.append(
            tag(
                "line",
                class_=f"band {kind}".strip(),
                x1=percent(low, whole),
                x2=percent(high, whole),
                y1="50%",
                y2="50%",
            )
        )
    parts.append(tag("circle", class_=f"dot {kind}".strip(), cx=percent(value, whole), cy="50%", r="5"))
    return tag("svg", parts, class_="needle", aria_hidden="true", focusable="false")


def histogram(bins: Sequence[tuple[str, float]], title: str) -> Markup:
    """Columns with a label under some of them; `bins` is a list of (label, count)."""
    top = max((height for _, height in bins), default=0)
    if not top:
        return Markup("")
    wide, gap = 100 / len(bins), 14 / len(bins)
    every = max(1, math.ceil(len(bins) / 8))
    columns, labels = [], []
    for index, (label, height) in enumerate(bins):
        tall = 100 * height / top
        columns.append(
            tag(
                "rect",
                tag("title", f"{label}: {figures.count(height)}"),
                class_="column",
                x=f"{index * wide + gap / 2:.2f}%",
                y=f"{100 - tall:.2f}%",
                width=f"{wide - gap:.2f}%",
                height=f"{tall:.2f}%",
            )
        )
        labels.append(tag("span", label if index % every == 0 else ""))
    drawing = tag("svg", columns, class_="columns", role="img", aria_label=title)
    return tag("figure", drawing, tag("div", labels, class_="axis", aria_hidden="true"), class_="histogram")


def log_bins(values: Sequence[float], n_bins: int = 24) -> list[tuple[str, int]]:
    """Positive numbers counted in equal steps of their logarithm, as (lower edge, count)."""
    kept = [value for value in values if figures.is_number(value) and value > 0]
    if not kept:
        return []
    low, high = math.log10(min(kept)), math.log10(max(kept))
    step = (high - low) / n_bins or 1.0
    counts = [0] * n_bins
    for value in kept:
        counts[min(n_bins - 1, int((math.log10(value) - low) / step))] += 1
    return [(figures.short(round(10 ** (low + index * step))), number) for index, number in enumerate(counts)]


def thin(rows: list[dict], keys: Sequence[str], most: int = MOST_POINTS) -> list[dict]:
    """At most `most` rows: groups of neighbours, every key their mean over the lines that have it."""
    size = math.ceil(len(rows) / most) or 1
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    thinned = []
    for group in groups:
        line = {key: group[-1].get(key) for key in ("step", "tokens", "seconds")}
        for key in keys:
            known = [row[key] for row in group if figures.is_number(row.get(key))]
            line[key] = sum(known) / len(known) if known else None
        thinned.append(line)
    return thinned


def column(rows: list[dict], key: str) -> list[float | None]:
    """One key of every row, rounded to what a screen can show; what isn't a finite number becomes a gap."""
    return [float(f"{row[key]:.6g}") if figures.is_number(row.get(key)) else None for row in rows]


def static_curve(
    curves: Sequence[tuple[str, Sequence[float | None], Sequence[float | None]]], levels: Sequence[float], title: str
) -> Markup:
    """A plain line drawing of (class, x, y) for a reader without scripts; `levels` are horizontal lines."""
    points = [[(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None] for _, xs, ys in curves]
    flat = [point for line in points for point in line]
    if not flat:
        return Markup("")
    right = max(x for x, _ in flat) or 1
    heights = sorted([y for _, y in flat])
    # The first steps start near the uniform floor and would flatten all the rest: cut at the 98th percentile.
    top = max([heights[int(0.98 * (len(heights) - 1))]] + [level for level in levels if level <= heights[-1]])
    bottom = min([heights[0], *levels]) if levels else heights[0]
    span = (top - bottom) or 1

    def place(x: float, y: float) -> str:
        return f"{800 * x / right:.1f},{10 + 280 * (1 - (min(y, top) - bottom) / span):.1f}"

    drawn = [
        tag(
            "line", class_="level", x1="0", x2="800", y1=place(0, level).split(",")[1], y2=place(0, level).split(",")[1]
        )
        for level in levels
        if level <= top
    ]
    drawn += [
        tag("polyline", class_=f"line {kind}", points=" ".join(place(x, y) for x, y in line), fill="none")
        for (kind, _, _), line in zip(curves, points, strict=True)
        if line
    ]
    return tag("svg", drawn, viewBox="0 0 800 300", class_="static-curve", role="img", aria_label=title)
