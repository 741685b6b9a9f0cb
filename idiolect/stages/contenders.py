"""One recipe that is compared, with all that the comparison needs to know of it. `asked.py` makes them."""

import re
from dataclasses import dataclass, replace

from idiolect.config_load import Loaded
from idiolect.errors import IdiolectError
from idiolect.optim.config import OptimConfig
from idiolect.recipe import Recipe
from idiolect.rundir import fingerprint
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared, prepared
from idiolect.stages.teaching import meet_teacher
from idiolect.stages.trials import Hushed
from idiolect.tune.config import CompareConfig
from idiolect.tune.match import counted, match

# AdamW's, for a family whose config names none; the commonest default of the literature.
USUAL_LEARNING_RATE = 1e-3
ADAMS = ("adam", "adamw")


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


def own(job: Job, config: CompareConfig, name: str, loaded: Loaded[Recipe]) -> Contender:
    """A whole recipe as a contender; with a target, its model is made wider or narrower until it matches."""
    one = replace(job, loaded=loaded, progress=Hushed(quiet=job.progress.quiet))
    recipe = loaded.config
    meet_teacher(one)
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


def named(error: IdiolectError, name: str) -> IdiolectError:
    """The error with the contender that met it."""
    return type(error)(f"{name}: {error.what}", why=error.why, fix=error.fix)
