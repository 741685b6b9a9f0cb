"""The token embedding: where it started and how much of that was covered, a map, drift, and who stands next to whom."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, facts, fold, frame, part, plain, table

GLOSS = "Each token is a point in a space of many axes. What is used alike comes to lie alike."
MOST_WORDS = 300  # on the map
STATIC_WORDS = 80  # on the map of a reader without scripts
MOST_ROWS = 12
STARTED = {"random": "at random", "corpus": "from vectors trained on this text (skip-gram)"}


def section(data: dict) -> Markup:
    """Coverage, the map, the drift, and the neighbours of a few frequent words."""
    seen = part(data, "embeddings")
    if not seen:
        return frame("embeddings", "Embedding", GLOSS, absent("This run has no token embedding to look at"))
    return frame(
        "embeddings", "Embedding", GLOSS,
        start_of(seen), missing(seen), drawn_map(seen), drift(seen), neighbours(seen),
    )  # fmt: skip


def listed(found: dict, key: str) -> list:
    """The list of that name; empty when it is none."""
    value = found.get(key)
    return value if isinstance(value, list) else []


def start_of(seen: dict) -> Markup:
    """Where the vectors came from, how many tokens they reached, how far they were turned since."""
    covered, turned = part(seen, "coverage"), part(seen, "drift")
    source = str(seen.get("source") or "random")
    pairs = [
        ("started", STARTED.get(source, f"from {source}")),
        ("vectors", figures.count(seen.get("vectors"))),
        ("numbers in each", figures.count(seen.get("width"))),
    ]
    if covered:
        pairs += [
            ("of the vocabulary covered", figures.share(covered.get("types_found"), covered.get("types"))),
            ("of the running text covered", figures.share(covered.get("token_coverage"), 1)),
        ]
        steps = {plain(str(step)): number for step, number in part(covered, "steps").items()}
        if steps:
            pairs.append(("matched by", ", ".join(f"{step} {figures.count(n)}" for step, n in steps.items())))
    if figures.is_number(turned.get("mean_cosine")):
        pairs.append(("mean cosine with the start", figures.significant(turned["mean_cosine"], 3)))
    return facts(pairs)


def missing(seen: dict) -> Markup | None:
    """The most frequent tokens that the source had no vector for."""
    lost = listed(part(seen, "coverage"), "not_found")
    words = [str(entry.get("token", "")) for entry in lost if isinstance(entry, dict)]
    if not words:
        return None
    shown = [tag("span", word.replace("\n", "↵"), class_="token") for word in words[:30]]
    return tag(
        "div", tag("h3", "Most frequent tokens without a vector"), tag("p", shown, class_="tokens apart quiet")
    )  # fmt: skip


def map_data(data: dict) -> dict | None:
    """What `page.js` draws: words and their places; None when there are none."""
    given = part(part(data, "embeddings"), "map")
    rows = [
        (str(word), x, y)
        for word, x, y in zip(*(listed(given, key) for key in ("words", "x", "y")), strict=False)
        if figures.is_number(x) and figures.is_number(y)
    ][:MOST_WORDS]
    if len(rows) < 3:
        return None
    return {"words": [row[0] for row in rows], "x": [row[1] for row in rows], "y": [row[2] for row in rows]}


def drawn_map(seen: dict) -> Markup | None:
    """The frequent words on the plane of most variance: interactive, and a plain drawing where no script runs."""
    rows = map_data({"embeddings": seen})
    if rows is None:
        return None
    share = figures.share(part(seen, "map").get("share"), 1)
    said = f"Map of the {len(rows['words'])} most frequent words"
    note = (
        f"The two axes of most variance, which hold {share} of it: words far apart here are far apart; words close "
        "together here may still differ along the axes that a flat map can't show."
    )
    return tag(
        "figure",
        tag("h3", said),
        tag("div", id="chart-map", class_="plot main", role="img", aria_label=said),
        tag("noscript", static_map(rows, said)),
        tag("figcaption", note),
    )


def static_map(rows: dict, title: str) -> Markup:
    """The first words at their places, as an SVG."""
    left, right, low, high = min(rows["x"]), max(rows["x"]), min(rows["y"]), max(rows["y"])
    wide, tall = (right - left) or 1, (high - low) or 1
    words = [
        tag("text", word, x=f"{40 + 720 * (x - left) / wide:.0f}", y=f"{20 + 460 * (high - y) / tall:.0f}",
            font_size="12", text_anchor="middle", fill="currentColor")
        for word, x, y in list(zip(rows["words"], rows["x"], rows["y"], strict=True))[:STATIC_WORDS]
    ]  # fmt: skip
    return tag("svg", words, viewBox="0 0 800 500", class_="static-curve", role="img", aria_label=title)


def drift(seen: dict) -> Markup | None:
    """How far rows have turned from where they started, counted by cosine, and which the most."""
    found = part(seen, "drift")
    bins = [
        (f"{edge:.1f}", count)
        for edge, count in (
            pair for pair in listed(found, "histogram") if isinstance(pair, (list, tuple)) and len(pair) == 2
        )
        if figures.is_number(edge) and figures.is_number(count)
    ]
    if not sum(count for _, count in bins):
        return None
    moved = [entry for entry in listed(found, "most_moved") if isinstance(entry, dict)][:MOST_ROWS]
    rows = [[str(entry.get("word")), figures.significant(entry.get("cosine"), 3)] for entry in moved]
    return tag(
        "div",
        tag("h3", "Drift: cosine of each vector with its start"),
        charts.histogram(bins, "Tokens by the cosine of their vector with the one it started from"),
        fold("The tokens that moved most", table(["token", "cosine with its start"], rows, numeric=[1]))
        if rows
        else None,
        class_="folds",
    )


def neighbours(seen: dict) -> Markup | None:
    """Each word beside its nearest ones."""
    rows = [
        [word, ", ".join(f"{e.get('word')} {figures.significant(e.get('cosine'), 2)}" for e in nearest)]
        for word, nearest in part(seen, "neighbours").items()
        if isinstance(nearest, list) and nearest and all(isinstance(e, dict) for e in nearest)
    ]
    return table(["word", "nearest, with their cosines"], rows[:MOST_ROWS]) if rows else None
