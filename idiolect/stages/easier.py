"""What to know of a text that was made easier before it was learned from (DESIGN.md, section 6)."""

from idiolect.recipe import Recipe
from idiolect.stages.job import Job

_told: set[tuple[str, ...]] = set()


def transforms_of(recipe: Recipe) -> str:
    """What was done to the recipe's text, in words; empty when nothing was."""
    from idiolect.corpus.clean.transforms import described

    return described(recipe.corpus.clean)


def note_of(recipe: Recipe) -> str:
    """What stands beside scores on transformed text; empty when nothing was done to it."""
    done = transforms_of(recipe)
    return done and (
        f"text was transformed: {done}; bits per byte are per byte of the original text; perplexity isn't comparable"
    )


def warn_of_transforms(job: Job) -> None:
    """Tell, once, who trains a model that writes on text that was made easier what that model can't do."""
    transforms = job.recipe.corpus.clean.transforms
    writes = job.recipe.model.kind != "ngram" and job.recipe.model.reads != "both"
    if not transforms or not writes or transforms in _told:
        return
    _told.add(transforms)
    job.progress.warn(
        f"the text will be {transforms_of(job.recipe)}: the model can never write what was removed, and its "
        "perplexity falls only because the text got easier. Scores are bits per byte of the original text. These "
        "steps help classifiers and n-gram models sometimes: idiolect compare --ablate "
        f"corpus.clean.{transforms[0]} measures it"
    )
