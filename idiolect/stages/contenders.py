"""What is compared: families sized alike, recipes against each other, or variations of one; each as a whole recipe.

Start at `contenders`. Whoever varies the text must leave the held-out documents the same: scores on different text
can't be compared, and bytes are counted on the text that was changed least.
"""

import difflib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from idiolect.config import walk_fields
from idiolect.config_errors import unknown_key
from idiolect.config_load import Loaded, load
from idiolect.corpus.documents import read
from idiolect.data.config import SUITS, AutoObjective, PrefixObjective
from idiolect.errors import IdiolectError, RecipeError
from idiolect.models import FAMILIES
from idiolect.optim.config import OptimConfig
from idiolect.recipe import Recipe, find_recipe, load_recipe
from idiolect.rundir import content_hash, fingerprint
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared, prepared
from idiolect.stages.trials import Hushed
from idiolect.tune.config import CompareConfig
from idiolect.tune.match import Match, counted, match

# AdamW's, for a family whose config names none; the commonest default of the literature.
USUAL_LEARNING_RATE = 1e-3
ADAMS = ("adam", "adamw")
MOST_VARIATIONS = 64


@dataclass(frozen=True)
class Contender:
    """One recipe that is compared.

    `role` is scored; apart (its score is no probability of the text: shown, never in a verdict); or counted (no
    gradient, so no learning rate, no budget and no seed). `scale` turns its bits per byte into those of the text that
    was changed least. `learning_rate` is the centre of its search.
    """

    name: str
    recipe: Recipe
    ready: Prepared
    role: str
    learning_rate: float
    parameters: int
    mismatch: float | None
    scale: float = 1.0

    @property
    def vocabulary_size(self) -> int:
        return self.ready.vocabulary_of(self.recipe)

    @property
    def folder(self) -> str:
        """A folder's name that tells contenders apart, whatever they are called."""
        slug = re.sub(r"[^A-Za-z0-9._=,-]+", "-", self.name)[:60].strip(".")
        return slug if slug == self.name else f"{slug}-{fingerprint(self.name)[:8]}"


def contenders(
    job: Job, config: CompareConfig, others: list[str], variations: list[str], flags: Sequence[str] = ()
) -> list[Contender]:
    """Everything that is compared, prepared and sized; `flags` are laid over every recipe.

    Raises RecipeError naming what can't be.
    """
    asked = [bool(config.families), bool(others), bool(variations)]
    if sum(asked) != 1:
        raise RecipeError(
            "there is nothing to compare" if not any(asked) else "families, recipes and variations don't mix",
            why="compare takes families, further recipes, or variations of one recipe",
            fix="--families gpt,lstm   or   idiolect compare a.toml b.toml   or   --vary model.n_layers=2,4",
        )  # fmt: skip
    if config.families:
        kinds, ready = families_of(config), prepared(job)
        found = [family_of(job, config, kind, ready) for kind in kinds]
    elif others:
        found = [own(job, config, name, loaded) for name, loaded in recipes_of(job, others, flags)]
    else:
        found = [own(job, config, name, loaded) for name, loaded in variations_of(job, variations)]
    return comparable(found)


def families_of(config: CompareConfig) -> list[str]:
    """The families by kind; "all" is every one. Raises RecipeError with the nearest name for an unknown one."""
    kinds = list(dict.fromkeys(kind for kind in config.families if kind != "all"))
    for kind in kinds:
        if kind not in FAMILIES:
            near = difflib.get_close_matches(kind, FAMILIES, 1, 0.5)
            raise RecipeError(
                f"there is no family {kind}" + (f"; did you mean {near[0]}?" if near else ""),
                why="families: " + ", ".join(sorted(FAMILIES)),
                fix=f"--families {near[0] if near else 'gpt'},…  or  --families all",
            )
    if "all" in config.families:
        return kinds + [kind for kind in FAMILIES if kind not in kinds]
    return kinds


def family_of(job: Job, config: CompareConfig, kind: str, ready: Prepared) -> Contender:
    """The member of a family that matches the target; the recipe's own model where no other size is asked for."""
    recipe, cls = job.recipe, FAMILIES[kind].config
    if kind == recipe.model.kind and not config.parameters:
        return contender(kind, recipe, ready, usual_rate(recipe.optim, cls), config, target_of(job, config, ready))
    length = recipe.model.context_length
    dropout = {"dropout": recipe.model.dropout} if hasattr(recipe.model, "dropout") else {}

    def make(width: int):
        model = cls.sized(width, length)
        return type(model)(**(dict(model) | dropout)) if hasattr(model, "dropout") else model

    objective = recipe.data.objective
    if cls.reads == "source":
        # The only one of theirs under which every token of a text is predicted, so that bits per byte can be compared.
        objective = PrefixObjective()
    elif objective.kind != "auto" and not isinstance(objective, SUITS[cls.reads]):
        objective = AutoObjective()
    data = recipe.data.model_copy(update={"objective": objective})
    changed = changed_recipe(recipe, model=make(64), data=data)
    target = target_of(job, config, ready)
    if kind != "ngram":
        V = ready.vocabulary_of(changed)
        matched: Match = match(
            make, lambda one: counted(one, V, config.embeddings_count), target, config.tolerance, kind
        )
        changed = changed_recipe(changed, model=matched.config)
    return contender(kind, changed, ready, usual_rate(recipe.optim, cls), config, target)


def target_of(job: Job, config: CompareConfig, ready: Prepared) -> int:
    """Parameters every family is sized to."""
    if config.parameters:
        return config.parameters
    if job.recipe.model.kind == "ngram":
        raise RecipeError(
            "the recipe's own model is an n-gram model, which gives the others no size",
            why="it holds counts, no parameters", fix="--parameters 1000000",
        )  # fmt: skip
    return counted(job.recipe.model, ready.vocabulary_of(job.recipe), config.embeddings_count)


def recipes_of(job: Job, others: list[str], flags: Sequence[str]) -> list[tuple[str, Loaded[Recipe]]]:
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


def variations_of(job: Job, variations: list[str]) -> list[tuple[str, Loaded[Recipe]]]:
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
        if key not in dict(walk_fields(Recipe)):
            raise unknown_key(Recipe, key, f"--vary {text}")
        refuse_unfair(key)
        axes.append([(key, value) for value in dict.fromkeys(options)])
    points = list(itertools.islice(itertools.product(*axes), MOST_VARIATIONS + 1))
    if not 2 <= len(points) <= MOST_VARIATIONS:
        raise RecipeError(
            "there is one variation only" if len(points) < 2 else f"there are more than {MOST_VARIATIONS} variations",
            why="two are the fewest that can be compared" if len(points) < 2 else "each is trained several times",
            fix="--vary model.n_layers=2,4",
        )  # fmt: skip
    return [(" ".join(f"{key}={value}" for key, value in point), overridden(job, point)) for point in points]


def split_values(text: str) -> list[str]:
    """Values between commas, except those inside brackets."""
    return [value.strip() for value in re.split(r",(?![^\[]*\])", text)]


def refuse_unfair(key: str) -> None:
    """Raise RecipeError for what the comparison itself decides."""
    decided = {"seed": "compare.seeds", "optim.optimiser.learning_rate": "compare.rates"}
    if key in decided or key.startswith(("compare.", "tune.", "evaluate.")):
        raise RecipeError(
            f"--vary can't vary {key}", why="the comparison itself decides how runs are searched, repeated and scored",
            fix=f"--{decided.get(key, 'compare.rates')}=…, or idiolect tune to search over it",
        )  # fmt: skip


def overridden(job: Job, point: tuple[tuple[str, str], ...]) -> Loaded[Recipe]:
    """The job's recipe with one combination of overrides, checked as flags are."""
    flags = [f"{key}={value}" for key, value in point]
    return load(Recipe, values=tree_of(job.recipe), flags=flags)


def tree_of(recipe: Recipe) -> dict:
    """The recipe as nested plain values, from which it can be loaded anew; empty settings keep their default."""
    return {key: value for key, value in recipe.model_dump(mode="json", exclude_none=True).items()}


def own(job: Job, config: CompareConfig, name: str, loaded: Loaded[Recipe]) -> Contender:
    """A whole recipe as a contender; with a target, its model is made wider or narrower until it matches."""
    one = replace(job, loaded=loaded, progress=Hushed(quiet=job.progress.quiet))
    recipe = loaded.config
    ready = prepared(one)
    model = recipe.model
    if config.parameters and model.kind != "ngram":
        V = ready.vocabulary_of(recipe)
        matched = match(
            lambda width: type(model)(**(dict(model) | {"d_model": width})),
            lambda other: counted(other, V, config.embeddings_count), config.parameters, config.tolerance, name,
        )  # fmt: skip
        recipe = changed_recipe(recipe, model=matched.config)
    return contender(name, recipe, ready, recipe.optim.optimiser.learning_rate, config, config.parameters)


def contender(name: str, recipe: Recipe, ready: Prepared, rate: float, config: CompareConfig, target: int) -> Contender:
    """The contender with what it counts."""
    if recipe.model.kind == "ngram":
        return Contender(name, recipe, ready, "counted", rate, 0, None)
    n = counted(recipe.model, ready.vocabulary_of(recipe), config.embeddings_count)
    role = "apart" if recipe.model.reads == "both" else "scored"
    return Contender(name, recipe, ready, role, rate, n, n / target - 1 if target else None)


def usual_rate(optim: OptimConfig, cls: type) -> float:
    """The centre of a family's search: its own usual rate under Adam; under another rule, the recipe's."""
    if optim.optimiser.kind in ADAMS:
        return getattr(cls, "usual_learning_rate", USUAL_LEARNING_RATE)
    return optim.optimiser.learning_rate


def changed_recipe(recipe: Recipe, **parts) -> Recipe:
    """The recipe with other parts, checked again as a whole."""
    return Recipe(**(dict(recipe) | parts))


def comparable(found: list[Contender]) -> list[Contender]:
    """The contenders with their scales. Raises RecipeError when they are not scored on the same documents."""
    first, split = found[0], scored_split(found)
    names = {one.ready.documents for one in found}
    if len(names) == 1 or len({content_hash(folder, f"{split}.parquet") for folder in names}) == 1:
        return found
    for one in found[1:]:
        if held_ids(one.ready.documents, split) != held_ids(first.ready.documents, split):
            raise RecipeError(
                f"{first.name} and {one.name} hold out different {split} documents",
                why="scores on different text can't be compared: a cleaned text may fall on another side of the split",
                fix="--corpus.split_by=position, or a held-out text of your own: --corpus.validation_text=held.txt",
            )
    most = max(one.ready.split(split).n_bytes for one in found)
    return [replace(one, scale=one.ready.split(split).n_bytes / most) for one in found]


def scored_split(found: list[Contender]) -> str:
    """The split that verdicts are made on: test, which no search has seen; validation where there is no test."""
    for one in found:
        if "validation" not in one.ready.held_out:
            raise RecipeError(
                f"no validation text is held out of {one.name}'s text",
                why="learning rates are chosen on it, and a score on its own training text says nothing of a model",
                fix="--corpus.validation_fraction=0.1",
            )
    return "test" if all("test" in one.ready.held_out for one in found) else "validation"


def held_ids(documents: Path, split: str) -> list[str]:
    """The ids of a split's documents, in order."""
    return [document.id for document in read(documents, split)]


def named(error: IdiolectError, name: str) -> IdiolectError:
    """The error with the contender that met it."""
    return type(error)(f"{name}: {error.what}", why=error.why, fix=error.fix)
