"""A family that counts instead of learning by gradient: one look at the text, one checkpoint, the usual records."""

import time

from idiolect.evaluate.floors import spread_ids
from idiolect.models.build import build_model
from idiolect.progress import MetricsLog, show_count, show_seconds
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.config import LossConfig
from idiolect.train.state import Outcome, Probe

STEP = 1  # the only one


def count(job: Job, ready: Prepared, probes: list[Probe]) -> Outcome:
    """Count the training split; leave a checkpoint, the validation score and a line of metrics."""
    recipe, split = job.recipe, ready.split("train")
    if recipe.train.loss != LossConfig():
        job.progress.warn(f"a model of kind {recipe.model.kind} counts and has no loss: [train.loss] changes nothing")
    began = time.perf_counter()
    ids = spread_ids(split, recipe.model.train_tokens or split.n_tokens)
    model = build_model(recipe.model, ready.vocabulary_of(recipe), recipe.seed)
    model.fit(ids)
    seconds = time.perf_counter() - began
    job.progress.say(
        f"{recipe.model.kind}: {show_count(model.n_entries)} n-grams up to order {recipe.model.order} counted in "
        f"{show_count(len(ids))} tokens in {show_seconds(seconds)}"
    )
    store = CheckpointStore(job.run.checkpoints, recipe.train.keep)
    tensors = {"weights": model.state_dict()}
    store.prepare(tensors)
    if STEP not in store.steps():
        store.save(STEP, tensors, {"step": STEP, "ngrams": model.n_entries})
    found = {name: value for probe in probes for name, value in probe.function(model, STEP).items()}
    line = {
        "step": STEP, "tokens": len(ids), "seconds": seconds,
        "tokens_per_second": len(ids) / seconds, "ngrams": model.n_entries,
    } | found  # fmt: skip
    MetricsLog(job.run.metrics, recipe.train.tensorboard).write(line)
    return Outcome(STEP, "counts", STEP, found.get("validation_nats"), len(ids), seconds, store.path(STEP))
