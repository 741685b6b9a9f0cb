"""A trained model in use: it writes, it is talked with, it is handed over."""

import itertools
import sys
from pathlib import Path

from idiolect.data.objectives.fill_in_the_middle import sentinels
from idiolect.errors import RecipeError
from idiolect.generate.decode import generate
from idiolect.generate.fill import fill, has_gaps
from idiolect.generate.gap import fill_gap
from idiolect.progress import show_seconds
from idiolect.rundir import RunDir, read_json
from idiolect.stages.framed import framing_of
from idiolect.stages.job import RECORD, Job
from idiolect.stages.prepared import Prepared, held_out, learned_from
from idiolect.stages.weights import load_model, pick_checkpoint

# Held-out texts that an export is compared on, besides its own.
EXPORT_TEXTS = 50


def speaker(job: Job, which: str):
    """The run's model, its tokenizer, and how a text is put to it where it reads a source."""
    ready = learned_from(job)
    model = load_model(job, ready.vocabulary_of(job.recipe), pick_checkpoint(job, which))
    return model, ready.tokenizer, framing_of(job.recipe, ready)


def written(job: Job, prompts: list[str], which: str, json: bool, suffix: str | None = None) -> dict:
    """Continue each prompt, or fill the gap between each and a suffix; a single text streams to standard output."""
    if suffix is not None:
        check_fills_gaps(job)
    model, tokenizer, framing = speaker(job, which)
    prompts = prompts or list(job.recipe.prompts) or [""]
    config = job.recipe.generate
    if any(has_gaps(model, prompt) for prompt in prompts):
        return filled(job, model, tokenizer, prompts, json)
    streams = len(prompts) * config.samples == 1 and not json
    if streams:
        sys.stdout.write(prompts[0])

    def on_text(_number: int, piece: str) -> None:
        sys.stdout.write(piece)
        sys.stdout.flush()

    after = suffix or ""
    if suffix is None:
        texts = generate(model, tokenizer, prompts, config, on_text if streams else None, framing)
    else:
        marks, second = sentinels(tokenizer.vocabulary_size), job.recipe.objective.suffix_first > 0.5
        texts = fill_gap(model, tokenizer, prompts, after, config, marks, second, on_text if streams else None)
    if streams:
        sys.stdout.write(after + "\n")
    elif not json:
        sys.stdout.write("\n\n---\n\n".join(prompts[text.prompt] + text.text + after for text in texts) + "\n")
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


def check_fills_gaps(job: Job) -> None:
    """Raise RecipeError unless the run learned to fill gaps before a given text."""
    kind = job.recipe.objective.kind
    if kind != "fill_in_the_middle":
        own = "put [MASK] in --prompt instead" if job.recipe.model.reads == "both" else "leave --suffix away"
        raise RecipeError(
            f"the run {job.run.name} can't fill a gap before --suffix",
            why=f'it learned the objective "{kind}", which never showed it what follows a gap',
            fix=f"{own}, or train with --data.objective.kind=fill_in_the_middle",
        )


def filled(job: Job, model, tokenizer, prompts: list[str], json: bool) -> dict:
    """Fill the gaps of each prompt and show what else might stand there."""
    found = []
    for text in fill(model, tokenizer, prompts, job.recipe.generate):
        if not json:
            sys.stdout.write(text.text + "\n")
            for gap in text.gaps:
                listed = "   ".join(f"{100 * p:.1f} % {token!r}" for token, p in gap.candidates)
                sys.stdout.write(f"    {listed}\n")
        found.append(
            {
                "prompt": prompts[text.prompt],
                "text": text.text,
                "nats": list(text.nats),
                "gaps": [
                    {
                        "filled": gap.filled,
                        "candidates": [{"token": token, "probability": p} for token, p in gap.candidates],
                    }
                    for gap in text.gaps
                ],
            }
        )
    return {"texts": found}


def exported(job: Job, which: str, out: Path | None) -> dict:
    """The Hugging Face folder, compared with stock transformers before it counts as done."""
    from idiolect.corpus.documents import read_texts
    from idiolect.export.huggingface import export

    ready = learned_from(job)
    model = load_model(job, ready.vocabulary_of(job.recipe), pick_checkpoint(job, which))
    out = out or job.run.path / "huggingface"
    texts = list(itertools.islice(read_texts(ready.documents, held_out(ready.documents)), EXPORT_TEXTS))
    found = export(model, job.recipe.model, ready.tokenizer, out, lineage=facts_of(job, ready), texts=texts)
    job.progress.show(
        f"{out}: loaded by stock transformers ({found['kind']}); logits differ by at most "
        f"{found['max_logit_difference']:.1e} over {found['n_positions']:,} positions"
    )
    return found | {"folder": str(out)}


def facts_of(job: Job, ready: Prepared) -> dict:
    """What the model card says of where the model comes from."""
    run = job.run
    splits = read_json(run.evaluation)["splits"] if run.evaluation.exists() else {}
    names = ("bits_per_byte", "perplexity", "token_accuracy")
    outcome = read_json(run.path / RECORD).get("outcome", {})
    licences = sorted({source["licence"] for source in ready.audit["sources"]})
    facts = {
        "name": run.name,
        "licence": licences[0] if len(licences) == 1 and licences[0] not in ("unknown", "not stated") else None,
        "sources": ready.audit["sources"],
        "scores": {
            f"{split} {'pseudo-' if scores['about'].get('kind') else ''}{name}": scores[name]
            for split, scores in splits.items()
            for name in names
        },
        "cost": {"training": show_seconds(outcome["seconds"]), "tokens": f"{outcome['tokens']:,}"} if outcome else {},
        "lineage": {key: value for key, value in lineage_of(run).items() if isinstance(value, str)},
    }
    return {key: value for key, value in facts.items() if value}


def lineage_of(run: RunDir) -> dict:
    """The run's lineage, empty while it has none."""
    return read_json(run.lineage) if run.lineage.exists() else {}
