"""A trained model is fitted to a task: the same loop, a head, a named parent, and baselines beside the scores."""

import functools
from dataclasses import replace

from idiolect import rundir
from idiolect.config import flatten
from idiolect.device import peak_flops
from idiolect.errors import RecipeError
from idiolect.evaluate.classification import evaluate_classifier, validation_numbers
from idiolect.models import family
from idiolect.models.build import build_model
from idiolect.models.measure import flops_per_token
from idiolect.optim.average import build_average
from idiolect.optim.build import build_optimiser
from idiolect.optim.schedules import factor
from idiolect.progress import MetricsLog
from idiolect.rundir import RunDir
from idiolect.stages.job import RECORD, Job, check_name, lineage, record_of, recorded, save_recipe
from idiolect.stages.prepared import Prepared, learned_from
from idiolect.stages.training import seed_dropout, set_aside_if_changed
from idiolect.stages.weights import load_model, load_weights, pick_checkpoint, weights_hash
from idiolect.tasks.classification import LabelledSource, build_classifier, classification_loss, encode
from idiolect.tasks.convolution_head import count_flops
from idiolect.tasks.labelled import Examples, Splits, read_splits
from idiolect.train.checkpoint import CheckpointStore
from idiolect.train.loop import train
from idiolect.train.state import Outcome, Probe, Training

SCORES = "finetune.json"
TASKS = ("classification",)


def finetuned(parent: Job, task: str, which: str, name: str | None) -> dict:
    """Fine-tune in a run of its own beside the parent's, score it, and leave the scores in both."""
    if task not in TASKS:
        raise RecipeError(
            f"--task={task} is no task", why=f"the tasks are {', '.join(TASKS)}", fix=f"--task={TASKS[0]}"
        )
    if getattr(family(parent.recipe.model.kind).load(), "learns", "") == "counts":
        raise RecipeError(
            f"the run {parent.run.name} can't be fitted to a task",
            why=f'model.kind = "{parent.recipe.model.kind}" counts tokens and has nothing to move',
            fix="fine-tune a run of --model.kind=gpt, lstm or bert",
        )
    ready = learned_from(parent)
    checkpoint = pick_checkpoint(parent, which)
    splits = examples_of(parent, ready)
    own_name = name or f"{parent.run.name}-{task}"
    check_name(own_name)
    job = replace(parent, run=RunDir(parent.runs / own_name))
    deciding = ("finetune.", "model.", "seed")
    decides = {
        **{key: value for key, value in flatten(parent.recipe).items() if key.startswith(deciding)},
        "parent": weights_hash(checkpoint),
        "examples": fingerprint_of(splits),
    }  # fmt: skip
    if "parent" not in record_of(job).get("decides", decides):
        raise RecipeError(
            f"the run {own_name} is a language model", why="what is fitted to a task gets a run of its own",
            fix=f"--name {own_name}-{task}",
        )  # fmt: skip
    with recorded(job):
        set_aside_if_changed(job, decides)
        record = job.run.path / RECORD
        if record_of(job).get("finished") and (job.run.path / SCORES).exists():
            job.progress.say("fine-tuning: nothing to do, the scores stand")
            found = rundir.read_json(job.run.path / SCORES)
        else:
            save_recipe(job)
            rundir.write_json(record, {"decides": decides, "finished": False})
            found = fit_and_score(parent, job, ready, checkpoint, splits)
            rundir.write_json(job.run.path / SCORES, found)
            rundir.write_json(job.run.lineage, lineage(job, parent=parent.run.name, parent_weights=decides["parent"]))
            rundir.write_json(record, {"decides": decides, "finished": True})
    rundir.write_json(parent.run.path / SCORES, found)
    show_finetuned(job, found)
    return found


def examples_of(job: Job, ready: Prepared) -> Splits:
    """The labelled examples as the model was taught to read: transformed, where its own text was."""
    splits = read_splits(job.recipe.finetune.task, ready.documents)
    corpus = job.recipe.corpus
    if not job.recipe.finetune.task.train or not corpus.clean.transforms:
        return splits
    from idiolect.corpus.clean.transforms import transform

    def easier(examples: Examples) -> Examples:
        return replace(examples, texts=tuple(transform(text, corpus.language, corpus.clean) for text in examples.texts))

    return replace(
        splits, train=easier(splits.train), validation=easier(splits.validation), test=easier(splits.test)
    )  # fmt: skip


def fingerprint_of(splits: Splits) -> str:
    """What the examples are: texts and labels of each split."""
    parts = (splits.train, splits.validation, splits.test)
    return rundir.fingerprint(list(splits.names), [[list(part.texts), part.labels_N.tolist()] for part in parts])


def fit_and_score(parent: Job, job: Job, ready: Prepared, checkpoint, splits: Splits) -> dict:
    """Train the classifier, take its best weights, and score them on the test examples."""
    config, tokenizer = job.recipe.finetune, ready.tokenizer
    classifier = classifier_of(parent, ready, checkpoint, splits)
    outcome = run_loop(job, ready, classifier, splits)
    store = CheckpointStore(job.run.checkpoints, config.train.keep)
    best = store.load(outcome.best_step or outcome.step)
    load_weights(classifier, job, best)
    job.progress.heading("Scores beside the baselines")
    found = evaluate_classifier(classifier, tokenizer, splits, max_tokens=config.task.max_tokens, device=job.device)
    return found | {
        "task": config.task.kind, "parent": parent.run.name if config.task.start == "parent" else None,
        "parent_step": checkpoint.step, "step": best.step, "seconds": outcome.seconds,
    }  # fmt: skip


def classifier_of(parent: Job, ready: Prepared, checkpoint, splits: Splits):
    """The parent's model, or one with random weights, under a fresh head."""
    task, V = parent.recipe.finetune.task, ready.vocabulary_of(parent.recipe)
    if task.start == "parent":
        model = load_model(parent, V, checkpoint)
    else:
        model = build_model(parent.recipe.model, V, parent.recipe.seed).to(parent.device.torch)
    return build_classifier(task, model, len(splits.names)).to(parent.device.torch)


def run_loop(job: Job, ready: Prepared, classifier, splits: Splits) -> Outcome:
    """The ordinary training loop on labelled examples."""
    config, tokenizer, device = job.recipe.finetune, ready.tokenizer, job.device
    longest = config.task.max_tokens or classifier.context_length
    learned = encode(tokenizer, splits.train.texts, longest)
    held = encode(tokenizer, splits.validation.texts, longest)
    mean_tokens = sum(map(len, learned.ids)) / len(learned.ids)
    rows = max(1, round(config.train.batch_tokens / mean_tokens))
    job.progress.heading(f"Fine-tuning ({', '.join(splits.names[:6])})")
    job.progress.say(
        f"{len(splits.train):,} examples of {mean_tokens:.0f} tokens on average, {learned.n_truncated:,} cut at "
        f"{longest}; "
        f"{config.train.steps:,} steps x {rows} examples = {config.train.steps * rows / len(splits.train):.2g} epochs"
    )

    def validation(model, step: int) -> dict[str, float]:
        found = validation_numbers(model, held, splits.validation.labels_N, tokenizer.pad_id, device=device)
        job.progress.say(f"step {step:,}: " + ", ".join(f"{name[11:]} {value:.4f}" for name, value in found.items()))
        return found

    seed_dropout(job.recipe.seed)
    source = LabelledSource(
        learned, splits.train.labels_N, tokenizer.pad_id, seed=config.task.seed, group_samples=rows
    )  # fmt: skip
    micro = max(1, round(config.train.micro_batch_tokens / mean_tokens)) if config.train.micro_batch_tokens else 0
    training = Training(
        model=classifier, optimiser=build_optimiser(config.optim, classifier),
        schedule=functools.partial(factor, config.optim.schedule),
        source=source,
        loss_of=functools.partial(classification_loss, label_smoothing=config.train.loss.label_smoothing),
        config=config.train, batch_samples=rows,
        micro_samples=micro,
        checkpoints=CheckpointStore(job.run.checkpoints, config.train.keep), metrics=MetricsLog(job.run.metrics),
        progress=job.progress, device=device, probes=[Probe("validation", config.train.eval_every_steps, validation)],
        flops_per_token=training_flops(job, ready, classifier, longest),
        peak_flops=peak_flops(device), best_by="validation_macro_f1", best_is_high=True,
        average=build_average(config.optim, classifier),
    )  # fmt: skip
    return train(training)


def training_flops(job: Job, ready: Prepared, classifier, longest: int) -> int:
    """Operations a token of a training step: the language model's, or the convolution's where it alone is run."""
    task = job.recipe.finetune.task
    if task.head == "convolution":
        return 3 * count_flops(task, classifier.head.d_model)
    return flops_per_token(job.recipe.model, ready.vocabulary_of(job.recipe), longest)["training"]


def show_finetuned(job: Job, found: dict) -> None:
    """Accuracy and macro-F1 beside the baselines', and what the difference means."""
    answers = {**found["baselines"], f"{job.run.name} (step {found['step']:,})": found["scores"]}
    rows = []
    for name, scores in answers.items():
        cells = [
            f"{s['value']:.3f} ({s['low']:.3f} to {s['high']:.3f})" for s in (scores["accuracy"], scores["macro_f1"])
        ]
        rows.append([name.replace("_", "-"), *cells])
    n = found["scores"]["accuracy"]["n"]
    job.progress.table(["", "accuracy (95 %)", "macro-F1 (95 %)"], rows, title=f"{n:,} test examples", result=True)
    for verdicts in found["verdicts"].values():
        job.progress.show(verdicts["accuracy"])
