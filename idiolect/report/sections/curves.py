"""The curves: training and validation in bits per byte or nats with the floors, then rate, gradient norm and speed."""

from __future__ import annotations

import math

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, facts, floors_of, fold, frame, plain, table
from idiolect.report.sections.headline import counts

GLOSS = "Each step the model guesses, is told, and is changed a little. Falling is learning."
UNITS = {"bits_per_byte": "bits per byte", "nats": "nats per token"}
SMALL = {
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_second": "tokens per second",
    "mfu": "share of peak FLOP/s",
}
GLOSS_COUNTED = "The text was read once and what follows what was counted: no steps, and no curve."
AXES = {"step": "steps", "tokens": "tokens", "seconds": "seconds"}


def section(data: dict) -> Markup:
    """The interactive curves, a static drawing for readers without scripts, and the evaluations as a table."""
    lines = [
        line for line in data.get("metrics") or [] if isinstance(line, dict) and figures.is_number(line.get("step"))
    ]
    if not lines:
        return frame("training", "Training", GLOSS, absent("This run logged no steps", "idiolect train"))
    if counts(data):
        return frame("training", "Training", GLOSS_COUNTED, counted(lines[-1]))
    drawn = curve_data(data)
    units = [
        unit for unit in UNITS if any(value is not None for value in drawn["train"][unit] + drawn["validation"][unit])
    ]
    axes = [axis for axis in AXES if all(value is not None for value in drawn["train"][axis])]
    charts_below = [
        tag(
            "figure",
            tag("div", id=f"chart-{key}", class_="plot small", role="img", aria_label=title),
            tag("figcaption", title[0].upper() + title[1:]),
        )
        for key, title in SMALL.items()
        if any(value is not None for value in drawn["small"][key])
    ]
    return frame(
        "training",
        "Training",
        GLOSS,
        switches(units, axes),
        tag("div", id="chart-main", class_="plot main", role="img", aria_label=spoken(drawn, units)),
        tag("noscript", fallback(drawn, units)),
        tag("div", charts_below, class_="multiples"),
        evaluations(lines),
    )


def counted(line: dict) -> Markup:
    """What counting left: the one line of its metrics, in figures."""
    known = {
        "tokens counted": figures.short(line.get("tokens")), "n-grams held": figures.short(line.get("ngrams")),
        "tokens per second": figures.short(line.get("tokens_per_second")),
        **{f"validation, {UNITS[unit]}": figures.significant(line.get(f"validation_{unit}")) for unit in UNITS},
    }  # fmt: skip
    return facts([(name, value) for name, value in known.items() if value != figures.DASH])


def curve_data(data: dict) -> dict:
    """What `page.js` draws: columns thinned to what a screen shows; floors in every unit that can be had exactly."""
    lines = [
        line for line in data.get("metrics") or [] if isinstance(line, dict) and figures.is_number(line.get("step"))
    ]
    keys = ["train_nats", "train_bits_per_byte", *SMALL]
    rows = charts.thin(lines, keys)
    checked = [line for line in lines if any(figures.is_number(line.get(f"validation_{unit}")) for unit in UNITS)]

    def columns(of: list[dict], names: dict[str, str]) -> dict:
        return {shown: charts.column(of, key) for shown, key in names.items()}

    axes = {axis: axis for axis in AXES}
    return {
        "train": columns(rows, axes | {unit: f"train_{unit}" for unit in UNITS}),
        "validation": columns(checked, axes | {unit: f"validation_{unit}" for unit in UNITS}),
        "small": columns(rows, {key: key for key in SMALL}),
        "floors": [
            floor | {"nats": floor["nats"] if floor["nats"] is not None else in_nats(floor, checked)}
            # Masked tokens are priced with both sides in sight: no floor of the whole text is one of theirs.
            for floor in (floors_of(data) if data.get("reads") != "both" else ())
        ],
        "units": UNITS,
        "axes": AXES,
        "labels": SMALL,
    }


def in_nats(floor: dict, checked: list[dict]) -> float | None:
    """A floor's nats per token: held-out bytes per token tie the two units, so one checked line gives the rate."""
    for line in reversed(checked):
        nats, bits = line.get("validation_nats"), line.get("validation_bits_per_byte")
        if figures.is_number(nats) and figures.is_number(bits) and bits > 0 and floor["bits_per_byte"] is not None:
            return floor["bits_per_byte"] * nats / bits
    return None


def switches(units: list[str], axes: list[str]) -> Markup:
    """Buttons for the unit and the horizontal axis; hidden where there is no script to hear them."""

    def group(name: str, choices: list[str], words: dict[str, str]) -> Markup | None:
        if len(choices) < 2:
            return None
        return tag(
            "div",
            [
                tag(
                    "button",
                    words[choice],
                    type="button",
                    data_choice=choice,
                    aria_pressed="true" if index == 0 else "false",
                )
                for index, choice in enumerate(choices)
            ],
            class_="switch",
            role="group",
            aria_label=name,
            data_group=name,
        )

    return tag("div", group("unit", units, UNITS), group("axis", axes, AXES), class_="switches")


def spoken(drawn: dict, units: list[str]) -> str:
    """The main curve in words, for a reader who can't see it."""
    said = []
    for name in ("train", "validation"):
        for unit in units[:1]:
            known = [value for value in drawn[name][unit] if value is not None]
            if known:
                said.append(f"{name} falls from {known[0]:.3f} to {known[-1]:.3f} {UNITS[unit]}")
    return "Loss by step: " + ("; ".join(said) or "no losses were logged")


def fallback(drawn: dict, units: list[str]) -> Markup:
    """The main curve without a script."""
    if not units:
        return Markup("")
    unit = units[0]
    levels = [floor[unit] for floor in drawn["floors"] if floor.get(unit) is not None]
    return charts.static_curve(
        [(name, drawn[name]["step"], drawn[name][unit]) for name in ("train", "validation")],
        levels,
        spoken(drawn, units),
    )


def evaluations(lines: list[dict]) -> Markup | None:
    """Every validation of the run, at most forty evenly chosen, as numbers."""
    checked = [line for line in lines if any(figures.is_number(line.get(f"validation_{unit}")) for unit in UNITS)]
    if not checked:
        return None
    every = math.ceil(len(checked) / 40)
    chosen = checked[::every] if (len(checked) - 1) % every == 0 else [*checked[::every], checked[-1]]
    keys = ["step", "tokens", "train_bits_per_byte", "validation_bits_per_byte", "validation_nats"]
    rows = [
        [
            figures.count(line.get("step")),
            figures.short(line.get("tokens")),
            *(figures.significant(line.get(key)) for key in keys[2:]),
        ]
        for line in chosen
    ]
    return tag(
        "div",
        fold(
            "The only evaluation in numbers" if len(checked) == 1 else f"The {len(checked)} evaluations in numbers",
            table([plain(key) for key in keys], rows, numeric=range(5)),
        ),
        class_="folds",
    )
