"""The model: its parameters by part, its arithmetic per token, and the settings it was built with."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, fold, frame, part, plain, table
from idiolect.report.sections.headline import counts

GLOSS = "Token ids become logits: a probability for every possible next token."
GLOSSES = {
    "ngram": "What followed the last few tokens in the text it counted becomes a probability for every next one.",
    "both": "Token ids become logits: a probability for every token that may stand in a gap, from both sides of it.",
    "source": "A source is read from both sides; then what belongs to it, a probability for each next token.",
}


def section(data: dict) -> Markup:
    """Parameters, FLOPs, settings."""
    model, recipe = part(data, "model"), part(data, "recipe")
    gloss = GLOSSES.get("ngram" if counts(data) else str(data.get("reads")), GLOSS)
    parts = [parameters(part(model, "parameters")), operations(part(model, "flops_per_token")), settings(recipe)]
    if not any(parts):
        return frame("model", "Model", gloss, absent("This run does not describe its model"))
    return frame("model", "Model", gloss, *parts)


def split_total(counted: dict) -> tuple[list[tuple[str, float]], float]:
    """The parts in their order and their total, which is the given one where there is one."""
    rows = [(name, value) for name, value in counted.items() if figures.is_number(value) and value and name != "total"]
    total = counted.get("total")
    return rows, total if figures.is_number(total) else sum(value for _, value in rows)


def parameters(counted: dict) -> Markup | None:
    """Parameters by part, as bars of one scale."""
    rows, total = split_total(counted)
    if not total:
        return None
    top = max([value for _, value in rows], default=total)
    lines = [
        [plain(name), charts.bar(value, top, "kept"), figures.count(value), figures.share(value, total)]
        for name, value in rows
    ]
    return table(
        ["part", "", "parameters", "share"],
        lines,
        numeric=(2, 3),
        caption="Parameters by part",
        foot=["all", "", figures.count(total), ""],
    )


def operations(counted: dict) -> Markup | None:
    """Floating-point operations for one token."""
    rows = [(name, value) for name, value in counted.items() if figures.is_number(value)]
    if not any(value for _, value in rows):
        return None
    return table(
        ["for one token", "FLOPs"],
        [[plain(name), figures.short(value)] for name, value in rows],
        numeric=(1,),
        caption="Arithmetic (one multiply-add is two)",
    )


def settings(recipe: dict) -> Markup | None:
    """The model's settings in the open, the rest of the recipe folded."""
    if not recipe:
        return None
    own = {key: value for key, value in recipe.items() if key.startswith("model.")}
    rest = {key: value for key, value in recipe.items() if key not in own}
    rows = [
        fold(
            f"{len(chosen)} settings {where}",
            table(
                ["key", "value"],
                [[tag("code", key), tag("code", figures.setting(value))] for key, value in chosen.items()],
            ),
        )
        for chosen, where in ((own, "of the model"), (rest, "of everything else"))
        if chosen
    ]
    return tag("div", tag("h3", "Settings"), rows, class_="folds")
