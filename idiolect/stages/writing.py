"""A trained model in use: it writes, it is talked with, it is handed over."""

import sys
from pathlib import Path

from idiolect.generate.decode import generate
from idiolect.rundir import read_json
from idiolect.stages.job import RECORD, Job
from idiolect.stages.prepared import Prepared, prepared
from idiolect.stages.training import load_model, pick_checkpoint


def speaker(job: Job, which: str):
    """The run's model and tokenizer, ready to write."""
    ready = prepared(job)
    return load_model(job, ready.tokenizer.vocabulary_size, pick_checkpoint(job, which)), ready.tokenizer


def written(job: Job, prompts: list[str], which: str, json: bool) -> dict:
    """Continue each prompt; one text at a time streams to standard output as it is written."""
    model, tokenizer = speaker(job, which)
    prompts = prompts or list(job.recipe.prompts) or [""]
    config = job.recipe.generate
    streams = len(prompts) * config.samples == 1 and not json
    if streams:
        sys.stdout.write(prompts[0])

    def on_text(_number: int, piece: str) -> None:
        sys.stdout.write(piece)
        sys.stdout.flush()

    texts = generate(model, tokenizer, prompts, config, on_text if streams else None)
    if streams:
        sys.stdout.write("\n")
    elif not json:
        sys.stdout.write("\n\n---\n\n".join(prompts[text.prompt] + text.text for text in texts) + "\n")
    speed = sum(len(text.token_ids) for text in texts) / max(1e-9, max(text.seconds for text in texts))
    job.progress.say(f"{speed:,.0f} tokens/s")
    return {
        "texts": [
            {
                "prompt": prompts[t.prompt],
                "text": t.text,
                "finish": t.finish,
                "nats": t.mean_nats,
                "tokens": len(t.token_ids),
            }
            for t in texts
        ]
    }


def exported(job: Job, which: str, out: Path | None) -> dict:
    """The Hugging Face folder, compared with stock transformers before it counts as done."""
    from idiolect.export.huggingface import export

    ready: Prepared = prepared(job)
    checkpoint = pick_checkpoint(job, which)
    model = load_model(job, ready.tokenizer.vocabulary_size, checkpoint)
    out = out or job.run.path / "huggingface"
    found = export(model, job.recipe.model, ready.tokenizer, out, card=card_of(job, ready))
    job.progress.show(f"{out}: loaded by stock transformers; largest logit difference {found['max_difference']:.1e}")
    return found | {"folder": str(out)}


def card_of(job: Job, ready: Prepared) -> dict:
    """What the model card says of where the model comes from."""
    run = job.run
    return {
        "name": run.name,
        "lineage": read_json(run.lineage) if run.lineage.exists() else {},
        "sources": ready.audit.get("sources", []),
        "training": read_json(run.path / RECORD),
        "evaluation": read_json(run.evaluation).get("splits", {}) if run.evaluation.exists() else {},
    }
