"""Every score with its 95 % interval and the number of things it was measured on."""

from __future__ import annotations

from idiolect.report import figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import SPLITS, absent, floors_of, frame, part, plain, scores_in, table

GLOSS = "Measured on text the model never trained on, each with the interval that holds the true value 95 times in 100."

COMPARED = (
    "Bits per byte can be compared between tokenizers; nats per token and perplexity can't, since each tokenizer cuts "
    "the text into other pieces."
)
PSEUDO = (
    "These are pseudo-likelihoods: each token was hidden in turn and guessed from all the others, those behind it "
    "included. They are no probability of the text, and lower than any left reader's: compare them only with models "
    "that read both sides, never with a floor."
)


def section(data: dict) -> Markup:
    """The model's scores, then the floors of the same text."""
    whole = [(path, score) for path, score in scores_in(part(data, "evaluation")) if "against" not in path]
    found = [(path, score) for path, score in whole if "sources" not in path]
    if not found:
        return frame("scores", "Scores", GLOSS, absent("This run was not evaluated", "idiolect evaluate"))
    return frame(
        "scores",
        "Scores",
        GLOSS,
        score_table(found, "Scores" if data.get("reads") != "both" else "Scores by pseudo-likelihood"),
        by_source([(path, score) for path, score in whole if "sources" in path]),
        floors(data),
        verdicts(part(data, "evaluation")),
        tag("p", PSEUDO if data.get("reads") == "both" else COMPARED, class_="note"),
        tag("p", f"The {data['text_note']}.", class_="note") if data.get("text_note") else None,
    )


def score_table(found: list[tuple[tuple[str, ...], dict]], caption: str) -> Markup:
    """One line a score: where it was measured, its name, value, interval and n."""
    rows = [
        [
            plain(path[-1]) if path else "score",
            " · ".join(plain(key) for key in path[:-1]) or figures.DASH,
            tag("strong", figures.score(score)),
            figures.interval(score),
            figures.count(score.get("n")),
        ]
        for path, score in found
    ]
    return table(["score", "on", "value", "95 % interval", "n"], rows, numeric=(2, 3, 4), caption=caption)


def by_source(found: list[tuple[tuple[str, ...], dict]]) -> Markup | None:
    """One line a source of each split: what a mean over all of them hides."""
    rows = [
        [
            path[-2],
            next((split for split in SPLITS if split in path), figures.DASH),
            tag("strong", figures.score(score)),
            figures.interval(score),
            figures.count(score.get("n")),
        ]
        for path, score in found
        if path[-1] == "bits_per_byte"
    ]
    caption = "Bits per byte by source"
    return (
        table(["source", "on", "value", "95 % interval", "n"], rows, numeric=(2, 3, 4), caption=caption)
        if rows
        else None
    )


def floors(data: dict) -> Markup | None:
    """What simpler predictors reach on the same text."""
    rows = [
        [floor["name"], split, figures.score(floor["bits_per_byte"]), figures.score(floor["nats"])]
        for split in (SPLITS if set(part(data, "floors")) <= set(SPLITS) else ("held-out text",))
        for floor in floors_of(data, split)
    ]
    if not rows:
        return absent("No floors were measured, so nothing says whether these numbers are good", "idiolect evaluate")
    return table(
        ["floor", "on", "bits per byte", "nats per token"],
        rows,
        numeric=(2, 3),
        caption="Floors: simple predictors on the same held-out text",
    )


def against(tree: dict) -> dict[str, dict]:
    """What the evaluation says of the model beside each floor on the same tokens: {floor: {difference, verdict}}."""
    for split in (*SPLITS, ""):
        scores = part(tree, split) if split else tree
        if part(scores, "against"):
            return scores["against"]
    return {}


def verdicts(evaluation: dict) -> Markup | None:
    """The paired comparisons in words: finer than two intervals laid side by side."""
    rows = [
        [plain(name), tag("strong", f"{one['difference']['value']:+.3f}"), figures.interval(one["difference"])]
        for name, one in against(evaluation).items()
        if isinstance(one, dict) and figures.is_number(part(one, "difference").get("value"))
    ]
    if not rows:
        return None
    return table(
        ["beside", "difference", "95 % interval"],
        rows,
        numeric=(1, 2),
        caption="Bits per byte more (+) or fewer (-) than a floor, token by token on the same text",
    )
