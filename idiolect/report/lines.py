"""Curves with bands, and scores with intervals, as SVG that stands alone: in a page, in a file, on light and on dark.

Colours are middle tones that are read on white and on black, so the drawing needs no style sheet; what can't be told
by colour is told by dashes and by a name at each line's end. Start at `panel` and `intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from idiolect.report.markup import Markup, tag

# Okabe and Ito's eight for colour-blind readers (2008), their yellow and black replaced: unreadable on white, on black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56a0d3", "#c58f00", "#8c6bb1", "#7f7f7f")
DASHES = ("", "7 4", "2 3")
GREY, FAINT = "#808080", "#80808055"
FONT = "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
LABEL_HEIGHT = 15
LEFT, RIGHT, TOP, BOTTOM = 52, 130, 12, 44


@dataclass(frozen=True)
class Line:
    """One curve: its name, places, values, and a band; without places, a level. `style` picks colour and dash."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    style: int = 0


def stroke(style: int) -> dict:
    """Colour and dash of the n-th line."""
    dash = DASHES[style // len(COLOURS) % len(DASHES)]
    return {"stroke": COLOURS[style % len(COLOURS)], "stroke_dasharray": dash or None}


def svg(content: object, width: float, height: float, title: str) -> Markup:
    """A drawing as an element of a page, or as a file."""
    return tag(
        "svg", tag("title", title), content, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:g} {height:g}",
        class_="drawing", role="img", aria_label=title, font_family=FONT, font_size="12", width="100%",
    )  # fmt: skip


def panel(
    lines: Sequence[Line], x_title: str, y_title: str, width: float = 620, height: float = 340, at: float = 0
) -> Markup | None:
    """Curves over a logarithmic axis, each named at its end; None when there is none. `at` moves it to the right."""
    curves = [line for line in lines if line.x]
    if not curves:
        return None
    x_low, x_high = min(line.x[0] for line in curves), max(line.x[-1] for line in curves)
    if x_high <= x_low:
        x_low, x_high = x_low / 2, x_high * 2
    y_low, y_high = spread(lines)
    right, bottom = width - RIGHT, height - BOTTOM

    def x_of(x: float) -> float:
        return LEFT + (right - LEFT) * math.log(x / x_low) / math.log(x_high / x_low)

    def y_of(y: float) -> float:
        return TOP + (bottom - TOP) * (y_high - min(max(y, y_low), y_high)) / (y_high - y_low)

    drawn = [grid(y_low, y_high, y_of, right), ticks(x_low, x_high, x_of, bottom)]
    drawn += [curve(line, x_of, y_of, right) for line in lines]
    drawn += [
        tag("text", x_title, x=f"{(LEFT + right) / 2:.1f}", y=f"{height - 8:.1f}", fill=GREY, text_anchor="middle"),
        tag("text", y_title, x="0", y="0", fill=GREY, text_anchor="middle",
            transform=f"translate(12 {(TOP + bottom) / 2:.1f}) rotate(-90)"),
        labels(lines, y_of, right, bottom),
    ]  # fmt: skip
    return tag("g", drawn, transform=f"translate({at:g} 0)")


def spread(lines: Sequence[Line]) -> tuple[float, float]:
    """The values a panel shows: every end, and up to where all but the first steps of curves lie.

    Of bands, only what takes no more than half of the picture: the early ones, and those of few seeds, are wider than
    curves ever fall.
    """
    values, ends = sorted(value for line in lines for value in line.y), [line.y[-1] for line in lines]
    low, high = values[0], max(*ends, values[int(0.97 * (len(values) - 1))])
    wide = (high - low) or 0.1 * abs(high) or 1.0
    lowest = max(low - wide / 2, min([low, *(line.low[-1] for line in lines if line.low)]))
    highest = min(high + wide / 2, max([high, *(line.high[-1] for line in lines if line.high)]))
    room = 0.05 * (highest - lowest) or 0.05 * abs(high) or 1.0
    return lowest - room, highest + room


def curve(line: Line, x_of, y_of, right: float) -> Markup:
    """A curve with its band, or a level where there are no places."""
    style = stroke(line.style)
    if not line.x:
        y = f"{y_of(line.y[0]):.1f}"
        return tag("line", x1=LEFT, x2=f"{right:.1f}", y1=y, y2=y, stroke_width="1.5",
                   **(style | {"stroke_dasharray": "1 4", "stroke_linecap": "round"}))  # fmt: skip
    points = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in zip(line.x, line.y, strict=True))
    shapes = []
    if line.low:
        there = [f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in zip(line.x, line.high, strict=True)]
        back = [f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in zip(line.x, line.low, strict=True)]
        shapes.append(tag("polygon", points=" ".join(there + back[::-1]), fill=style["stroke"], fill_opacity="0.16"))
    if len(line.x) == 1:
        shapes.append(tag("circle", cx=f"{x_of(line.x[0]):.1f}", cy=f"{y_of(line.y[0]):.1f}", r="3.5",
                          fill=style["stroke"]))  # fmt: skip
    shapes.append(tag("polyline", points=points, fill="none", stroke_width="2", stroke_linejoin="round", **style))
    return tag("g", shapes)


def labels(lines: Sequence[Line], y_of, right: float, bottom: float) -> Markup:
    """Each line's name at its end, pushed apart where they would overlap."""
    wanted = sorted(((y_of(line.y[-1]), line) for line in lines), key=lambda pair: pair[0])
    places: list[float] = []
    for y, _ in wanted:
        places.append(max(y, places[-1] + LABEL_HEIGHT if places else TOP))
    limit = bottom + 8
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], limit)
        limit = places[index] - LABEL_HEIGHT
    return tag("g", [
        tag("text", clipped(line.name), x=f"{right + 8:.1f}", y=f"{place + 4:.1f}",
            fill=COLOURS[line.style % len(COLOURS)])
        for place, (_, line) in zip(places, wanted, strict=True)
    ])  # fmt: skip


def clipped(name: str, most: int = 18) -> str:
    """A name that fits beside a line."""
    return name if len(name) <= most else name[: most - 1] + "…"


def grid(low: float, high: float, y_of, right: float) -> Markup:
    """Horizontal lines at round values."""
    drawn = []
    for value in round_values(low, high):
        y = f"{y_of(value):.1f}"
        drawn.append(tag("line", x1=LEFT, x2=f"{right:.1f}", y1=y, y2=y, stroke=FAINT, stroke_width="1"))
        drawn.append(tag("text", f"{value:g}", x=LEFT - 8, y=y, dy="4", fill=GREY, text_anchor="end"))
    return tag("g", drawn)


def ticks(low: float, high: float, x_of, bottom: float) -> Markup:
    """Marks at 1, 2 and 5 times powers of ten, or the ends where none of them lies between."""
    places = [digit * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
              for digit in (1, 2, 5)]  # fmt: skip
    shown = [place for place in places if low <= place <= high]
    if len(shown) < 2:
        shown = [low, high]
    if len(shown) > 7:
        shown = [place for place in shown if f"{place:e}".startswith("1")]
    drawn = [tag("line", x1=LEFT, x2=f"{x_of(high):.1f}", y1=bottom, y2=bottom, stroke=GREY, stroke_width="1")]
    for place in shown:
        x = f"{x_of(place):.1f}"
        drawn.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, stroke=GREY, stroke_width="1"))
        drawn.append(tag("text", written(place), x=x, y=bottom + 18, fill=GREY, text_anchor="middle"))
    return tag("g", drawn)


def written(value: float) -> str:
    """A place on an axis: 0.5, 20, 5 k, 2e13."""
    if value >= 1e9:
        return f"{value:.0e}".replace("e+", "e")
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:g} {unit}"
    return f"{value:.3g}"


def round_values(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between two, about so many."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [round(index * step, 10) for index in range(first, math.floor(high / step) + 1)]


def intervals(rows: Sequence[tuple[str, dict, int]], x_title: str, width: float = 620) -> Markup:
    """Scores as dots with their intervals, one under another on one scale; rows are (name, score, style)."""
    low, high = min(score["low"] for _, score, _ in rows), max(score["high"] for _, score, _ in rows)
    room = 0.06 * (high - low) or 0.05
    low, high, left, right = low - room, high + room, 150, width - 70
    height = 26 * len(rows) + 40

    def x_of(value: float) -> str:
        return f"{left + (right - left) * (value - low) / (high - low):.1f}"

    drawn = []
    for value in round_values(low, high):
        drawn.append(tag("line", x1=x_of(value), x2=x_of(value), y1="4", y2=height - 36, stroke=FAINT))
        drawn.append(tag("text", f"{value:g}", x=x_of(value), y=height - 20, fill=GREY, text_anchor="middle"))
    for index, (name, score, style) in enumerate(rows):
        y, colour = 16 + 26 * index, COLOURS[style % len(COLOURS)]
        drawn += [
            tag("text", clipped(name, 22), x=left - 12, y=y, dy="4", fill=colour, text_anchor="end"),
            tag("line", x1=x_of(score["low"]), x2=x_of(score["high"]), y1=y, y2=y, stroke=colour, stroke_width="6",
                stroke_opacity="0.35", stroke_linecap="round"),
            tag("circle", cx=x_of(score["value"]), cy=y, r="4.5", fill=colour),
            tag("text", f"{score['value']:.3f}", x=right + 12, y=y, dy="4", fill=GREY),
        ]  # fmt: skip
    drawn.append(tag("text", x_title, x=(left + right) / 2, y=height - 4, fill=GREY, text_anchor="middle"))
    return svg(drawn, width, height, x_title)
