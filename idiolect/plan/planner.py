"""The whole plan: budget + text + this machine -> a choice, its forecast, and the arithmetic line by line.

`plan` returns one dict for `--json`; `render` writes it for people. Given the measured speeds it is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from idiolect.models import measure
from idiolect.models.config import GPTConfig
from idiolect.plan import budget as room
from idiolect.plan import memory
from idiolect.plan.config import PlanConfig
from idiolect.plan.repetition import Draw, Drawn, met, one_text, worth
from idiolect.progress import show_count

LONG_CONTEXT_FLOPS = 1e17


def speed_between(profile: dict[int, float]) -> Callable[[GPTConfig], float]:
    """Effective FLOP/s at any width, read between measured ones on a logarithmic scale and held level outside."""
    widths = sorted(profile)

    def at(config: GPTConfig) -> float:
        below = max((width for width in widths if width <= config.d_model), default=widths[0])
        above = min((width for width in widths if width >= config.d_model), default=widths[-1])
        if below == above:
            return profile[below]
        share = math.log(config.d_model / below) / math.log(above / below)
        return profile[below] ** (1 - share) * profile[above] ** share

    return at


def plan(
    budget: str,
    unique_bytes: float,
    profile: dict[int, float],
    memory_bytes: float,
    config: PlanConfig | None = None,
    unique_tokens: float = 0,
    device: str = "cpu",
    dtype: str = "float32",
    draw: Draw | None = None,
    most_tokens: float = math.inf,
) -> dict:
    """Choose what to train for `budget` (such as "10m") on `unique_bytes` of text after cleaning.

    `profile` is `throughput.speed_profile`'s effective FLOP/s by width; `memory_bytes` is what is free;
    `unique_tokens` replaces the estimate when the tokenizer exists; `draw` says what a run reads of each source of a
    mixture, which gives `most_tokens` at most. Returns {"budget", "corpus", "chosen",
    "overrides" (dotted), "predicted", "options", "lines"}. Raises RecipeError when nothing fits.
    """
    config = config or PlanConfig()
    spend = room.parse_budget(budget)
    mean_speed = math.exp(sum(map(math.log, profile.values())) / len(profile))
    whole = room.budget_seconds(spend, mean_speed, config.price_per_hour, config.currency)
    # A budget of operations is spent on training alone; time and money also pay for the stages around it.
    seconds = whole if spend.kind == "flops" else whole * config.training_share
    vocabulary, per_token = room.vocabulary_for(unique_bytes)
    if config.vocabulary_size:
        vocabulary, per_token = config.vocabulary_size, room.bytes_per_token(config.vocabulary_size)
    tokens = unique_tokens or unique_bytes / per_token
    context = config.context_length or (1024 if seconds * mean_speed > LONG_CONTEXT_FLOPS else 256)
    limit = memory_bytes * config.memory_share
    found = room.options(seconds, tokens, vocabulary, context, speed_between(profile), limit, device, dtype,
                         draw, most_tokens)  # fmt: skip
    chosen = room.choose(found, seconds, tokens, room.least_seconds(vocabulary, context, speed_between(profile)))
    optim = room.optim_for(chosen.tokens * chosen.flops_per_token)
    money = chosen.seconds / 3600 * config.price_per_hour if config.price_per_hour else None
    facts = {"whole": whole, "seconds": seconds, "tokens": tokens, "per_token": unique_bytes / tokens, "limit": limit,
             "vocabulary": vocabulary, "bytes": unique_bytes, "estimated": not unique_tokens,
             "drawn": (draw or one_text(tokens))(chosen.tokens)}  # fmt: skip
    return {
        "budget": {"text": spend.text, "kind": spend.kind, "seconds": whole, "training_seconds": seconds},
        "corpus": {"unique_bytes": unique_bytes, "unique_tokens": round(tokens), "vocabulary_size": vocabulary,
                   "bytes_per_token": unique_bytes / tokens},
        "chosen": {"parameters": measure.parameters(chosen.model, vocabulary),
                   "flops_per_token": measure.flops_per_token(chosen.model, vocabulary),
                   "memory": memory.training_memory(chosen.model, vocabulary, chosen.micro_batch_tokens,
                                                    optim, device, dtype)},
        "overrides": overrides(chosen, vocabulary),
        "predicted": {"seconds": chosen.seconds, "tokens": chosen.tokens, "epochs": chosen.epochs,
                      "memory_bytes": chosen.memory_bytes, "tokens_per_second": chosen.tokens_per_second,
                      "flops": chosen.tokens * chosen.flops_per_token, "money": money},
        "mixture": [vars(one) | {"epochs": one.epochs} for one in facts["drawn"]] if draw else [],
        "options": [row(one) for one in found],
        "lines": arithmetic(spend, facts, chosen, config, money),
    }  # fmt: skip


def dropout_for(epochs: float) -> float:
    """Dropout only where the text is read often: none up to 4 epochs, then 0.05, and 0.1 beyond 10."""
    return 0.0 if epochs <= 4 else 0.05 if epochs <= 10 else 0.1


def overrides(chosen: room.Choice, vocabulary: int) -> dict:
    """The choice as dotted keys of a recipe."""
    model, flops = chosen.model, chosen.tokens * chosen.flops_per_token
    optimiser = room.optim_for(flops).optimiser
    return {
        "tokenizer.vocabulary_size": vocabulary,
        "model.kind": "gpt",
        "model.n_layers": model.n_layers,
        "model.d_model": model.d_model,
        "model.n_heads": model.n_heads,
        "model.context_length": model.context_length,
        "model.dropout": dropout_for(chosen.epochs),
        "optim.optimiser.kind": optimiser.kind,
        "optim.optimiser.learning_rate": optimiser.learning_rate,
        "optim.optimiser.rest.learning_rate": optimiser.rest.learning_rate,
        "optim.schedule.kind": "wsd",
        "train.steps": chosen.steps,
        "train.batch_tokens": chosen.batch_tokens,
        "train.micro_batch_tokens": chosen.micro_batch_tokens if chosen.micro_batch_tokens < chosen.batch_tokens else 0,
        "train.eval_every_steps": max(1, chosen.steps // 20),
    }


def row(one: room.Choice) -> dict:
    """One option, for the table."""
    return {"d_model": one.model.d_model, "n_layers": one.model.n_layers, "parameters": one.parameters,
            "tokens": one.tokens, "epochs": one.epochs, "steps": one.steps, "seconds": one.seconds,
            "memory_bytes": one.memory_bytes, "law": one.law}  # fmt: skip


def arithmetic(
    spend: room.Budget, facts: dict, chosen: room.Choice, config: PlanConfig, money: float | None
) -> list[str]:
    """Every number of the plan with where it comes from."""
    model, flops = chosen.model, chosen.tokens * chosen.flops_per_token
    source = "expected of this vocabulary" if facts["estimated"] else "counted by the tokenizer"
    said = [f"budget       {spend.text} = {facts['whole']:.0f} s here, of which {facts['seconds']:.0f} s train"]
    if spend.kind == "money":
        said[0] += f" (at {config.price_per_hour:g} {config.currency} an hour)"
    said += [
        f"text         {show_count(facts['bytes'], 'B')} / {facts['per_token']:.2f} bytes per token ({source}) = "
        f"{show_count(facts['tokens'])} unique tokens, vocabulary {facts['vocabulary']:,}",
        f"model        {model.n_layers} layers x {model.d_model} channels = "
        f"{show_count(chosen.parameters)} parameters, {show_count(chosen.flops_per_token)} FLOPs a token trained",
        f"speed        {show_count(chosen.tokens_per_second * chosen.flops_per_token, 'FLOP/s')} measured here / "
        f"{show_count(chosen.flops_per_token)} = {show_count(chosen.tokens_per_second)} tokens/s",
        f"tokens       {chosen.seconds:.0f} s x {show_count(chosen.tokens_per_second)} = {show_count(chosen.tokens)} = "
        f"{chosen.epochs:.1f} epochs, {chosen.tokens / chosen.parameters:.1f} a parameter "
        "(at 100 M and more: 10 to 20, arXiv 2203.15556)",
        *sources(facts["drawn"]),
    ]
    if chosen.epochs > 1:
        fresh = worth(facts["drawn"])
        said.append(f"repeats      {chosen.epochs:.1f} epochs are worth {show_count(fresh)} fresh tokens, "
                    f"{100 * fresh / chosen.tokens:.0f} % (arXiv 2305.16264, eq. 5)")  # fmt: skip
    said += [
        f"batch        {chosen.batch_tokens:,} tokens a step (0.292 x {flops:.2g} FLOPs ^ 0.327, arXiv 2401.02954; "
        f"at least 1,000 steps where windows allow) -> {chosen.steps:,} steps",
        f"memory       {show_count(chosen.memory_bytes, 'B')} of the {show_count(facts['limit'], 'B')} allowed "
        f"({config.memory_share:.0%} of what is free), {chosen.micro_batch_tokens:,} tokens at once",
    ]
    if money is not None:
        said.append(
            f"cost         {chosen.seconds / 3600:.2f} h x {config.price_per_hour:g} = {money:.2f} {config.currency}"
        )
    if chosen.epochs >= room.MOST_EPOCHS - 0.5:
        said.append(
            "limit        the text is read 16 times, beyond which repeats teach nothing: more text beats more time"
        )
    said.append("cheaper      continuing or fine-tuning an existing model needs far less than training from nothing")
    return said


def sources(rows: Sequence[Drawn]) -> list[str]:
    """What a run draws of each source of a mixture, and how often that is; nothing of a text that is read as it is."""
    if len(rows) == 1 and not rows[0].source:
        return []
    whole = sum(row.tokens for row in rows)
    return [
        *(f"source       {row.source}: {show_count(row.tokens)} ({row.tokens / whole:.1%}) of {show_count(row.unique)} "
          f"unique tokens = {row.epochs:.2g} epochs" for row in rows),
        f"unique       {show_count(met(rows))} different tokens are read at least once, each "
        f"{whole / met(rows):.1f} times on average",
    ]  # fmt: skip


def render(planned: dict) -> str:
    """The plan for people: the arithmetic, the neighbours that were weighed, and the settings it comes to."""
    lines = [*planned["lines"], "", "weighed      parameters    tokens  epochs   steps  law's reducible loss"]
    for one in planned["options"]:
        mark = "  <- chosen" if one["d_model"] == planned["overrides"]["model.d_model"] else ""
        lines.append(f"  {one['n_layers']:>2} x "
        f"{one['d_model']:<5}{show_count(one['parameters']):>12}{show_count(one['tokens']):>10}"
                     f"{one['epochs']:>8.1f}{one['steps']:>8,}  {one['law']:.3f}{mark}")  # fmt: skip
    lines += ["", *(f"--{key}={value}" for key, value in planned["overrides"].items())]
    return "\n".join(lines)
