"""Time, memory and cost: what the run used, and what the plan had said it would."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, facts, frame, number_of, part, plain, table
from idiolect.report.sections.headline import tokens_trained, training_seconds

GLOSS = "Compute is time and electricity. A prediction is worth something when it is checked."


def section(data: dict) -> Markup:
    """Time by stage, memory, operations, money; then the plan beside what happened."""
    pairs, stages = totals(data), stage_times(part(data, "cost"))
    if not pairs and not stages and not data.get("plan"):
        return frame("cost", "Time, memory, cost", GLOSS, absent("This run measured neither time nor memory"))
    return frame("cost", "Time, memory, cost", GLOSS, facts(pairs) if pairs else None, stages, predictions(data))


def totals(data: dict) -> list[tuple[str, str]]:
    """Everything that is one number."""
    cost, pairs = part(data, "cost"), []
    lines = [line for line in data.get("metrics") or [] if isinstance(line, dict)]
    memory = cost.get("peak_memory_bytes") or max(
        (line["memory_bytes"] for line in lines if figures.is_number(line.get("memory_bytes"))), default=None
    )
    speeds = sorted(line["tokens_per_second"] for line in lines if figures.is_number(line.get("tokens_per_second")))
    for name, value in (
        ("training", figures.duration(training_seconds(data))),
        ("whole journey", figures.duration(cost.get("total_seconds"))),
        ("peak memory", figures.size(memory)),
        ("median speed", figures.short(speeds[len(speeds) // 2]) + " tokens/s" if speeds else figures.DASH),
        ("operations", figures.short(operations(data), "FLOP")),
        ("energy", figures.short(cost.get("energy_wh"), "Wh")),
    ):
        if value != figures.DASH:
            pairs.append((name, value))
    if figures.is_number(cost.get("money")):
        rate = cost.get("rate_per_hour")
        at = f" at {rate:g} an hour" if figures.is_number(rate) else ""
        pairs.append(("money", f"{cost['money']:.2f} {cost.get('currency', '')}{at}"))
    return pairs


def operations(data: dict) -> float | None:
    """Training FLOPs: those of one token times the tokens trained on."""
    given = part(data, "cost").get("flops")
    if figures.is_number(given):
        return given
    one, tokens = part(part(data, "model"), "flops_per_token").get("training"), tokens_trained(data)
    return one * tokens if figures.is_number(one) and one and tokens else None


def stage_times(cost: dict) -> Markup | None:
    """Seconds by stage as bars."""
    stages = {name: value for name, value in (cost.get("stages") or {}).items() if figures.is_number(value)}
    if not stages:
        return None
    whole = sum(stages.values())
    return table(
        ["stage", "", "time", "share"],
        [
            [
                plain(name),
                charts.bar(value, max(stages.values()), "kept"),
                figures.duration(value),
                figures.share(value, whole),
            ]
            for name, value in stages.items()
        ],
        numeric=(2, 3),
        caption="Where the time went",
    )


def predictions(data: dict) -> Markup | None:
    """What the plan predicted beside what was measured, with the miss."""
    plan, cost = part(data, "plan"), part(data, "cost")
    predicted = part(plan, "predicted") or plan
    lines = data.get("metrics") or []
    memory = cost.get("peak_memory_bytes") or max(
        (line["memory_bytes"] for line in lines if figures.is_number(line.get("memory_bytes"))), default=None
    )
    rows = []
    for name, key, happened, show in (
        ("training time", "seconds", training_seconds(data), figures.duration),
        ("peak memory", "memory_bytes", memory, figures.size),
        ("tokens", "tokens", tokens_trained(data), figures.short),
    ):
        said = number_of(predicted.get(key))
        if said and figures.is_number(happened):
            rows.append([name, show(said), show(happened), f"{100 * (happened / said - 1):+.1f}{figures.THIN}%"])
    arithmetic = plan.get("lines")
    shown = tag("pre", "\n".join(map(str, arithmetic))) if isinstance(arithmetic, list) and arithmetic else None
    if not rows and not shown:
        return None
    return tag(
        "div",
        table(["quantity", "planned", "measured", "miss"], rows, numeric=(1, 2, 3), caption="The plan, checked")
        if rows
        else None,
        tag("div", tag("details", tag("summary", "The plan's arithmetic"), shown), class_="folds") if shown else None,
    )
