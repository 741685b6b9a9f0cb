"""The comparison: verdicts, scores with intervals, curves against compute, and the table of what each was and cost."""

from __future__ import annotations

from idiolect.report import figures, lines
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, fold, frame, part, table

GLOSS = "Each was given the same budget and the same search for its learning rate. No difference is a verdict, too."
AXES = {"seconds": "seconds of training", "flops": "FLOPs of training"}
HEAD = ("", "bits per byte", "parameters", "layers x width", "learning rate", "steps", "tokens", "time",
        "tokens/s", "FLOPs/token", "memory")  # fmt: skip
CLASSIFIER_HEAD = ("as a classifier", "macro-F1", "95 % interval", "TF-IDF's", "test examples")


def section(data: dict) -> Markup:
    """The run's comparison, if there is one."""
    found = part(data, "comparison")
    if not found:
        return frame("comparison", "Comparison", GLOSS, absent("Nothing was compared", "idiolect compare"))
    return frame("comparison", "Comparison", GLOSS, *content(found))


def content(data: dict) -> list[Markup]:
    """Everything there is to show of one comparison."""
    shown = [tag("ul", [tag("li", verdict) for verdict in data["verdicts"]], class_="verdicts")]
    scores = final_scores(data)
    if scores is not None:
        shown.append(tag("figure", scores, tag("figcaption", score_caption(data))))
    for axis, title in AXES.items():
        drawn = curves(data, axis)
        if drawn is not None:
            shown.append(tag("figure", lines.svg(drawn, 620, 340, f"bits per byte against {title}"),
                             tag("figcaption", f"Bits per byte of validation text against {title}; "
                                               "bands are 95 % intervals over seeds.")))  # fmt: skip
    shown.append(table(HEAD, rows(data), numeric=range(1, len(HEAD)), caption=f"Budget: {data['budget']['text']}"))
    if data.get("classifier"):
        shown.append(table(CLASSIFIER_HEAD, classifier_rows(data), numeric=(1, 2, 3, 4), caption="As classifiers"))
    shown.append(tag("ul", [tag("li", note) for note in data["notes"]], class_="note"))
    shown.append(tag("div", folds(data), class_="folds"))
    return shown


def classifier_rows(data: dict) -> list[list]:
    """What each model is worth as a classifier, beside TF-IDF on the same text."""
    return [
        [name, figures.score(row["macro_f1"]), figures.interval(row["macro_f1"]), f"{row['tf_idf_macro_f1']:.3f}",
         figures.count(row["n"])]
        for name, row in data.get("classifier", {}).items()
    ]  # fmt: skip


def score_caption(data: dict) -> str:
    """What the dots are."""
    runs = f"{data['seeds']} seeds" if data["seeds"] > 1 else "one seed, so without intervals"
    return f"Bits per byte of {figures.count(data['scored_tokens'])} {data['split']} tokens, less is better; {runs}."


def styles(data: dict) -> dict[str, int]:
    """The n-th contender has the n-th colour, wherever it is drawn."""
    return {row["name"]: index for index, row in enumerate(data["contenders"])}


def final_scores(data: dict) -> Markup | None:
    """Every contender's score with its interval, on one scale."""
    style = styles(data)
    known = [row for row in data["contenders"] if row["bits_per_byte"]]
    if not known:
        return None
    return lines.intervals([(label(row), row["bits_per_byte"], style[row["name"]]) for row in known],
                           f"bits per byte ({data['split']})")  # fmt: skip


def curves(data: dict, axis: str, at: float = 0) -> Markup | None:
    """Learning curves over one axis; what counts is a level."""
    style, drawn = styles(data), []
    for row in data["contenders"]:
        curve = (row["curves"] or {}).get(axis)
        if curve and curve["x"]:
            band = (curve["low"], curve["high"]) if data["seeds"] > 1 else ((), ())
            drawn.append(lines.Line(label(row), curve["x"], curve["mean"], *band, style=style[row["name"]]))
        elif row["role"] == "counted" and row["bits_per_byte"]:
            drawn.append(lines.Line(label(row), (), (row["bits_per_byte"]["value"],), style=style[row["name"]]))
    return lines.panel(drawn, AXES[axis], "bits per byte", at=at)


def label(row: dict) -> str:
    """A contender's name; marked when its score is no probability of the text."""
    return f"{row['name']} *" if row["role"] == "apart" else row["name"]


def rows(data: dict) -> list[list[str]]:
    """The table's cells, in the order of HEAD."""
    return [cells(row) for row in data["contenders"]]


def cells(row: dict) -> list[str]:
    counted = row["role"] == "counted"
    off = f" ({row['mismatch']:+.1%})" if row["mismatch"] is not None else ""
    rate = figures.DASH if row["learning_rate"] is None or counted else f"{row['learning_rate']:.2g}"
    return [
        label(row),
        written(row),
        figures.DASH if counted else figures.short(row["parameters"]) + off,
        row["shape"],
        rate + (" (end)" if row["at_edge"] else ""),
        figures.DASH if counted else figures.count(row["steps"]),
        figures.short(row["tokens"]),
        figures.duration(row["seconds"]),
        figures.short(row["tokens_per_second"]),
        figures.short(row["flops_per_token"]) if row["flops_per_token"] else figures.DASH,
        figures.size(row["memory_bytes"]),
    ]


def written(row: dict) -> str:
    """A score with the half-width of its interval."""
    score = row["bits_per_byte"]
    if not score:
        return "failed" if row["failed"] else figures.DASH
    return f"{score['value']:.3f}" + (f" ± {score['high'] - score['value']:.3f}" if score["n"] > 1 else "")


def folds(data: dict) -> list[Markup]:
    """All pairs, and the search of each."""
    pairs = [
        [f"{pair['first']} – {pair['second']}", signed(pair["difference"]),
         span(pair["low"], pair["high"]), probability(pair["p"]), probability(pair["adjusted_p"]),
         span(pair["text"]["low"], pair["text"]["high"]) if pair["text"] else figures.DASH]
        for pair in data["pairs"]
    ]  # fmt: skip
    tried = [
        [row["name"], f"{one['learning_rate']:.2g}",
         "diverged" if one["failed"] else figures.DASH if one["value"] is None else f"{one['value']:.3f}",
         "chosen" if one["learning_rate"] == row["learning_rate"] else ""]
        for row in data["contenders"] for one in row["search"]
    ]  # fmt: skip
    shown = []
    if pairs:
        head = ["", "bits per byte", "over seeds", "p", "Holm", "over text"]
        shown.append(fold("Every pair", table(head, pairs, numeric=range(1, 6))))
    if tried:
        head = ["", "learning rate", "validation bits per byte", ""]
        shown.append(fold("The search for learning rates", table(head, tried, numeric=(1, 2))))
    return shown


def signed(value: float) -> str:
    return f"{value:+.3f}"


def span(low: float | None, high: float | None) -> str:
    """An interval of a difference."""
    return figures.DASH if low is None or high is None else f"{low:+.3f} to {high:+.3f}"


def probability(value: float | None) -> str:
    """A probability in two digits."""
    return figures.DASH if value is None else f"{value:.2g}"
