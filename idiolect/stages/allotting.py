"""What the budget is, and what it comes to for each contender: steps, a time limit, how often it is scored.

A budget of tokens or operations is turned into steps by what one step takes, which a short run of a few steps tells;
so is the forecast of the time that all of it will take, and of the steps that fit into a budget of seconds.
"""

import contextlib
from dataclasses import dataclass

from idiolect.errors import RecipeError
from idiolect.optim.config import OptimConfig
from idiolect.plan.budget import parse_budget
from idiolect.progress import show_count, show_seconds
from idiolect.recipe import Recipe
from idiolect.stages.contenders import Contender, changed_recipe
from idiolect.tune.config import CompareConfig

PACE_STEPS = 8
# Room above the steps that the pace promises: the loop fits the schedule to the clock once a tenth of the time is gone.
ROOM = 4
# Fewer updates than this teach no family anything, and verdicts on them would be about warm-ups.
FEW_STEPS = 25
# A forward pass is a third of a training step; scoring is forward alone.
FORWARD_SHARE = 1 / 3
# Of a budget of seconds, the most that scoring on the way may take; and what the checkpoint before each score does.
SCORING_SHARE, SAVE_SECONDS = 0.1, 0.05


@dataclass(frozen=True)
class Budget:
    """What each run may spend: `kind` is seconds, tokens, flops, or steps (the recipe's own)."""

    kind: str
    amount: float

    @property
    def text(self) -> str:
        if self.kind == "seconds":
            return f"{show_seconds(self.amount)} of training a run"
        words = {"tokens": "tokens a run", "flops": "FLOPs a run", "steps": "steps a run"}
        return f"{show_count(self.amount)} {words[self.kind]}"


def read_budget(text: str) -> tuple[str, float | int]:
    """`60s`, `2m`, `1e13flops` or `5e6tokens` as a field of CompareConfig and its value. Raises RecipeError."""
    amount = text.strip().lower()
    for word in ("tokens", "token"):
        if amount.endswith(word):
            try:
                number = float(amount.removesuffix(word))
            except ValueError:
                break
            if 1 <= number < 2**50:
                return "tokens", int(number)
            break
    else:
        # What it says of budgets in general, money among them, is not what a comparison takes.
        with contextlib.suppress(RecipeError):
            found = parse_budget(amount)
            if found.kind in ("seconds", "flops"):
                return found.kind, found.amount
    raise RecipeError(
        f"a comparison's budget can't be \"{text}\"",
        why="it is what each run may spend: seconds (s, m, h), tokens, or flops",
        fix="--budget 60s, --budget 5e6tokens, or --budget 1e13flops",
    )


def settings_of(options: dict) -> list[str]:
    """The verb's own options as settings of the recipe's [compare]. Raises RecipeError for what is no number."""
    flags = []
    kinds = [kind for text in options["families"] for kind in text.split(",") if kind]
    if kinds:
        flags.append(f"compare.families={','.join(kinds)}")
    if options["budget"] is not None:
        name, amount = read_budget(options["budget"])
        flags += [f"compare.{other}=0" for other in ("seconds", "tokens", "flops") if other != name]
        flags.append(f"compare.{name}={amount!r}")
    for name in ("parameters", "seeds"):
        if options[name] is not None:
            flags.append(f"compare.{name}={whole(name, options[name])}")
    return flags


def whole(name: str, text: str) -> int:
    """A whole number above zero, written as 1000000, 1_000_000, 1e6 or 1M."""
    units = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
    digits, unit = (text[:-1], units[text[-1].lower()]) if text[-1:].lower() in units else (text, 1)
    try:
        value = float(digits) * unit
    except ValueError:
        value = 0.0
    if not 1 <= value < 2**40:
        example = "1e6" if name == "parameters" else "3"
        raise RecipeError(f"--{name} can't be {text!r}", why=f"it is a whole number from 1 to {2**40 - 1:,}",
                          fix=f"--{name} {example}")  # fmt: skip
    return round(value)


def budget_of(config: CompareConfig, recipe: Recipe) -> Budget:
    """The budget that is asked for; without one the recipe's own, in seconds or in steps."""
    for kind in ("seconds", "tokens", "flops"):
        if getattr(config, kind):
            return Budget(kind, getattr(config, kind))
    if recipe.train.budget_seconds:
        return Budget("seconds", recipe.train.budget_seconds)
    return Budget("steps", recipe.train.steps)


def steps_for(one: Contender, budget: Budget, pace: dict, share: float = 1.0) -> int:
    """Steps that a share of the budget buys this contender. Raises RecipeError when it is not a single one."""
    if budget.kind == "seconds":
        steps = share * budget.amount / pace["seconds_per_step"]
    elif budget.kind == "tokens":
        steps = share * budget.amount / pace["tokens_per_step"]
    elif budget.kind == "flops":
        steps = share * budget.amount / (pace["tokens_per_step"] * pace["flops_per_token"])
    else:
        steps = share * budget.amount
    if steps < 1:
        raise RecipeError(
            f"{share:.3g} of a budget of {budget.text} is less than one step of {one.name}",
            why=f"a step learns from {pace['tokens_per_step']:,.0f} tokens and takes "
            f"{show_seconds(pace['seconds_per_step'])} and "
            f"{show_count(pace['tokens_per_step'] * pace['flops_per_token'], 'FLOPs')}",
            fix="a larger --budget, a smaller --train.batch_tokens, or --compare.search_share=1",
        )
    return int(steps)


def points_for(config: CompareConfig, budget: Budget, pace: dict) -> int:
    """How often a run is scored on its way: a budget of seconds pays for it, and must not be spent on it."""
    if budget.kind != "seconds":
        return config.points
    per_token = pace["seconds_per_step"] / pace["tokens_per_step"]
    one = SAVE_SECONDS + config.curve_tokens * per_token * FORWARD_SHARE
    return max(1, min(config.points, int(SCORING_SHARE * budget.amount / one)))


def pace_recipe(one: Contender, config: CompareConfig) -> Recipe:
    """A few steps, each with a line of its own, and the least of scoring."""
    recipe = with_rate(one.recipe, one.learning_rate)
    train = {"steps": PACE_STEPS, "eval_every_steps": 0, "log_every_steps": 1, "budget_seconds": 0.0}
    return budgeted(recipe, train, recipe.model.context_length)


def trial_recipe(
    one: Contender, config: CompareConfig, budget: Budget, steps: int, share: float, rate: float, seed: int, points: int
) -> Recipe:
    """One run of a contender: a share of the budget, a learning rate, a seed, and how often it is scored on its way."""
    timed = budget.kind == "seconds"
    train = {
        "steps": steps * (ROOM if timed else 1),
        "budget_seconds": share * budget.amount if timed else 0.0,
        "eval_every_steps": max(1, steps // points) if points > 1 else 0,
        "log_every_steps": max(1, steps // (4 * points)),
    }
    recipe = changed_recipe(with_rate(one.recipe, rate), seed=seed)
    return budgeted(recipe, train, config.curve_tokens)


def budgeted(recipe: Recipe, train: dict, validation_tokens: int) -> Recipe:
    """The recipe with another training loop; nothing ends it but its budget, and it keeps few checkpoints."""
    kept = {"save_every_steps": 0, "keep": 1, "patience": 0, "tensorboard": False}
    loop = type(recipe.train)(**(dict(recipe.train) | train | kept))
    scoring = type(recipe.evaluate)(**(dict(recipe.evaluate) | {"validation_tokens": validation_tokens}))
    return changed_recipe(recipe, train=loop, evaluate=scoring)


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe at another learning rate; Muon's second rate, of what is no matrix, moves along."""
    optimiser = recipe.optim.optimiser
    changed = {"learning_rate": rate}
    if hasattr(optimiser, "rest"):
        factor = rate / optimiser.learning_rate
        rest = type(optimiser.rest)(**(dict(optimiser.rest) | {"learning_rate": optimiser.rest.learning_rate * factor}))
        changed["rest"] = rest
    moved = type(optimiser)(**(dict(optimiser) | changed))
    return changed_recipe(recipe, optim=OptimConfig(**(dict(recipe.optim) | {"optimiser": moved})))
