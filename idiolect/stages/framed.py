"""What the stages ask of an objective with a source: how prompts are put, its own score."""

from idiolect.data.objectives import Objective
from idiolect.data.objectives.framing import Framing, build_framing
from idiolect.evaluate.sources import objective_score
from idiolect.recipe import Recipe
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared
from idiolect.train.state import Probe


def framing_of(recipe: Recipe, ready: Prepared) -> Framing | None:
    """How a text is put to the recipe's model; None where it reads no source."""
    if recipe.model.reads != "source":
        return None
    tokenizer = ready.tokenizer
    return build_framing(recipe.objective, recipe.model.context_length, tokenizer.vocabulary_size, tokenizer.end_id)


def objective_probe(job: Job, held, objective: Objective) -> Probe:
    """The training objective's own price on held-out text, drawn the same at every call and in every run.

    It has no bits per byte: sentinels are priced with the text, and only part of the text is.
    """
    recipe = job.recipe

    def validation(model, step: int) -> dict[str, float]:
        found = objective_score(
            model, held, objective, batch_tokens=recipe.evaluate.batch_tokens,
            limit_tokens=recipe.evaluate.validation_tokens, device=job.device,
        )  # fmt: skip
        nats, right = found["nats"]["value"], found["token_accuracy"]["value"]
        job.progress.say(
            f"step {step:,}: validation {nats:.4f} nats a target of {recipe.objective.kind} "
            f"({100 * right:.1f} % of them right)"
        )
        return {"validation_nats": nats, "validation_accuracy": right}

    return Probe("validation", recipe.train.eval_every_steps, validation)
