"""What a comparison was asked to compare, prepared and sized: families, recipes, variations, ablations."""

from collections.abc import Sequence
from dataclasses import dataclass

from idiolect.errors import RecipeError
from idiolect.stages.contenders import Contender, own
from idiolect.stages.job import Job
from idiolect.stages.prepared import prepared
from idiolect.stages.same_text import comparable, on_common_text
from idiolect.stages.sized import families_of, family_of
from idiolect.stages.variations import ablations_of, recipes_of, variations_of
from idiolect.tune.config import CompareConfig


@dataclass(frozen=True)
class Asked:
    """Further recipes, or a grid of variations, or settings whose effect is measured; flags go over every recipe."""

    others: Sequence[str] = ()
    variations: Sequence[str] = ()
    ablations: Sequence[str] = ()
    flags: Sequence[str] = ()


def contenders(job: Job, config: CompareConfig, asked: Asked) -> list[Contender]:
    """Everything that is compared. Raises RecipeError naming what can't be."""
    given = [bool(config.families), bool(asked.others), bool(asked.variations), bool(asked.ablations)]
    if sum(given) != 1:
        raise RecipeError(
            "there is nothing to compare" if not any(given) else "families, recipes and variations don't mix",
            why="compare takes families, further recipes, variations of one recipe, or settings to ablate",
            fix="--families gpt,lstm   or   idiolect compare a.toml b.toml   or   --vary model.n_layers=2,4   or   "
            "--ablate corpus.clean.lowercase",
        )
    if config.families:
        kinds, ready = families_of(config), prepared(job)
        return comparable([family_of(job, config, kind, ready) for kind in kinds])
    if asked.others:
        found = recipes_of(job, asked.others, asked.flags)
    elif asked.variations:
        found = variations_of(job, asked.variations)
    else:
        found = ablations_of(job, asked.ablations)
    ready = [own(job, config, name, loaded) for name, loaded in found]
    return comparable(on_common_text(job, ready) if asked.ablations else ready)
