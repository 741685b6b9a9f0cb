"""Text and a budget become a recipe; a recipe becomes a forecast. The machine is measured anew each time."""

import math
import re
import shutil
from collections import Counter
from pathlib import Path

import psutil

from idiolect.config import flatten, to_toml
from idiolect.corpus.find import find
from idiolect.device import Device
from idiolect.errors import DataError, RecipeError
from idiolect.models.ngram_counts import BYTES_PER_TOKEN_AND_ORDER, SECONDS_PER_TOKEN
from idiolect.plan import budget as room
from idiolect.plan import planner
from idiolect.plan.count import shape
from idiolect.plan.doctor import as_json, examine
from idiolect.plan.memory import training_memory
from idiolect.plan.repetition import Drawn, met, worth
from idiolect.plan.throughput import measure_training, speed_profile
from idiolect.progress import Progress, show_bytes, show_count, show_seconds
from idiolect.recipe import load_recipe
from idiolect.request import Request
from idiolect.rundir import RunDir, read_json, write_atomic
from idiolect.stages.job import Job, check_name, open_job
from idiolect.stages.mixing import draw_of, drawn_of, mixes, show_mixture
from idiolect.stages.prepared import corpus, prepared
from idiolect.stages.training import source_of

# Up to here the text is cleaned and counted before the plan is made, and `run` finds it done; beyond, sizes decide.
COUNTED_BYTES = 256 << 20
UNPACKS_TO = 3.0
# Widths timed for the speed of those between them.
TIMED_WIDTHS = (64, 128, 256, 512)
DEFAULT_BUDGET = "10m"


def write_recipe(request: Request, progress: Progress) -> dict:
    """`new`: a short commented recipe that fits the text, the machine and the budget."""
    path, texts, budget, runs = (
        Path(request.target or ""), request.options["text"], request.options["budget"], request.runs,
    )  # fmt: skip
    if path.suffix != ".toml":
        raise RecipeError(
            f"{request.target or 'nothing'} can't name the recipe", why="a recipe is a .toml file",
            fix="idiolect new mine.toml --text ./my-folder --budget 10m",
        )  # fmt: skip
    if path.exists():
        raise RecipeError(f"{path} exists already", why="a recipe of yours is never overwritten",
                          fix="another name, or delete it first")  # fmt: skip
    check_name(path.stem)
    planned = plan_for(texts, budget, request.flags, runs, path.stem, progress)
    settings = {"corpus.text": list(planned["text"])} | planned["overrides"]
    if planned["budget"]["kind"] != "flops":
        # The forecast can err (a first one by half), and a budget is a promise: the schedule is fitted to the time.
        settings["train.budget_seconds"] = float(round(planned["budget"]["training_seconds"]))
    settings |= planned["given"]
    loaded = load_recipe(None, [f"{key}={_as_flag(value)}" for key, value in settings.items()])
    arithmetic = "\n".join(planned["lines"])
    header = (
        f"Written by `idiolect new` for a budget of {budget or DEFAULT_BUDGET}. Every line may be changed; what isn't "
        f"here keeps its default\n(`idiolect show {path}` lists everything).\n\nHow these numbers came about:\n"
        f"{arithmetic}\n"
    )
    write_atomic(path, to_toml(loaded.config, header=header, only=set(settings)))
    for line in planned["lines"]:
        progress.say(line)
    elsewhere = "" if runs == Path("runs") else f" --runs {runs}"
    progress.show(f"wrote {path}; next: idiolect run {path}{elsewhere}")
    return {"recipe": str(path)} | {key: planned[key] for key in ("overrides", "predicted", "corpus", "budget")}


def plan_for(texts: list[str], budget: str | None, flags, runs: Path, name: str, progress: Progress) -> dict:
    """What to train on these texts for this budget, with the arithmetic."""
    if not texts:
        raise RecipeError("no text is named", why="a plan needs to know how much there is to learn from",
                          fix="--text ./my-folder, or --text default for the built-in corpus")  # fmt: skip
    loaded = load_recipe(None, [f"corpus.text={_as_flag(texts)}", *flags])
    try:
        return plan_of(Job(loaded, RunDir(runs / name), runs, progress), budget, flags) | {"text": texts}
    except DataError as error:
        raise DataError(error.what, why=error.why, fix=error.fix.replace("--corpus.text=", "--text ")) from None


def plan_of(job: Job, budget: str | None, flags) -> dict:
    """What to train on a recipe's text for this budget; of a mixture, on what a run draws from it."""
    recipe, by_source = job.recipe, unique_bytes(job)
    device, n_bytes = job.device, sum(by_source.values())
    job.progress.say("measuring this machine …")
    given = {flag.partition("=")[0] for flag in flags}
    price = recipe.plan
    if "model.context_length" in given:
        price = price.model_copy(update={"context_length": recipe.model.context_length})
    if "tokenizer.vocabulary_size" in given:
        price = price.model_copy(update={"vocabulary_size": recipe.tokenizer.vocabulary_size})

    per_token = room.bytes_per_token(price.vocabulary_size or room.vocabulary_for(n_bytes)[0])
    draw, most = None, math.inf
    if mixes(recipe):
        draw, most = draw_of(recipe, [max(1.0, by_source.get(s.name, 0) / per_token) for s in recipe.corpus.sources])

    def plan(profile: dict[int, float]) -> dict:
        return planner.plan(
            budget or DEFAULT_BUDGET, n_bytes, profile, free_memory(device), price,
            device=device.torch.type, dtype=str(device.dtype).removeprefix("torch."), draw=draw, most_tokens=most,
        )  # fmt: skip

    profile = machine_profile(device)
    planned = plan(as_chosen(plan(profile), profile, device))
    flat = flatten(recipe)
    return planned | {"given": {key: flat[key] for key in sorted(given) if key in flat}}


def unique_bytes(job: Job) -> dict[str, float]:
    """Bytes of cleaned training text of each source (or folder): counted by preparing it when that is quick, estimated
    from the sizes of files when not."""
    found, config = find(job.recipe.corpus, job.progress), job.recipe.corpus
    sizes: Counter[str] = Counter()
    for file in found.files:
        sizes[file.name.partition("/")[0]] += file.n_bytes * (UNPACKS_TO if file.compression else 1)
    if sizes.total() > COUNTED_BYTES:
        job.progress.say(f"{show_bytes(sizes.total())} of text, by the sizes of {len(found.files):,} files")
        trained = 1 - config.validation_fraction - config.test_fraction
        return {name: size * trained for name, size in sizes.items()}
    audit, sizes = read_json(corpus(job) / "audit.json"), Counter()
    for row in audit["sources"]:
        sizes[row["source"]] += row["bytes"]
    # Sources are counted over all splits.
    trained = audit["kept"]["train"]["bytes"] / max(1, sizes.total())
    return {name: size * trained for name, size in sizes.items()}


def machine_profile(device: Device) -> dict[int, float]:
    """Effective FLOP/s at a few widths, from real training steps."""
    configs = [shape(width, 256) for width in TIMED_WIDTHS]
    return speed_profile(configs, 4096, 2048, device, seconds=1.0)


def as_chosen(planned: dict, profile: dict[int, float], device: Device) -> dict[int, float]:
    """The profile as the chosen model itself runs at its own batch, whose shape the profile's widths didn't have.

    Without this a first forecast missed by half: the widths were timed at 2,048 tokens and the plan chose 512.
    """
    chosen = load_recipe(None, [f"{key}={_as_flag(value)}" for key, value in planned["overrides"].items()]).config
    micro = chosen.train.micro_batch_tokens or chosen.train.batch_tokens
    vocabulary = chosen.tokenizer.vocabulary_size
    speed = measure_training(chosen.model, vocabulary, micro, device, chosen.optim, seconds=2.0)["flops_per_second"]
    ratio = speed / planner.speed_between(profile)(chosen.model)
    return {width: ratio * flops for width, flops in profile.items()}


def free_memory(device: Device) -> float:
    """Bytes a plan may count on."""
    if device.torch.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device.torch)[0]
    return psutil.virtual_memory().available


def planned(request: Request, progress: Progress) -> dict:
    """`plan`: for texts, or a recipe's, and a budget; or for a recipe as it stands."""
    if request.options["text"]:
        found = plan_for(
            request.options["text"], request.options["budget"], request.flags, request.runs, "plan", progress
        )
        progress.show(planner.render(found))
        return {key: value for key, value in found.items() if key not in ("text", "given")}
    job = open_job(request.target, request.flags, name=request.name, runs=request.runs, progress=progress)
    if request.options["budget"]:
        found = plan_of(job, request.options["budget"], request.flags)
        progress.show(planner.render(found))
        return {key: value for key, value in found.items() if key != "given"}
    return forecast(job)


def forecast(job: Job) -> dict:
    """Parameters, FLOPs, memory by part, time and money of a recipe, measured here."""
    recipe, device, ready = job.recipe, job.device, prepared(job)
    vocabulary, config = ready.vocabulary_of(recipe), recipe.train
    if recipe.model.kind == "ngram":
        return forecast_counts(job, ready.split("train").n_tokens)
    micro = config.micro_batch_tokens or config.batch_tokens
    job.progress.say("measuring this machine …")
    speed = measure_training(recipe.model, vocabulary, micro, device, recipe.optim, seconds=3.0,
                             objective=recipe.objective)  # fmt: skip
    memory = training_memory(
        recipe.model, vocabulary, micro, recipe.optim, device.torch.type, str(device.dtype).removeprefix("torch."),
        recipe.objective,
    )  # fmt: skip
    steps = _steps_in_time(config, speed["tokens_per_second"])
    tokens, unique = steps * config.batch_tokens, ready.split("train").n_tokens
    seconds = tokens / speed["tokens_per_second"]
    hours, price = seconds / 3600, recipe.plan.price_per_hour
    parts = planner.measure.parameters(recipe.model, vocabulary)
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
        ["FLOPs a token", show_count(speed["flops_per_token"]), "training: forward and backward"],
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
    mixture = {"mixture": show_mixture(recipe, source, job.progress)} if source else {}
    return mixture | {
        "parameters": parts, "flops_per_token": speed["flops_per_token"], "tokens": tokens, "epochs": tokens / unique,
        "unique_tokens": different, "worth_tokens": fresh,
        "memory_bytes": memory, "tokens_per_second": speed["tokens_per_second"], "seconds": seconds,
        "money": hours * price if price else None,
    }  # fmt: skip


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
    recipe, device, ready = job.recipe, job.device, prepared(job)
    job.runs.mkdir(parents=True, exist_ok=True)
    findings = examine(
        recipe.model, recipe.train, recipe.optim, ready.vocabulary_of(recipe), ready.split("train").n_tokens,
        free_memory(device), shutil.disk_usage(job.runs).free, device.torch.type,
        str(device.dtype).removeprefix("torch."), recipe.objective,
    )  # fmt: skip
    for finding in findings:
        job.progress.show(finding.line())
    if not findings:
        job.progress.show("nothing to say: the settings make sense together")
    return {"findings": as_json(findings)}


def _as_flag(value) -> str:
    """A value as a flag spells it."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_quoted(item) for item in value) + "]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quoted(item) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", item) + '"' if isinstance(item, str) else str(item)
