"""Token shards become weights: the model, its optimiser, the loop, in the run's own directory.

The settings that decide the weights are fingerprinted in training.json. When they have changed, what stood is moved
aside to runs/<name>.1, .2, ...; settings that only decide how a run is watched or saved may change in mid-run.
"""

import functools
import os

import numpy as np

from idiolect import distributed, rundir
from idiolect.config import flatten
from idiolect.data.mixed_streams import MixedStreams
from idiolect.data.mixture import Mixture
from idiolect.data.objectives import Objective, build_objective
from idiolect.data.streams import Streams
from idiolect.data.windows import Windows
from idiolect.device import peak_flops
from idiolect.evaluate.pseudo import masked_score
from idiolect.evaluate.score import score
from idiolect.models import family
from idiolect.models.measure import active_parameters, parameters
from idiolect.models.routing import watch_routing
from idiolect.optim.average import build_average
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import advice
from idiolect.optim.schedules import factor
from idiolect.plan.doctor import size
from idiolect.progress import MetricsLog, show_count, show_seconds
from idiolect.stages.counting import count
from idiolect.stages.framed import framing_of, objective_probe
from idiolect.stages.job import RECORD, Job, lineage, record_of, save_recipe
from idiolect.stages.mixing import bytes_per_token, dose_settings, mixes, mixture_of, show_mixture
from idiolect.stages.prepared import Prepared
from idiolect.stages.teaching import FACTS, Teacher, load_teacher, taught_operations, teacher_facts
from idiolect.stages.vectors import fitting_settings, frozen, start
from idiolect.train.carry import Beside, Carry
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.loop import batch_shape, train
from idiolect.train.loss import build_loss
from idiolect.train.state import Outcome, Probe, Training

# Settings that change how a run is watched, saved or split over memory, not what is learned.
WATCHING = {
    "train.micro_batch_tokens", "train.log_every_steps", "train.eval_every_steps", "train.save_every_steps",
    "train.keep", "train.tensorboard", "data.prefetch_batches",
}  # fmt: skip
BREAKING = ("model", "optim", "data", "corpus", "seed", "ids", "vectors", "embeddings", "train.loss", *FACTS)
DECIDING = ("seed", "model.", "embeddings.", "optim.", "data.", "train.", "device.dtype")


def deciding_settings(flat: dict) -> dict:
    """The settings on which the weights depend; of a family that counts, none but its own."""
    if flat["model.kind"] == "ngram":
        return {key: value for key, value in flat.items() if key.startswith("model.")}
    found = {key: value for key, value in flat.items() if key.startswith(DECIDING) and key not in WATCHING}
    found |= dose_settings(flat)
    return {key: value for key, value in found.items() if not key.startswith("embeddings.")} | fitting_settings(flat)


def trained(job: Job, ready: Prepared) -> bool:
    """Train, or go on training, to the end. False when the finished model stands already."""
    decides = deciding_settings(flatten(job.recipe)) | ready.hashes | teacher_facts(job)
    record = job.run.path / RECORD
    if distributed.is_main():
        set_aside_if_changed(job, decides)
    distributed.barrier()
    if record_of(job).get("finished"):
        job.progress.say("training: nothing to do, the model stands")
        return False
    job.progress.heading("Training")
    for warning in advice(job.recipe.optim):
        job.progress.warn(warning)
    if distributed.is_main():
        save_recipe(job)
        rundir.write_json(record, {"decides": decides, "finished": False, "stages": ready.stages})
    counts = getattr(family(job.recipe.model.kind).load(), "learns", "") == "counts"
    if counts and mixes(job.recipe):
        job.progress.warn(f"a model of kind {job.recipe.model.kind} counts every token once: no source weighs more")
    outcome = count(job, ready, validation_probes(job, ready)) if counts else run_loop(job, ready)
    if distributed.is_main():
        record_end(job, ready, decides, outcome)
    return True


def set_aside_if_changed(job: Job, decides: dict) -> None:
    """Move a run whose weights were decided by other settings to a folder of its own."""
    record = job.run.path / RECORD
    if not record.exists():
        return
    before = rundir.read_json(record)["decides"]
    changed = sorted(key for key in {*before, *decides} if before.get(key) != decides.get(key))
    if not changed:
        return
    number = 1
    while job.run.path.with_name(f"{job.run.name}.{number}").exists():
        number += 1
    aside = job.run.path.with_name(f"{job.run.name}.{number}")
    aside.mkdir()
    # The record goes last: a move that is cut short is found and finished the next time.
    for path in sorted(job.run.path.iterdir(), key=lambda p: p.name == RECORD):
        if not path.name.startswith("lock"):
            os.rename(path, aside / path.name)
    shown = ", ".join("the text" if key == "ids" else key for key in changed[:4])
    job.progress.say(f"{shown} changed: the earlier run was moved to {aside.name}, training begins anew")


def run_loop(job: Job, ready: Prepared) -> Outcome:
    """Build everything the loop needs from the recipe, and run it."""
    recipe, device = job.recipe, job.device
    split = ready.split("train")
    length = recipe.model.context_length
    source = source_of(job, ready)
    samples, micro = batch_shape(recipe.train, length, distributed.world_size())
    teacher = load_teacher(job, ready)
    model = start(job, ready).to(device.torch)
    describe(job, model, split.n_tokens, samples * source.objective.stride)
    if mixes(recipe):
        show_mixture(recipe, source, job.progress)
    seed_dropout(recipe.seed)
    optimiser = build_optimiser(recipe.optim, model)
    loss_of, carry = loss_and_carry(job, model, teacher, samples)
    # Of masked tokens, or of spans with their sentinels, there are no bits per byte: the rest of the text is given.
    per_token = bytes_per_token(source) if mixes(recipe) else split.n_bytes / split.n_tokens
    bits = 1 / per_token / np.log(2) if recipe.objective.prices_text else None
    training = Training(
        model=compiled(job, model), optimiser=optimiser, schedule=functools.partial(factor, recipe.optim.schedule),
        source=source, loss_of=loss_of, config=recipe.train, batch_samples=samples, micro_samples=micro,
        checkpoints=CheckpointStore(job.run.checkpoints, recipe.train.keep),
        metrics=MetricsLog(job.run.metrics, recipe.train.tensorboard), progress=job.progress, device=device,
        probes=validation_probes(job, ready), average=build_average(recipe.optim, model), bits_per_byte_per_nat=bits,
        flops_per_token=taught_operations(job, ready, source.objective)["training"],
        peak_flops=peak_flops(device),
        settings=deciding_settings(flatten(recipe)) | ready.hashes | teacher_facts(job),
        breaking_keys=BREAKING,
        prefetch=recipe.data.prefetch_batches, frozen=frozen(job, model), carry=carry,
    )  # fmt: skip
    return train(training)


def loss_and_carry(job: Job, model, teacher: Teacher | None, samples: int):
    """What the loop minimises, and the states that the model, and maybe its teacher, take from window to window."""
    heard = Carry(teacher.model, samples) if teacher and teacher.reads_on else None
    loss_of = build_loss(job.recipe.train.loss, teacher and teacher.model, heard and heard.carrying)
    if not job.recipe.carries_state:
        return loss_of, None
    carry = Carry(model, samples)
    return carry.carrying(loss_of), Beside(carry, heard) if heard else carry


def source_of(job: Job, ready: Prepared) -> Windows | Streams | Mixture | MixedStreams:
    """The training split as samples of the recipe's objective."""
    recipe, split = job.recipe, ready.split("train")
    seed = recipe.seed + recipe.data.seed
    objective = objective_of(job, ready, seed)
    if mixes(recipe):
        return mixture_of(recipe, split, objective, seed)
    if recipe.carries_state:
        rows, _ = batch_shape(recipe.train, recipe.model.context_length)
        return Streams(split, objective, rows, seed, recipe.data.shuffle, recipe.train.carry_windows)
    return Windows(split, objective, seed, recipe.data.shuffle)


def objective_of(job: Job, ready: Prepared, seed: int) -> Objective:
    """What the model learns to predict."""
    recipe, tokenizer = job.recipe, ready.tokenizer
    return build_objective(
        recipe.objective, context_length=recipe.model.context_length, vocabulary_size=tokenizer.vocabulary_size,
        end_id=tokenizer.end_id, boundaries=recipe.data.boundaries, seed=seed, tokenizer=tokenizer,
        reads=recipe.model.reads,
    )  # fmt: skip


def seed_dropout(seed: int) -> None:
    """Dropout draws from torch's global generator; each rank has its own stream."""
    import torch

    torch.manual_seed(seed * 1_000_003 + distributed.rank())


def compiled(job: Job, model):
    """The model compiled when the recipe asks for it."""
    if not job.device.compile:
        return model
    import torch

    return torch.compile(model)


def describe(job: Job, model, epoch_tokens: int, step_tokens: int) -> None:
    """Say what is about to be trained, with its arithmetic."""
    config = job.recipe.train
    n = sum(p.numel() for p in model.parameters())
    active = active_parameters(job.recipe.model, model.vocabulary_size)
    of_them = f" ({show_count(active)} active for a token)" if active < n else ""
    seen = config.steps * step_tokens
    job.progress.say(
        f"{job.recipe.model.kind}: {show_count(n)} parameters{of_them}; "
        f"{config.steps:,} steps x {step_tokens:,} tokens = {show_count(seen)} tokens, "
        f"{seen / epoch_tokens:.2g} epochs of {show_count(epoch_tokens)}"
    )
    # News, no warning: a comparison's trials, whose size was asked for, don't repeat it.
    for finding in size(job.recipe.model, model.vocabulary_size, epoch_tokens):
        job.progress.say(finding.line())


def validation_probes(job: Job, ready: Prepared) -> list[Probe]:
    """The validation score during training; none when no text is held out."""
    if "validation" not in ready.held_out:
        job.progress.warn("no validation text is held out: the best checkpoint will be the last one")
        return []
    held, recipe = ready.split("validation"), job.recipe
    if recipe.model.reads == "both":
        return [masked_probe(job, ready, held)]
    if recipe.model.reads == "source" and not recipe.objective.prices_text:
        return [objective_probe(job, held, objective_of(job, ready, seed=0))]

    def validation(model, step: int) -> dict[str, float]:
        # One rank's score is every rank's: they hold the same weights, and must agree on when to stop.
        with watch_routing(model) as routing:
            found = score(
                model, held, recipe.model.context_length,
                bytes_per_token=ready.tokenizer.bytes_per_token, batch_tokens=recipe.evaluate.batch_tokens,
                limit_tokens=recipe.evaluate.validation_tokens, boundaries=recipe.data.boundaries, device=job.device,
                carry_state=recipe.carries_state, framing=framing_of(recipe, ready),
            )  # fmt: skip
        nats, bits = found["nats"]["value"], found["bits_per_byte"]["value"]
        job.progress.say(f"step {step:,}: validation {bits:.4f} bits per byte ({nats:.4f} nats a token)")
        return {"validation_nats": nats, "validation_bits_per_byte": bits} | routing.figures()

    return [Probe("validation", recipe.train.eval_every_steps, validation)]


def masked_probe(job: Job, ready: Prepared, held) -> Probe:
    """The training objective on held-out text, with the same masks at every call and in every run."""
    recipe = job.recipe
    objective = objective_of(job, ready, seed=0)

    def validation(model, step: int) -> dict[str, float]:
        found = masked_score(
            model, held, objective, batch_tokens=recipe.evaluate.batch_tokens,
            limit_tokens=recipe.evaluate.validation_tokens, device=job.device,
        )  # fmt: skip
        nats, right = found["nats"]["value"], found["token_accuracy"]["value"]
        job.progress.say(
            f"step {step:,}: validation {nats:.4f} nats a masked token ({100 * right:.1f} % of them right)"
        )
        return {"validation_nats": nats, "validation_accuracy": right}

    return Probe("validation", recipe.train.eval_every_steps, validation)


def record_end(job: Job, ready: Prepared, decides: dict, outcome: Outcome) -> None:
    """Leave what a reader of the run needs: how it ended, what it is made of, where it came from."""
    recipe, V = job.recipe, ready.vocabulary_of(job.recipe)
    rundir.write_json(
        job.run.lineage,
        lineage(
            job,
            stages=ready.stages,
            tokenizer_hash=ready.tokenizer.hash,
            ids=ready.hash,
            weights=rundir.sha256_file(outcome.last_checkpoint / "weights.safetensors"),
            **{name: decides[name] for name in (*FACTS, "vectors") if name in decides},
        ),
    )
    summary = {
        "decides": decides,
        "finished": True,
        "stages": ready.stages,
        "outcome": {"step": outcome.step, "reason": outcome.reason, "best_step": outcome.best_step,
                    "best_value": outcome.best_value, "tokens": outcome.n_tokens, "seconds": outcome.seconds},
        "parameters": parameters(recipe.model, V),
        "active_parameters": active_parameters(recipe.model, V),
        "flops_per_token": taught_operations(job, ready, objective_of(job, ready, recipe.seed)),
        "vocabulary_size": V,
    }  # fmt: skip
    if outcome.reason != "counts":
        samples, _ = batch_shape(recipe.train, recipe.model.context_length)
        summary["ledger"] = source_of(job, ready).ledger(outcome.step * samples).to_json()
    rundir.write_json(job.run.path / RECORD, summary)
    why = {
        "steps": "all steps done",
        "time": "the time budget is used up",
        "patience": "validation stopped improving",
        "counts": "counted once",
    }
    job.progress.say(f"trained: {outcome.step:,} steps in {show_seconds(outcome.seconds)} ({why[outcome.reason]})")
