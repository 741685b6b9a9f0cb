"""Which recipes are compared: several files, a grid of settings, or one recipe with one setting changed at a time."""

import itertools
import re
from collections.abc import Sequence

from idiolect.config import flatten, walk_fields
from idiolect.config_errors import unknown_key
from idiolect.config_load import Loaded, load
from idiolect.errors import RecipeError
from idiolect.recipe import Recipe, find_recipe, load_recipe
from idiolect.stages.job import Job

MOST_VARIATIONS = 64
AS_IT_IS = "as it is"  # what an ablation is measured against


def recipes_of(job: Job, others: Sequence[str], flags: Sequence[str]) -> list[tuple[str, Loaded[Recipe]]]:
    """The job's own recipe and the further ones, by name."""
    paths = [find_recipe(other) for other in others]
    found = [(job.run.name, job.loaded)] + [(path.stem, load_recipe(path, flags)) for path in paths]
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RecipeError(
            f"two recipes are called {twice}", why="the table and the verdicts tell them apart by name",
            fix="--name OTHER names the first one",
        )  # fmt: skip
    return found


def variations_of(job: Job, variations: Sequence[str]) -> list[tuple[str, Loaded[Recipe]]]:
    """Every combination of `key=value,value` overrides of the job's recipe, by name."""
    axes = []
    for text in variations:
        key, equals, values = text.partition("=")
        options = split_values(values)
        if not equals or not all(options):
            raise RecipeError(
                f"--vary {text} has no values", why="a variation is a setting and what it may be",
                fix="--vary model.n_layers=2,4, or --vary corpus.clean.unicode_form=none,NFC",
            )  # fmt: skip
        check_key(key, "--vary", text)
        axes.append([(key, value) for value in dict.fromkeys(options)])
    points = list(itertools.islice(itertools.product(*axes), MOST_VARIATIONS + 1))
    if not 2 <= len(points) <= MOST_VARIATIONS:
        raise RecipeError(
            "there is one variation only" if len(points) < 2 else f"there are more than {MOST_VARIATIONS} variations",
            why="two are the fewest that can be compared" if len(points) < 2 else "each is trained several times",
            fix="--vary model.n_layers=2,4",
        )  # fmt: skip
    return [(" ".join(f"{key}={value}" for key, value in point), overridden(job, point)) for point in points]


def ablations_of(job: Job, ablations: Sequence[str]) -> list[tuple[str, Loaded[Recipe]]]:
    """The recipe as it is, and with one setting changed at a time: `key` is switched over, `key=value` is set.

    Raises RecipeError for a setting that is no switch and has no value, or that has this value already.
    """
    found = [(AS_IT_IS, job.loaded)]
    now = flatten(job.recipe)
    for text in [part for one in ablations for part in split_values(one) if part]:
        key, equals, value = text.partition("=")
        check_key(key, "--ablate", text)
        if not equals and not isinstance(now.get(key), bool):
            raise RecipeError(
                f"--ablate {key} has no value", why="only a switch (true or false) can be switched over",
                fix=f"--ablate {key}=VALUE",
            )  # fmt: skip
        point = ((key, value if equals else str(not now[key]).lower()),)
        changed = overridden(job, point)
        if changed.config == job.recipe:
            raise RecipeError(
                f"--ablate {text} changes nothing", why=f"the recipe has {key} = {now.get(key)!r} already",
                fix="name another value, or the setting alone if it is a switch",
            )  # fmt: skip
        found.append((f"{key}={point[0][1]}", changed))
    twice = next((name for name, _ in found if [other for other, _ in found].count(name) > 1), None)
    if twice is not None:
        raise RecipeError(f"--ablate names {twice} twice", why="its runs would be scored twice", fix="name it once")
    return found


def split_values(text: str) -> list[str]:
    """Values between commas, except those inside brackets."""
    return [value.strip() for value in re.split(r",(?![^\[]*\])", text)]


def check_key(key: str, flag: str, text: str) -> None:
    """Raise RecipeError for what is no setting, and for what the comparison itself decides."""
    if key not in dict(walk_fields(Recipe)):
        raise unknown_key(Recipe, key, f"{flag} {text}")
    decided = {"seed": "compare.seeds", "optim.optimiser.learning_rate": "compare.rates"}
    if key in decided or key.startswith(("compare.", "tune.", "evaluate.")):
        raise RecipeError(
            f"{flag} can't vary {key}", why="the comparison itself decides how runs are searched, repeated and scored",
            fix=f"--{decided.get(key, 'compare.rates')}=…, or idiolect tune to search over it",
        )  # fmt: skip


def overridden(job: Job, point: tuple[tuple[str, str], ...]) -> Loaded[Recipe]:
    """The job's recipe with one combination of overrides, checked as flags are."""
    flags = [f"{key}={value}" for key, value in point]
    return load(Recipe, values=tree_of(job.recipe), flags=flags)


def tree_of(recipe: Recipe) -> dict:
    """The recipe as nested plain values, from which it can be loaded anew; empty settings keep their default."""
    return {key: value for key, value in recipe.model_dump(mode="json", exclude_none=True).items()}
