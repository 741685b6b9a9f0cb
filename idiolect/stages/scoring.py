"""One way to score a run's model on a split, for verdicts and for comparisons: what the recipe says, and no more."""

from collections.abc import Callable

import numpy as np

from idiolect.evaluate.figures import TokenScores
from idiolect.evaluate.score import score
from idiolect.stages.framed import framing_of
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared


def split_score(
    job: Job,
    ready: Prepared,
    model,
    split: str,
    *,
    against: dict[str, np.ndarray] | None = None,
    each: Callable[[TokenScores], None] | None = None,
) -> dict:
    """The model's scores on a split, beside the floors in `against`; `each` is given every token's price."""
    recipe = job.recipe
    return score(
        model, ready.split(split), recipe.model.context_length,
        bytes_per_token=ready.tokenizer.bytes_per_token, stride=recipe.evaluate.stride,
        batch_tokens=recipe.evaluate.batch_tokens, limit_tokens=recipe.evaluate.limit_of(recipe.model.reads),
        boundaries=recipe.data.boundaries, device=job.device.for_scores(), progress=job.progress, against=against,
        masks_per_pass=recipe.evaluate.masks_per_pass, carry_state=recipe.carries_state,
        framing=framing_of(recipe, ready), each=each,
    )  # fmt: skip
