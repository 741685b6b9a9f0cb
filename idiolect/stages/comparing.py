"""Compare families, recipes or variations at an equal budget: a search for each one's learning rate, then seeds.

    contenders -> a pace of each -> learning rates at a share of the budget -> seeds at the best -> scores -> verdicts

Every trial is an ordinary run below runs/<name>-compare/<contender>/, named by the fingerprint of what decides it. Who
starts the same comparison again finds the finished trials done and goes on in the one that was killed.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from idiolect.config import to_toml
from idiolect.config_load import Loaded
from idiolect.errors import NumericsError, RecipeError
from idiolect.progress import how_many, show_seconds
from idiolect.recipe import Recipe, load_recipe
from idiolect.rundir import RunDir, write_atomic
from idiolect.stages import allotting, compared
from idiolect.stages.allotting import Budget
from idiolect.stages.asked import Asked, contenders
from idiolect.stages.classifying import classified, has_task
from idiolect.stages.contenders import Contender, named
from idiolect.stages.entries import Clock, Entry
from idiolect.stages.job import Job
from idiolect.stages.pairing import judged
from idiolect.stages.same_text import scored_split
from idiolect.stages.teaching import taught_operations
from idiolect.stages.training import objective_of
from idiolect.stages.trials import measured, pace_of, result_of, trial_name
from idiolect.tune.config import CompareConfig

# Building a model, timing the machine's peak, two checkpoints: seconds a trial takes besides its training. Measured.
AROUND_A_TRIAL = 1.5
COUNTED_A_SECOND = 1e6  # tokens that the n-gram family counts
SEARCH, RUN = "search", "run"


class Comparison:
    """One comparison under way: its folder, its budget, its contenders."""

    def __init__(self, job: Job, config: CompareConfig, found: list[Contender], ablates: bool = False):
        self.job, self.config, self.ablates = job, config, ablates
        self.folder = job.run.path.with_name(f"{job.run.name}-compare")
        self.budget: Budget = allotting.budget_of(config, job.recipe)
        self.split = scored_split(found)
        self.entries = [Entry(one, self.folder / one.folder) for one in found]
        self.clock = Clock()

    def run(self) -> dict:
        """Everything, in order; returns what `compare.json` holds."""
        for entry in self.entries:
            self.measure_pace(entry)
        self.announce()
        for entry in self.entries:
            try:
                self.search(entry)
                self.repeat(entry)
            except NumericsError as failure:
                entry.failed = failure.what
                self.job.progress.warn(f"{entry.one.name}: {failure.what}")
        return compared.as_data(self, judged(self.entries, self.folder, self.split))

    def measure_pace(self, entry: Entry) -> None:
        """Seconds and tokens of a step, from a short run; what counts has no steps."""
        one = entry.one
        if one.role == "counted":
            return
        recipe = allotting.pace_recipe(one, self.config)
        folder = entry.folder / trial_name("pace", recipe, one.ready)
        if result_of(folder) is None:
            self.job.progress.say(f"{one.name}: timing {allotting.PACE_STEPS} steps")
        try:
            result = measured(self.job, recipe, one.ready, folder)
        except RecipeError as error:
            raise named(error, one.name) from None
        if "failed" in result:
            raise NumericsError(
                f"{one.name} diverged in its first steps", why=result["failed"],
                fix="leave it out, or --compare.rates=[0.01,0.1,1.0]",
            )  # fmt: skip
        job = replace(self.job, loaded=Loaded(recipe, {}))
        flops = taught_operations(job, one.ready, objective_of(job, one.ready, recipe.seed))["training"]
        entry.pace = pace_of(folder, result) | {"flops_per_token": flops}
        entry.steps = allotting.steps_for(one, self.budget, entry.pace)
        allotting.steps_for(one, self.budget, entry.pace, self.share(SEARCH))

    @property
    def searches(self) -> bool:
        """Whether there is more than one learning rate to try."""
        return len(self.config.rates) > 1

    def announce(self) -> None:
        """Say what comes, and how long it will take."""
        for entry in self.entries:
            if entry.pace and entry.steps < allotting.FEW_STEPS:
                self.job.progress.warn(
                    f"{entry.one.name} gets {entry.steps} steps only: too few to say what the family can do"
                )
        if self.config.seeds == 1:
            self.job.progress.warn("one seed: scores will have no intervals, and no verdict will name a winner")
        compared.show_plan(self)
        n_trials = sum(len(list(self.planned(entry))) for entry in self.entries)
        widest = (
            sum(self.cost(entry, SEARCH) for entry in self.entries if entry.pace and self.searches)
            * self.config.widenings
        )
        to_come = [(entry, kind) for entry in self.entries for kind, stands in self.planned(entry) if not stands]
        self.clock.forecast = sum(self.cost(entry, kind) for entry, kind in to_come)
        more = f", at most {show_seconds(widest)} more where a search goes on past its ends" if widest else ""
        self.job.progress.say(
            f"{n_trials} runs, {n_trials - len(to_come)} of them stand: about {show_seconds(self.clock.forecast)}"
            + (more if to_come else "")
        )

    def planned(self, entry: Entry) -> Iterator[tuple[str, bool]]:
        """(kind, whether it stands) of each trial that is known now."""
        if entry.one.role == "counted":
            yield RUN, result_of(self.trial(entry, RUN, entry.one.learning_rate, self.seeds[0])[1]) is not None
            return
        rates = self.rates(entry)
        results = [result_of(self.trial(entry, SEARCH, rate)[1]) for rate in rates]
        if self.searches:
            yield from ((SEARCH, result is not None) for result in results)
        best = self.found_rate(entry, rates, results)
        for seed in self.seeds:
            yield RUN, best is not None and result_of(self.trial(entry, RUN, best, seed)[1]) is not None

    def rates(self, entry: Entry) -> list[float]:
        """The learning rates that every search begins with, of this contender."""
        return [factor * entry.one.learning_rate for factor in self.config.rates]

    def found_rate(self, entry: Entry, rates: list[float], results: list[dict | None]) -> float | None:
        """The best rate as far as finished trials tell it, widenings included."""
        if not self.searches:
            return rates[0]
        if any(result is None for result in results):
            return None
        tried = dict(zip(rates, map(value_of, results), strict=True))
        for _ in range(self.config.widenings):
            further = wider(tried)
            if further is None:
                break
            result = result_of(self.trial(entry, SEARCH, further)[1])
            if result is None:
                return None
            tried[further] = value_of(result)
        return min(tried, key=tried.__getitem__)

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs that are scored; the search has the recipe's own, so that no scored run was picked."""
        return [self.job.recipe.seed + 1 + index for index in range(self.config.seeds)]

    def share(self, kind: str) -> float:
        """Share of the budget that a trial of this kind gets."""
        return 1.0 if kind == RUN else self.config.search_share

    def trial(self, entry: Entry, kind: str, rate: float, seed: int | None = None) -> tuple[Recipe, Path]:
        """The recipe and the folder of one trial; the search has the recipe's own seed."""
        one, split, share = entry.one, self.split if kind == RUN else "", self.share(kind)
        if one.role == "counted":
            recipe = allotting.budgeted(one.recipe, {}, self.config.curve_tokens)
            return recipe, entry.folder / trial_name(kind, recipe, one.ready, split=split)
        steps = allotting.steps_for(one, self.budget, entry.pace, share)
        seed = self.job.recipe.seed if seed is None else seed
        # The search looks at the end of a run alone.
        points = allotting.points_for(self.config, self.budget, entry.pace) if kind == RUN else 1
        recipe = allotting.trial_recipe(one, self.config, self.budget, steps, share, rate, seed, points)
        timed = self.budget.kind == "seconds"
        folder = entry.folder / trial_name(kind, recipe, one.ready, timed, split, points)
        if timed and (folder / "recipe.toml").exists():
            # The steps were a forecast from a pace; a run that began with one goes on with it.
            recipe = load_recipe(folder / "recipe.toml").config
        return recipe, folder

    def cost(self, entry: Entry, kind: str) -> float:
        """Seconds that a trial will take, scoring included."""
        if entry.pace is None:
            return entry.one.ready.split("train").n_tokens / COUNTED_A_SECOND
        per_token = entry.pace["seconds_per_step"] / entry.pace["tokens_per_step"]
        steps = allotting.steps_for(entry.one, self.budget, entry.pace, self.share(kind))
        curve = min(self.config.curve_tokens or 2**50, entry.one.ready.split("validation").n_tokens)
        # A budget of seconds pays for the scores on the way, the last of them excepted.
        scoring = curve * (1 if kind == SEARCH or self.budget.kind == "seconds" else self.config.points)
        scoring += entry.one.ready.split(self.split).n_tokens if kind == RUN else 0
        return AROUND_A_TRIAL + steps * entry.pace["seconds_per_step"] + scoring * per_token * allotting.FORWARD_SHARE

    def run_trial(self, entry: Entry, kind: str, rate: float, what: str, seed: int | None = None) -> dict:
        """The result of one trial, run now unless it stands."""
        recipe, folder = self.trial(entry, kind, rate, seed)
        stands, began = result_of(folder) is not None, time.monotonic()
        split = self.split if kind == RUN else ""
        result = measured(self.job, recipe, entry.one.ready, folder, split, keep=kind == RUN)
        if not stands:
            self.clock.spent += time.monotonic() - began
            self.clock.done += self.cost(entry, kind)
            self.job.progress.say(
                f"{entry.one.name}, {what}: {outcome(result)}   (about {show_seconds(self.clock.left())} to go)"
            )
        return result | {"folder": folder.relative_to(self.folder).as_posix()}

    def search(self, entry: Entry) -> None:
        """Try the learning rates at a share of the budget, and go on past an end that is the best."""
        one = entry.one
        if one.role == "counted":
            return
        rates = self.rates(entry)
        if not self.searches:
            entry.rate = rates[0]
            return
        tried: dict[float, float] = {}

        def attempt(rate: float) -> None:
            result = self.run_trial(entry, SEARCH, rate, f"learning rate {rate:.3g}")
            tried[rate] = value_of(result)
            entry.search.append({"learning_rate": rate, "value": None if "failed" in result else tried[rate],
                                 "failed": result.get("failed", ""), "folder": result["folder"]})  # fmt: skip

        for rate in rates:
            attempt(rate)
        for _ in range(self.config.widenings):
            further = wider(tried)
            if further is None:
                break
            attempt(further)
        if min(tried.values()) == float("inf"):
            raise NumericsError(
                f"{one.name} diverged at every learning rate", why=entry.search[-1]["failed"],
                fix="--compare.rates=[0.01,0.1,1.0]",
            )  # fmt: skip
        entry.rate = min(tried, key=tried.__getitem__)
        entry.at_edge = wider(tried) is not None
        entry.search.sort(key=lambda row: row["learning_rate"])

    def repeat(self, entry: Entry) -> None:
        """Run the seeds at the best learning rate; a model that counts has none and runs once."""
        counts = entry.one.role == "counted"
        rate = entry.rate or entry.one.learning_rate
        for seed in self.seeds[:1] if counts else self.seeds:
            result = self.run_trial(entry, RUN, rate, "counting" if counts else f"seed {seed}", seed)
            entry.runs.append(result | {"seed": seed})
        failed = [run["failed"] for run in entry.runs if "failed" in run]
        if failed and len(failed) == len(entry.runs):
            raise NumericsError(
                f"{entry.one.name} diverged with every seed", why=failed[0], fix="a smaller learning rate"
            )
        if failed:
            self.job.progress.warn(f"{entry.one.name} diverged with {len(failed)} of {len(entry.runs)} seeds")


def value_of(result: dict) -> float:
    """A trial's validation score, infinite when it diverged or was never scored."""
    value = result.get("validation")
    return float("inf") if value is None else value


def wider(tried: dict[float, float]) -> float | None:
    """The next learning rate past the end of those tried, when the best of them is an end; None when it lies inside."""
    rates = sorted(tried)
    best = min(rates, key=tried.__getitem__)
    if len(rates) < 2 or tried[best] == float("inf"):
        return None
    if best == rates[0]:
        return rates[0] * rates[0] / rates[1]
    return rates[-1] * rates[-1] / rates[-2] if best == rates[-1] else None


def outcome(result: dict) -> str:
    """A trial's result in a few words."""
    if "failed" in result:
        return f"diverged ({result['failed']})"
    value = result["score"]["bits_per_byte"]["value"] if "score" in result else result["validation"]
    score = "not scored" if value is None else f"{value:.4f} bits per byte"
    return f"{score} in {show_seconds(result['seconds'])}, {how_many(result['steps'], 'step')}"


def compared_all(job: Job, asked: Asked) -> dict:
    """Compare, show, and leave compare.json, the page, the table in Markdown and the plot."""
    config = job.recipe.compare
    found = contenders(job, config, asked)
    if len(found) < 2:
        raise RecipeError(
            f"{found[0].name} has nothing to be compared with", why="a comparison needs two at least",
            fix="--families gpt,lstm",
        )  # fmt: skip
    comparison = Comparison(job, config, found, ablates=bool(asked.ablations))
    with RunDir(comparison.folder).lock():
        write_atomic(comparison.folder / "recipe.toml", to_toml(job.recipe, header="The recipe that is compared."))
        data = comparison.run()
        if comparison.ablates and has_task(job.recipe):
            data = compared.with_classifiers(data, classified(comparison))
        compared.leave(job, comparison.folder, data)
    return data
