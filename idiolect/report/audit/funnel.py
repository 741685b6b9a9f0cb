"""The funnel: what was read, what each stage took and why, what is left; with documents that fell and that stayed."""

from __future__ import annotations

from idiolect.corpus.explain import REASONS
from idiolect.corpus.near import said
from idiolect.report import figures
from idiolect.report.audit.documents import beside, quote, quotes
from idiolect.report.charts import percent
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import fold, part, plain

# In the order of the work; a reason belongs to the first stage that knows its name or how it begins.
STAGES = (
    ("reading", ("bad_row", "generated_code")),
    ("length", ("empty", "too_short", "too_long")),
    ("language", ("language_",)),
    ("rules", ("gopher_", "c4_", "fineweb_")),
    ("words", ("words_",)),
    ("quality", ("low_quality",)),
    ("perplexity", ("surprising", "predictable")),
    ("decontamination", ("contaminated",)),
    ("personal data", ("pii",)),
    ("duplicates", ("duplicate",)),
    ("near duplicates", ("near_duplicate",)),
    ("repeated passages", ("repeated_text",)),
)
OTHER = "other rules"
# What stands beside a dropped document, where that is not the one kept in its stead.
ITEMS = {"decontamination": "item of an evaluation set"}


def stage_of(reason: str) -> str:
    """The stage that a reason belongs to."""
    return next((stage for stage, names in STAGES if reason.startswith(names)), OTHER)


def stages(audit: dict) -> list[tuple[str, dict[str, dict]]]:
    """Each stage that dropped anything, in order, with its reasons, the most frequent first."""
    found: dict[str, dict[str, dict]] = {}
    for reason, row in sorted(part(audit, "dropped").items(), key=lambda item: -(item[1].get("documents") or 0)):
        found.setdefault(stage_of(reason), {})[reason] = row
    order = [stage for stage, _ in STAGES] + [OTHER]
    return sorted(found.items(), key=lambda item: order.index(item[0]))


def documents(rows) -> int:
    """All documents of some rows."""
    return sum(row.get("documents") or 0 for row in rows)


def total(audit: dict) -> int:
    """All documents read."""
    known = part(audit, "read").get("documents")
    return known or documents([*part(audit, "kept").values(), *part(audit, "dropped").values()])


def content(audit: dict) -> Markup | None:
    """The drawing, then the reasons with their documents."""
    if not total(audit):
        return None
    return tag("div", drawing(audit), reasons(audit), kept(audit))


def drawing(audit: dict) -> Markup:
    """One row a stage on one scale: what goes on, what falls here, what fell before."""
    whole = total(audit)
    left, rows = whole, [row("read", whole, 0, whole, "read")]
    for stage, found in stages(audit):
        n = documents(found.values())
        left -= n
        rows.append(row(stage, left, n, whole))
    rows.append(row("kept", left, 0, whole, "kept"))
    splits = ", ".join(
        f"{figures.count(split.get('documents'))} {plain(name)}"
        for name, split in part(audit, "kept").items()
        if split.get("documents")
    )
    return tag(
        "figure",
        tag("div", rows, class_="river", role="list"),
        tag("figcaption", "Documents: what goes on from each stage, and beside it what falls there."
            + (f" Kept: {splits}." if splits else "")),
    )  # fmt: skip


def row(stage: str, left: int, fallen: int, whole: int, kind: str = "") -> Markup:
    """One stage of the drawing."""
    bar = tag(
        "svg",
        tag("rect", class_="track", x="0", y="0", width="100%", height="100%"),
        tag("rect", class_="flow", x="0", y="0", width=percent(left, whole), height="100%"),
        tag("rect", class_="fall", x=percent(left, whole), y="0", width=percent(fallen, whole), height="100%")
        if fallen
        else None,
        class_="bar",
        aria_hidden="true",
        focusable="false",
    )
    return tag(
        "div",
        tag("span", stage, class_="label"),
        bar,
        tag("span", f"−{figures.count(fallen)}" if fallen else "", class_="fallen"),
        tag("span", figures.count(left), class_="left"),
        class_=f"stage {kind}".strip(),
        role="listitem",
    )


def reasons(audit: dict) -> Markup | None:
    """Every reason: what it means, how much it took, and documents that it took, beside those that stayed."""
    whole = total(audit)
    folds = []
    for stage, found in stages(audit):
        for reason, row_ in found.items():
            about = REASONS[reason][0] if reason in REASONS else ""
            said = tag(
                "span",
                tag("strong", plain(reason)),
                f" {about}" if about else "",
                tag("span", f"{figures.how_many(row_.get('documents'), 'document')}, "
                    f"{figures.size(row_.get('bytes'))}, {figures.share(row_.get('documents'), whole)}",
                    class_="measure"),
                class_="reason",
            )  # fmt: skip
            folds.append(
                fold(said, examples(row_, ITEMS.get(stage, "kept")))
                if has_examples(row_)
                else tag("p", said, class_="bare")
            )
    return tag("div", tag("h3", "Why documents fell"), folds, class_="folds") if folds else None


def has_examples(row_: dict) -> bool:
    """Whether there is a document to show."""
    return bool(row_.get("samples") or row_.get("pairs"))


def examples(row_: dict, stands: str) -> Markup:
    """Dropped documents of one reason; beside each the one kept in its stead, or those that came near to falling."""
    measure = part(row_, "measure")
    shown = [beside(pair["dropped"], pair["kept"], stands) for pair in (row_.get("pairs") or [])[:2]]
    for sample in (row_.get("samples") or [])[: 5 if not shown else 0]:
        sample = placed(sample, measure)
        shown.append(beside(sample, sample["kept"]) if isinstance(sample.get("kept"), dict) else quote(sample))
    stayed = [placed(sample, measure) for sample in row_.get("kept_samples") or []]
    passed = [tag("h4", "These came nearest to it and stayed"), quotes(stayed, "kept")] if stayed else None
    instead = tag("p", row_["instead"], class_="note") if row_.get("instead") and not stayed else None
    return tag("div", shown, passed, instead, class_="examples")


def placed(sample: dict, measure: dict) -> dict:
    """The sample with its place among its notes: what was measured in it, and the limit."""
    notes = [str(note) for note in (sample.get("note"), said(sample, measure)) if note]
    return sample | {"note": " · ".join(notes)}


def kept(audit: dict) -> Markup | None:
    """Some documents that are in the corpus."""
    samples = audit.get("kept_samples") or []
    if not samples:
        return None
    return tag(
        "div", tag("h3", "What stayed"), fold(f"Kept documents: {len(samples[:5])}", quotes(samples, "kept")),
        class_="folds",
    )  # fmt: skip
