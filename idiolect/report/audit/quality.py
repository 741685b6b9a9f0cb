"""Quality and perplexity: histograms with their thresholds, what the classifier looks at, and samples by score."""

from __future__ import annotations

from idiolect.report import figures
from idiolect.report.audit.documents import quote
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import facts, fold, part, table


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
        for name, key in (("of all are kept", "kept_share"), ("precision, held out", "precision"),
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
        scale(found.get("histogram") or [], found.get("threshold"), "Documents by their quality score"),
        facts(pairs) if pairs else None,
        weights(found),
        samples(found, "score"),
    )


def scale(bins: list[dict], threshold: object, title: str) -> Markup | None:
    """A histogram in which what lies under the threshold has the colour of what fell."""
    most = max((row.get("documents") or 0 for row in bins), default=0)
    if not most:
        return None
    low, high = bins[0].get("from", 0), bins[-1].get("to", 1)
    wide, is_cut = (high - low) or 1, figures.is_number(threshold)
    drawn = []
    for row in bins:
        start, end, n = row.get("from", 0), row.get("to", 0), row.get("documents") or 0
        tall, fell = 100 * n / most, is_cut and end <= threshold + 1e-9
        drawn.append(tag(
            "rect", tag("title", f"{start:.3g} to {end:.3g}: {figures.count(n)}"),
            class_="column fell" if fell else "column", x=f"{100 * (start - low) / wide + 0.15:.2f}%",
            y=f"{100 - tall:.2f}%", width=f"{max(0.2, 100 * (end - start) / wide - 0.3):.2f}%", height=f"{tall:.2f}%",
        ))  # fmt: skip
    if is_cut:
        at = f"{100 * (threshold - low) / wide:.2f}%"
        drawn.append(tag("line", class_="threshold", x1=at, x2=at, y1="0", y2="100%"))
    ends = tag("div", *(tag("span", f"{x:.3g}") for x in (low, (low + high) / 2, high)), class_="ends")
    caption = tag("figcaption", f"{title}; the threshold is {threshold:.3g}." if is_cut else f"{title}.")
    columns = tag("svg", drawn, class_="columns", role="img", aria_label=title)
    return tag("figure", columns, ends, caption, class_="histogram")


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
    """Nats a byte that the n-gram model needs, by language, with the threshold of each."""
    threshold = part(found, "threshold")
    rows = [
        [language or "all", *(figures.significant(at.get(q), 3) for q in ("10", "50", "90")),
         figures.significant(threshold.get(language), 3)]
        for language, at in part(found, "percentiles").items()
        if isinstance(at, dict)
    ]  # fmt: skip
    return tag(
        "div",
        tag("h3", "Perplexity"),
        scale(found.get("histogram") or [], next(iter(threshold.values()), None), "Documents by nats a byte"),
        table(["language", "a tenth below", "half below", "nine tenths below", "threshold"], rows,
              numeric=(1, 2, 3, 4), caption="Nats a byte under the n-gram model") if rows else None,
        samples(found, "nats_per_byte"),
    )  # fmt: skip
