"""Quality and perplexity: histograms with their thresholds, what the classifier looks at, and samples by score."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.audit.documents import quote
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, fold, part, plain, table


def content(audit: dict) -> Markup | None:
    """The classifier, then the n-gram model; from the books or from the profile."""
    profile = part(audit, "profile")
    quality = part(audit, "quality") or part(profile, "quality")
    perplexity = part(audit, "perplexity") or part(profile, "perplexity")
    shown = [judged(quality) if quality else None, priced(perplexity) if perplexity else None]
    return tag("div", shown, class_="stack") if any(shown) else None


def judged(found: dict) -> Markup:
    """Scores of the quality classifier."""
    pairs = [
        (name, figures.share(found.get(key), 1))
        for name, key in (("of those judged are kept", "kept_share"), ("precision, held out", "precision"),
                          ("recall, held out", "recall"))
        if figures.is_number(found.get(key))
    ]  # fmt: skip
    if figures.is_number(found.get("auc")):
        score = {"value": found["auc"], "low": found.get("auc_low"), "high": found.get("auc_high")}
        pairs.insert(0, ("area under the curve", f"{figures.score(score)} {figures.interval(score)}"))
    if figures.is_number(found.get("expected_calibration_error")):
        pairs.append(("calibration error", figures.share(found["expected_calibration_error"], 1)))
    return tag(
        "div",
        tag("h3", "Quality"),
        scale(found.get("histogram") or [], found.get("threshold"), None, "Documents by their quality score"),
        facts(pairs) if pairs else None,
        weights(found),
        samples(found, "score"),
    )


def scale(bins: list[dict], least: object, most: object, title: str) -> Markup | None:
    """A histogram in which what lies under `least` or over `most` has the colour of what fell."""
    tallest = max((row.get("documents") or 0 for row in bins), default=0)
    if not tallest:
        return None
    low, high = bins[0].get("from", 0), bins[-1].get("to", 1)
    wide, cuts = (high - low) or 1, [cut for cut in (least, most) if figures.is_number(cut)]
    drawn = []
    for row in bins:
        start, end, n = row.get("from", 0), row.get("to", 0), row.get("documents") or 0
        tall, fell = 100 * n / tallest, lies_outside(start, end, least, most)
        drawn.append(tag(
            "rect", tag("title", f"{start:.3g} to {end:.3g}: {figures.count(n)}"),
            class_="column fell" if fell else "column", x=f"{100 * (start - low) / wide + 0.15:.2f}%",
            y=f"{100 - tall:.2f}%", width=f"{max(0.2, 100 * (end - start) / wide - 0.3):.2f}%", height=f"{tall:.2f}%",
        ))  # fmt: skip
    for cut in cuts:
        at = charts.percent(cut - low, wide)
        drawn.append(tag("line", class_="threshold", x1=at, x2=at, y1="0", y2="100%"))
    ends = tag("div", *(tag("span", f"{x:.3g}") for x in (low, (low + high) / 2, high)), class_="ends")
    said = f"; the threshold is {cuts[0]:.3g}" if len(cuts) == 1 else ""
    said = f"; what stays lies between {cuts[0]:.3g} and {cuts[1]:.3g}" if len(cuts) == 2 else said
    columns = tag("svg", drawn, class_="columns", role="img", aria_label=title)
    return tag("figure", columns, ends, tag("figcaption", f"{title}{said}."), class_="histogram")


def lies_outside(start: float, end: float, least: object, most: object) -> bool:
    """Whether all of a column fell."""
    under = figures.is_number(least) and end <= least + 1e-9
    return under or (figures.is_number(most) and start >= most - 1e-9)


def weights(found: dict) -> Markup | None:
    """The n-grams that speak most for and against a text."""
    lists = [
        tag("p", f"{word}: ", [tag("span", str(one.get("ngram")), class_="token") for one in found[key][:20]],
            class_="tokens apart")
        for word, key in (("Speaks for quality", "good_ngrams"), ("speaks against", "bad_ngrams"))
        if found.get(key)
    ]  # fmt: skip
    return tag("div", fold("What the classifier looks at", lists), class_="folds") if lists else None


def samples(found: dict, key: str) -> Markup | None:
    """Documents along the scale."""
    rows = [row for row in found.get("samples") or [] if isinstance(row, dict)]
    if not rows:
        return None
    shown = [
        quote(row | {"note": f"{key.replace('_', ' ')} {figures.significant(row.get(key), 3)}"}, "plain")
        for row in sorted(rows, key=lambda row: row.get(key) or 0)
    ]
    return tag("div", fold(f"Documents along the scale: {len(shown)}", shown), class_="folds")


def priced(found: dict) -> Markup:
    """Nats a byte that the n-gram model needs, by language, with what stays of each."""
    limits = part(found, "threshold")
    rows = [
        [
            language or "all", *(figures.significant(at.get(q), 3) for q in ("10", "50", "90")),
            *(bound(part(limits, language).get(end)) for end in ("least", "most")),
        ]
        for language, at in part(found, "percentiles").items()
        if isinstance(at, dict)
    ]  # fmt: skip
    # A language with few documents is judged by the limits of all; those of one language alone are not all's.
    of_all = part(limits, "") if len(limits) < 2 else {}
    head = ["language", "a tenth below", "half below", "nine tenths below", "stays from", "to"]
    fell = part(found, "dropped")
    pairs = [(f"fell as {plain(reason)}", figures.count(n)) for reason, n in fell.items() if n]
    return tag(
        "div",
        tag("h3", "Perplexity"),
        tag("p", f"Priced by: {found['model']}.", class_="note") if found.get("model") else None,
        scale(found.get("histogram") or [], of_all.get("least") or None, of_all.get("most"),
              "Documents by nats a byte"),
        facts(pairs) if pairs else None,
        table(head, rows, numeric=(1, 2, 3, 4, 5), caption="Nats a byte under the model") if rows else None,
        samples(found, "nats_per_byte"),
    )  # fmt: skip


def bound(value: object) -> str:
    """A limit; what nothing is compared with is a dash."""
    return figures.significant(value, 3) if value else figures.DASH
