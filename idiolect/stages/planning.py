"""Text and a budget become a recipe. The machine is measured anew each time, for no longer than the budget allows."""

import math
import re
import time
from collections import Counter
from pathlib import Path

from idiolect.config import flatten, to_toml
from idiolect.corpus.find import find
from idiolect.device import Device, free_memory
from idiolect.errors import DataError, RecipeError
from idiolect.plan import budget as room
from idiolect.plan import planner
from idiolect.plan.config import PlanConfig
from idiolect.plan.count import shape
from idiolect.plan.throughput import measure_training, speed_profile
from idiolect.progress import Progress, show_bytes
from idiolect.recipe import load_recipe
from idiolect.request import Request
from idiolect.rundir import RunDir, read_json, write_atomic
from idiolect.stages.forecasting import forecast
from idiolect.stages.job import Job, check_name, open_job
from idiolect.stages.mixing import draw_of, mixes
from idiolect.stages.prepared import corpus

# Up to here the text is cleaned and counted before the plan is made, and `run` finds it done; beyond, sizes decide.
COUNTED_BYTES = 256 << 20
UNPACKS_TO = 3.0
# Widths timed for the speed of those between them.
TIMED_WIDTHS = (64, 128, 256, 512)
# How many times as long the next width takes (the operations of a step grow 2 to 7 times from each to the next); the
# share of a time budget that all of them may take, and the most.
WIDER, MEASURING_SHARE, MEASURING_SECONDS = 4, 0.05, 60.0
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

    seconds = measuring_seconds(budget or DEFAULT_BUDGET, price)
    profile = machine_profile(device, seconds, job.progress)
    planned = plan(as_chosen(plan(profile), profile, device, seconds))
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


def measuring_seconds(budget: str, price: PlanConfig) -> float:
    """How long the machine may be measured for a plan of this budget. Raises RecipeError for one that can't be read."""
    spend = room.parse_budget(budget)
    if spend.kind == "flops":
        return MEASURING_SECONDS
    whole = room.budget_seconds(spend, 1.0, price.price_per_hour, price.currency)
    return min(MEASURING_SECONDS, MEASURING_SHARE * whole)


def machine_profile(device: Device, seconds: float, progress: Progress) -> dict[int, float]:
    """Effective FLOP/s at a few widths, from real training steps: the smallest first, until `seconds` are spent.

    Widths beyond are read as the widest one that was timed, which a budget this small doesn't choose anyway.
    """
    profile: dict[int, float] = {}
    with progress.bar("measuring this machine", len(TIMED_WIDTHS), "sizes") as bar:
        began = latest = time.monotonic()
        for width in TIMED_WIDTHS:
            now = time.monotonic()
            if profile and now - began + WIDER * (now - latest) > seconds:
                break
            latest = now
            profile |= speed_profile([shape(width, 256)], 4096, 2048, device, seconds=min(1.0, seconds / 4))
            bar.advance(width=width)
    return profile


def as_chosen(planned: dict, profile: dict[int, float], device: Device, seconds: float) -> dict[int, float]:
    """The profile as the chosen model itself runs at its own batch, whose shape the profile's widths didn't have.

    Without this a first forecast missed by half: the widths were timed at 2,048 tokens and the plan chose 512.
    """
    chosen = load_recipe(None, [f"{key}={_as_flag(value)}" for key, value in planned["overrides"].items()]).config
    micro = chosen.train.micro_batch_tokens or chosen.train.batch_tokens
    vocabulary = chosen.tokenizer.vocabulary_size
    speed = measure_training(chosen.model, vocabulary, micro, device, chosen.optim, seconds=min(2.0, seconds))
    ratio = speed["flops_per_second"] / planner.speed_between(profile)(chosen.model)
    return {width: ratio * flops for width, flops in profile.items()}


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


def _as_flag(value) -> str:
    """A value as a flag spells it."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_quoted(item) for item in value) + "]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quoted(item) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", item) + '"' if isinstance(item, str) else str(item)
