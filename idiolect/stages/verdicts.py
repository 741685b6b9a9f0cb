"""What a trained model is worth: scores beside the floors, samples, the report. Each is skipped when it stands."""

from pathlib import Path

from idiolect import rundir
from idiolect.config import flatten
from idiolect.evaluate.sources import objective_score
from idiolect.generate.decode import generate
from idiolect.generate.fill import fill, has_gaps
from idiolect.plan.config import PlanConfig
from idiolect.progress import read_metrics
from idiolect.report import page
from idiolect.stages import auditing
from idiolect.stages.easier import note_of
from idiolect.stages.framed import framing_of
from idiolect.stages.job import PACKAGE, RECORD, Job
from idiolect.stages.looking import looked_at
from idiolect.stages.mixing import mixture_rows
from idiolect.stages.prepared import FloorsOf, Prepared
from idiolect.stages.scoring import split_score
from idiolect.stages.training import objective_of
from idiolect.stages.weights import load_model, pick_checkpoint, weights_hash

SAMPLES_JSON = "samples.json"


def evaluated(job: Job, ready: Prepared, floors: FloorsOf, which: str = "best") -> dict:
    """Scores on the held-out splits, beside the floors; kept in evaluation.json."""
    checkpoint = pick_checkpoint(job, which)
    recipe = job.recipe
    key = rundir.fingerprint(
        weights_hash(checkpoint), ready.hash, floors.folder.name, flatten(recipe.evaluate), recipe.data.boundaries,
        rundir.code_version(PACKAGE / "evaluate"),
    )  # fmt: skip
    if job.run.evaluation.exists() and (found := rundir.read_json(job.run.evaluation)).get("fingerprint") == key:
        job.progress.say("evaluation: nothing to do, the scores stand")
        return found
    job.progress.heading(f"Evaluation (step {checkpoint.step:,})")
    model = load_model(job, ready.vocabulary_of(job.recipe), checkpoint)
    splits = {}
    for split in recipe.evaluate.splits:
        if split != "train" and split not in ready.held_out:
            continue
        held_out = split != "train"
        beaten = floors.best_nats(split) if held_out else None
        splits[split] = split_score(job, ready, model, split, against=beaten)
        if recipe.model.reads == "source" and not recipe.objective.prices_text:
            splits[split]["objective"] = objective_score(
                model, ready.split(split), objective_of(job, ready, seed=0), device=job.device.for_scores(),
                batch_tokens=recipe.evaluate.batch_tokens, limit_tokens=recipe.evaluate.limit_tokens,
            )  # fmt: skip
            job.progress.warn(
                f"trained by {recipe.objective.kind}: bits per byte are those of continuing the text, which it was "
                "hardly taught; see the objective's own nats beside them"
            )
        if held_out:
            splits[split]["floors"] = floors.figures(split)
    found = {"fingerprint": key, "step": checkpoint.step, "splits": splits}
    if note := note_of(recipe):
        found["text"] = note
    rundir.write_json(job.run.evaluation, found)
    return found


def sampled(job: Job, ready: Prepared, which: str = "best") -> list[dict]:
    """A few continuations, kept in samples.txt (to read) and samples.json (for the report)."""
    checkpoint = pick_checkpoint(job, which)
    recipe, path = job.recipe, job.run.path / SAMPLES_JSON
    key = rundir.fingerprint(
        weights_hash(checkpoint), flatten(recipe.generate), list(recipe.prompts),
        rundir.code_version(PACKAGE / "generate"),
    )  # fmt: skip
    if path.exists() and (found := rundir.read_json(path))["fingerprint"] == key:
        job.progress.say("samples: nothing to do, they stand")
        return found["samples"]
    job.progress.heading("Samples")
    model = load_model(job, ready.vocabulary_of(job.recipe), checkpoint)
    prompts = list(recipe.prompts) or [""] * 3
    # Prompts that are equal must not be continued equally: each is one more sample of the same prompt.
    config = recipe.generate
    if not recipe.prompts:
        config, prompts = config.model_copy(update={"samples": 3}), [""]
    if any(has_gaps(model, prompt) for prompt in prompts):
        samples = [{"prompt": "", "text": text.text} for text in fill(model, ready.tokenizer, prompts, config)]
    else:
        texts = generate(model, ready.tokenizer, prompts, config, framing=framing_of(recipe, ready))
        samples = [{"prompt": prompts[text.prompt], "text": text.text} for text in texts]
    rundir.write_json(path, {"fingerprint": key, "step": checkpoint.step, "samples": samples})
    rundir.write_atomic(job.run.samples, "\n\n---\n\n".join(s["prompt"] + s["text"] for s in samples) + "\n")
    return samples


def reported(job: Job, ready: Prepared, floors: FloorsOf | None, copy: Path | None = None) -> Path:
    """The run's HTML page, made of whatever the run holds so far; and a copy of it, where one is wanted."""
    _write_report(job, ready, floors)
    if copy is not None:
        rundir.write_atomic(copy, job.run.report.read_bytes())
    return copy or job.run.report


def _write_report(job: Job, ready: Prepared, floors: FloorsOf | None) -> None:
    data = report_data(job, ready, floors)
    key = rundir.fingerprint(data, rundir.code_version(PACKAGE / "report"))
    mark = job.run.path / "report.json"
    if job.run.report.exists() and mark.exists() and rundir.read_json(mark)["fingerprint"] == key:
        job.progress.say("report: nothing to do, it stands")
        return
    page.write(data, job.run.report)
    rundir.write_json(mark, {"fingerprint": key})


def report_data(job: Job, ready: Prepared, floors: FloorsOf | None) -> dict:
    """Everything the report shows, as one dict; parts that aren't there yet are left out."""
    run = job.run
    record = _read(run.path / RECORD) or {}
    evaluation = _read(run.evaluation) or {}
    metrics = read_metrics(run.metrics)
    splits = {
        name: {k: v for k, v in scores.items() if k != "floors"}
        for name, scores in evaluation.get("splits", {}).items()
    }
    seconds = record.get("outcome", {}).get("seconds")
    data = {
        "name": run.name,
        "recipe": flatten(job.recipe),
        "reads": job.recipe.model.reads,
        "audit": auditing.for_report(job, ready, mixture_rows(job, ready)),
        "tokenizer": ready.inspection,
        "model": {key: record[key] for key in ("parameters", "active_parameters", "flops_per_token") if key in record},
        "metrics": metrics,
        "floors": {split: floors.figures(split) for split in ready.held_out} if floors else {},
        "evaluation": splits,
        "text_note": evaluation.get("text", ""),
        "samples": (_read(run.path / SAMPLES_JSON) or {}).get("samples", []),
        "finetune": _read(run.path / "finetune.json"),
        "comparison": _read(run.path.with_name(f"{run.name}-compare") / "compare.json"),
        "lineage": _read(run.lineage) or {},
        "cost": cost(seconds, job.recipe.plan, metrics),
        "embeddings": looked_at(job, ready),
    }
    return {key: value for key, value in data.items() if value}


def cost(seconds: float | None, price: PlanConfig, metrics: list[dict]) -> dict:
    """Time, memory and, where a price is known, money."""
    found: dict = {"train_seconds": seconds} if seconds else {}
    memory = max((line["memory_bytes"] for line in metrics if line.get("memory_bytes")), default=None)
    if memory:
        found["peak_memory_bytes"] = memory
    if seconds and price.price_per_hour:
        found |= {
            "money": seconds / 3600 * price.price_per_hour,
            "currency": price.currency,
            "rate_per_hour": price.price_per_hour,
        }
    return found


def _read(path: Path):
    return rundir.read_json(path) if path.exists() else None
