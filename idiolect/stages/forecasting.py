"""A recipe as it stands becomes a forecast, measured here; or findings of what makes no sense in it."""

import math
import shutil

from idiolect.device import free_memory
from idiolect.models.measure import parameters
from idiolect.models.ngram_counts import BYTES_PER_TOKEN_AND_ORDER, SECONDS_PER_TOKEN
from idiolect.plan.budget import LEAST_STEPS
from idiolect.plan.doctor import as_json, examine
from idiolect.plan.memory import training_memory
from idiolect.plan.repetition import Drawn, met, worth
from idiolect.plan.smaller import smaller
from idiolect.plan.throughput import measure_training
from idiolect.progress import show_bytes, show_count, show_seconds
from idiolect.stages.job import Job
from idiolect.stages.mixing import drawn_of, mixes, show_mixture
from idiolect.stages.prepared import prepared
from idiolect.stages.teaching import load_teacher, meet_teacher, taught_operations
from idiolect.stages.training import objective_of, source_of
from idiolect.train.loss import build_loss


def forecast(job: Job) -> dict:
    """Parameters, FLOPs, memory by part, time and money of a recipe, measured here."""
    meet_teacher(job)
    recipe, device, ready = job.recipe, job.device, prepared(job)
    vocabulary, config = ready.vocabulary_of(recipe), recipe.train
    if recipe.model.kind == "ngram":
        return forecast_counts(job, ready.split("train").n_tokens)
    micro, teacher = config.micro_batch_tokens or config.batch_tokens, load_teacher(job, ready)
    job.progress.say("measuring this machine …")
    speed = measure_training(recipe.model, vocabulary, micro, device, recipe.optim, seconds=3.0,
                             objective=recipe.objective,
                             loss_of=build_loss(config.loss, teacher and teacher.model))  # fmt: skip
    memory = training_memory(
        recipe.model, vocabulary, micro, recipe.optim, device.torch.type, str(device.dtype).removeprefix("torch."),
        recipe.objective,
    )  # fmt: skip
    if teacher:
        memory |= {"teacher": teacher.n_bytes, "peak": memory["peak"] + teacher.n_bytes,
                   "resident": memory["resident"] + teacher.n_bytes}  # fmt: skip
    operations = taught_operations(job, ready, objective_of(job, ready, recipe.seed))
    steps = _steps_in_time(config, speed["tokens_per_second"])
    tokens, unique = steps * config.batch_tokens, ready.split("train").n_tokens
    seconds = tokens / speed["tokens_per_second"]
    hours, price = seconds / 3600, recipe.plan.price_per_hour
    parts = parameters(recipe.model, vocabulary)
    named = ", ".join(f"{part} {show_count(n)}" for part, n in parts.items() if n and part != "total")
    held = ", ".join(f"{part} {show_bytes(n)}" for part, n in memory.items() if n and part not in ("peak", "resident"))
    read = f"{steps:,} steps x {config.batch_tokens:,}; {tokens / unique:.2g} epochs of {show_count(unique)}"
    source = source_of(job, ready) if mixes(recipe) else None
    read += " on average: each source's own stand below" if source else ""
    drawn = drawn_of(source, steps / config.steps) if source else [Drawn("", unique, tokens)]
    fresh, different = worth(drawn), met(drawn)
    timed = f"measured over {speed['steps']} steps, middle half {speed['low']:,.0f} to {speed['high']:,.0f}"
    ended = f"train.budget_seconds ends it before its {config.steps:,} steps"
    rows = [
        ["parameters", show_count(parts["total"]), named],
        ["FLOPs a token", show_count(operations["training"]), "training: forward and backward" + _heard(operations)],
        ["tokens", show_count(tokens), read],
        ["unique", show_count(different), f"different tokens read at all, {tokens / different:.2g} times on average"],
        ["worth", show_count(fresh), f"fresh tokens: {fresh / tokens:.0%} of those read (arXiv 2305.16264, eq. 5)"],
        ["memory", show_bytes(memory["resident"]), held],
        ["speed", f"{speed['tokens_per_second']:,.0f} tokens/s", timed],
        ["time", show_seconds(seconds), ended if steps < config.steps else "training alone"],
        ["money", f"{hours * price:.2f} {recipe.plan.currency}" if price else "-", "at plan.price_per_hour"],
    ]
    for what, value, about in rows:
        job.progress.show(f"{what:<14} {value:<16} {about}")
    if steps < min(LEAST_STEPS, config.steps):
        _warn_of_few(job, steps, smaller(recipe.model, vocabulary, parts["total"] * steps / LEAST_STEPS))
    mixture = {"mixture": show_mixture(recipe, source, job.progress)} if source else {}
    return mixture | {
        "parameters": parts, "flops_per_token": operations["training"], "tokens": tokens, "epochs": tokens / unique,
        "unique_tokens": different, "worth_tokens": fresh,
        "memory_bytes": memory, "tokens_per_second": speed["tokens_per_second"], "seconds": seconds,
        "money": hours * price if price else None,
    }  # fmt: skip


def _warn_of_few(job: Job, steps: int, flags: str) -> None:
    budget = show_seconds(job.recipe.train.budget_seconds)
    instead = f"a model of about {flags} takes {LEAST_STEPS} in {budget}" if flags else "--train.batch_tokens, smaller"
    job.progress.warn(f"{steps:,} steps teach a model little: {instead}")


def _heard(operations: dict) -> str:
    return f", and {show_count(operations['teacher'])} of the teacher's forward pass" if "teacher" in operations else ""


def _steps_in_time(config, tokens_per_second: float) -> int:
    """How many of its steps a run takes before its time budget, if it has one, ends it."""
    if not config.budget_seconds:
        return config.steps
    return min(config.steps, math.ceil(config.budget_seconds * tokens_per_second / config.batch_tokens))


def forecast_counts(job: Job, n_tokens: int) -> dict:
    """What counting will take: memory, and seconds; there is nothing to train."""
    model = job.recipe.model
    tokens = min(n_tokens, model.train_tokens or n_tokens)
    found = {
        "tokens": tokens, "memory_bytes": {"peak": tokens * model.order * BYTES_PER_TOKEN_AND_ORDER},
        "seconds": tokens * SECONDS_PER_TOKEN,
    }  # fmt: skip
    for what, value, about in (
        ["tokens", show_count(tokens), f"counted once, up to order {model.order}"],
        ["memory", show_bytes(found["memory_bytes"]["peak"]), "at the peak of counting"],
        ["time", show_seconds(found["seconds"]), "counting alone"],
    ):
        job.progress.show(f"{what:<14} {value:<16} {about}")
    return found


def examined(job: Job) -> dict:
    """`doctor`: what in this recipe makes no sense, will fail, or is worth knowing."""
    meet_teacher(job)
    recipe, device, ready = job.recipe, job.device, prepared(job)
    teacher = load_teacher(job, ready)
    job.runs.mkdir(parents=True, exist_ok=True)
    findings = examine(
        recipe.model, recipe.train, recipe.optim, ready.vocabulary_of(recipe), ready.split("train").n_tokens,
        free_memory(device) - (teacher.n_bytes if teacher else 0), shutil.disk_usage(job.runs).free, device.torch.type,
        str(device.dtype).removeprefix("torch."), recipe.objective,
    )  # fmt: skip
    for finding in findings:
        job.progress.show(finding.line())
    if not findings:
        job.progress.show("nothing to say: the settings make sense together")
    return {"findings": as_json(findings)}
