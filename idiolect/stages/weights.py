"""A run's checkpoints become a model to be used: which one a user means, and its weights in a model."""

from idiolect import rundir
from idiolect.errors import CheckpointError, RecipeError
from idiolect.models.build import build_model
from idiolect.stages.job import Job
from idiolect.train.checkpoint import Checkpoint, CheckpointStore


def pick_checkpoint(job: Job, which: str) -> Checkpoint:
    """The checkpoint a user means by best, last, or a step. Raises CheckpointError or RecipeError."""
    store = CheckpointStore(job.run.checkpoints, job.recipe.train.keep)
    if which.isdigit():
        if int(which) not in store.steps():
            raise CheckpointError(
                f"there is no checkpoint of step {int(which):,} in the run {job.run.name}",
                why="it has kept " + _steps(store),
                fix="--checkpoint=best, --checkpoint=last, or a step that it has kept",
            )
        return store.load(int(which))
    if which not in ("best", "last"):
        raise RecipeError(
            f"--checkpoint={which} is not best, last or a step",
            why=f"the run {job.run.name} has kept {_steps(store)}",
            fix="--checkpoint=best",
        )
    if which == "best" and store.best:
        try:
            return store.load(store.best["step"])
        except CheckpointError as error:
            job.progress.warn(f"{error.what}: {error.why}; the last one is used instead of the best")
    found = store.latest_valid(job.progress.warn)
    if found is None:
        raise CheckpointError(
            f"the run {job.run.name} has no checkpoint yet", why="it has not trained to its first save",
            fix=f"idiolect train {job.run.path}",
        )  # fmt: skip
    return found


def _steps(store: CheckpointStore) -> str:
    kept = [f"{step:,}" for step in store.steps()]
    return f"step{'s' if len(kept) > 1 else ''} {', '.join(kept)}" if kept else "no checkpoint yet"


def load_model(job: Job, vocabulary_size: int, checkpoint: Checkpoint):
    """The run's model with a checkpoint's weights (the averaged ones if it holds any), ready to be used."""
    model = build_model(job.recipe.model, vocabulary_size, job.recipe.seed).to(job.device.torch)
    load_weights(model, job, checkpoint)
    return model.eval()


def load_weights(model, job: Job, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into a model: the averaged ones if it holds any, for those are what was scored."""
    part = "average" if "average" in checkpoint.parts() else "weights"
    tensors = checkpoint.tensors(part, str(job.device.torch))
    model.load_state_dict({name: tensors[name] for name in model.state_dict()})


def weights_hash(checkpoint: Checkpoint) -> str:
    """What later stages know a model by."""
    return rundir.content_hash(checkpoint.path, "*.safetensors")
