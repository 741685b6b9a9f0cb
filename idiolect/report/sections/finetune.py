"""Fine-tuning: the model's scores on a task beside baselines that need no neural network."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, frame, number_of, part, plain, scores_in
from idiolect.report.sections.scores import score_table

GLOSS = "The same weights with a new head, taught a task from labelled examples."


def section(data: dict) -> Markup:
    """One comparison a metric, then every number."""
    finetune = part(data, "finetune")
    if not finetune:
        return frame(
            "finetuning",
            "Fine-tuning",
            GLOSS,
            absent("This run was not fine-tuned", "idiolect finetune --task classification"),
        )
    title = " · ".join(
        str(finetune[key]) for key in ("task", "dataset", "parent") if isinstance(finetune.get(key), str)
    )
    comparisons = [comparison(name, rows) for name, rows in by_metric(finetune).items() if len(rows) > 1]
    return frame(
        "finetuning",
        "Fine-tuning",
        GLOSS,
        tag("p", title, class_="note") if title else None,
        comparisons,
        score_table(list(scores_in(finetune)), "All numbers"),
    )


def by_metric(finetune: dict) -> dict[str, list[tuple[str, dict]]]:
    """Scores of one name beside one another: [(who, score)], the model's own first."""
    grouped: dict[str, list[tuple[str, dict]]] = {}
    for path, score in scores_in(finetune):
        who = " ".join(plain(key) for key in path[:-1] if key not in ("baselines", "scores", "evaluation"))
        own = "baselines" not in path
        rows = grouped.setdefault(path[-1], [])
        rows.insert(0, ("this model" if not who else who, score)) if own else rows.append((who, score))
    return grouped


def comparison(name: str, rows: list[tuple[str, dict]]) -> Markup:
    """One metric on one scale from 0 to 1 (or to its largest value)."""
    whole = max(1.0, *(number_of(score) for _, score in rows))
    drawn = [
        tag(
            "div",
            tag("span", who, class_="label"),
            charts.needle(
                score["value"], whole, score.get("low"), score.get("high"), "model" if index == 0 else "floor"
            ),
            tag("span", figures.score(score), class_="value"),
            class_=f"rung {'model' if index == 0 else 'floor'}",
            role="listitem",
        )
        for index, (who, score) in enumerate(rows)
    ]
    return tag(
        "figure",
        tag("div", drawn, role="list"),
        tag("figcaption", f"{plain(name)}: the longer, the better; the band is the 95 % interval."),
        class_="ladder",
    )
