"""Families as contenders, each sized to the same number of parameters and searched around its own usual rate."""

import difflib

from idiolect.data.config import SUITS, AutoObjective, PrefixObjective
from idiolect.errors import RecipeError
from idiolect.models import FAMILIES
from idiolect.stages.contenders import Contender, changed_recipe, contender, usual_rate
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared
from idiolect.tune.config import CompareConfig
from idiolect.tune.match import Match, counted, match


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
