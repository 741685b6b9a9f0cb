"""What a person sees at the end of a verb, and what `show` prints."""

import json

from idiolect import rundir
from idiolect.config import flatten, plain
from idiolect.corpus.mixture.config import is_mixed
from idiolect.errors import RecipeError
from idiolect.progress import Progress, how_many, show_bytes, show_count, show_seconds
from idiolect.recipe import Recipe, load_recipe
from idiolect.request import Request
from idiolect.stages.auditing import DATASHEET, PAGE, SUMMARY, audited
from idiolect.stages.browsing import show_passed_over
from idiolect.stages.job import RECORD, Job, open_job
from idiolect.stages.prepared import SPLITS, Prepared, prepared

SAMPLE_CHARACTERS = 700


def show_prepared(job: Job, ready: Prepared) -> dict:
    """Documents, drops, tokens, shards."""
    audit, rows = ready.audit, []
    listed = {split: ready.split(split) for split in SPLITS if audit["kept"].get(split, {}).get("documents")}
    for split, shards in listed.items():
        kept = audit["kept"][split]
        rows.append([split, f"{kept['documents']:,}", show_bytes(kept["bytes"]), f"{shards.n_tokens:,}",
                     f"{shards.n_bytes / shards.n_tokens:.2f}"])  # fmt: skip
    job.progress.table(["split", "documents", "text", "tokens", "bytes a token"], rows, result=True)
    for reason, drop in sorted(audit["dropped"].items(), key=lambda item: -item[1]["documents"]):
        job.progress.show(f"dropped {how_many(drop['documents'], 'document')}: {reason}")
    show_passed_over(job.progress, audit)
    mixture = mixture_shown(job, ready)
    papers = audited(job, ready, mixture.get("mixture"))
    job.progress.show(f"what is in it: {papers / PAGE}, with {DATASHEET} and {SUMMARY} beside it")
    return mixture | {
        "documents": {split: audit["kept"][split]["documents"] for split in listed},
        "tokens": {split: shards.n_tokens for split, shards in listed.items()},
        "dropped": {reason: drop["documents"] for reason, drop in audit["dropped"].items()},
        "shards": [entry["sha256"] for shards in listed.values() for entry in shards.listed["shards"]],
        "stages": ready.stages | {"audit": papers.name},
    }


def show_training(job: Job) -> dict:
    """How the training ended."""
    record = rundir.read_json(job.run.path / RECORD)
    outcome = record["outcome"]
    job.progress.show(
        f"{job.run.name}: {show_count(record['parameters']['total'])} parameters, {outcome['step']:,} steps, "
        f"{show_count(outcome['tokens'])} tokens, {show_seconds(outcome['seconds'])}"
    )
    if outcome["best_value"] is not None:
        each = "masked token" if job.recipe.model.reads == "both" else "token"
        job.progress.show(
            f"best validation: {outcome['best_value']:.4f} nats a {each}, at step {outcome['best_step']:,}"
        )
    return outcome | {"run": job.run.name}


def mixture_shown(job: Job, ready: Prepared) -> dict:
    """How often the training will read each source, where the recipe mixes any."""
    if not is_mixed(job.recipe.corpus.sources, job.recipe.corpus.temperature):
        return {}
    from idiolect.stages.mixing import show_mixture  # torch comes with it, for samples of tokens
    from idiolect.stages.training import source_of

    return {"mixture": show_mixture(job.recipe, source_of(job, ready), job.progress)}


def show_scores(job: Job, found: dict) -> None:
    """The scores as a table, each split beside its floors."""
    for split, scores in found["splits"].items():
        bits, nats, perplexity, accuracy = (
            scores[name] for name in ("bits_per_byte", "nats", "perplexity", "token_accuracy")
        )
        rows, pseudo = [], scores["about"].get("kind") == "pseudo-likelihood"
        for name, floor in scores.get("floors", {}).items():
            # A pseudo-likelihood is told what follows: beside a floor it would look like a victory.
            if name != "about" and not pseudo:
                rows.append([floor["label"], f"{floor['bits_per_byte']:.3f}", "", f"{floor['nats']:.3f}", "", ""])
        rows.append([
            f"this model (step {found['step']:,})", f"{bits['value']:.3f}", f"{bits['low']:.3f} to {bits['high']:.3f}",
            f"{nats['value']:.3f}", f"{perplexity['value']:.2f}", f"{100 * accuracy['value']:.1f} %",
        ])  # fmt: skip
        job.progress.table(
            ["", "pseudo bits per byte" if pseudo else "bits per byte", "95 % interval", "nats a token",
             f"{'pseudo-' if pseudo else ''}perplexity (of {perplexity['vocabulary']:,})", "tokens right"],
            rows, title=f"{split}: {scores['about']['tokens']:,} tokens", result=True,
        )  # fmt: skip
        if pseudo:
            job.progress.show(
                "pseudo-likelihood: each token guessed from both sides; not comparable with floors or left readers"
            )
        if sources := scores.get("sources"):
            rows = [[name, f"{own['bits_per_byte']['value']:.3f}", f"{own['bits_per_byte']['low']:.3f} to "
                     f"{own['bits_per_byte']['high']:.3f}", f"{own['nats']['value']:.3f}", f"{own['nats']['n']:,}"]
                    for name, own in sources.items()]  # fmt: skip
            titles = ["source", "bits per byte", "95 % interval", "nats a token", "tokens"]
            job.progress.table(titles, rows, title=f"{split}, by source", result=True)
        for verdict in scores.get("against", {}).values():
            job.progress.say(verdict["verdict"])
    if found.get("text"):
        job.progress.show(found["text"])


def show_end(job: Job, ready: Prepared, scores: dict, samples: list[dict], report) -> dict:
    """The door to what the journey made: samples, scores beside the floors, the report, the command to chat."""
    progress = job.progress
    progress.heading("It writes")
    for sample in samples[:3]:
        text = (sample["prompt"] + sample["text"]).strip()
        progress.show(text[:SAMPLE_CHARACTERS] + (" …" if len(text) > SAMPLE_CHARACTERS else ""))
        progress.show("---")
    show_scores(job, scores)
    outcome = rundir.read_json(job.run.path / RECORD)["outcome"]
    progress.show(f"\ntrained in {show_seconds(outcome['seconds'])}")
    progress.show(f"report:  {report}")
    if job.recipe.model.reads == "both":
        progress.show(f"fill:    idiolect generate {job.run.path} --prompt '... [MASK] ...'")
    else:
        progress.show(f"talk:    idiolect chat {job.run.path}")
    return {
        "run": job.run.name, "report": str(report), "seconds": outcome["seconds"], "samples": samples,
        "scores": {split: {k: v for k, v in found.items() if k not in ("about", "against")}
                   for split, found in scores["splits"].items()},
    }  # fmt: skip


def shown(request: Request) -> dict:
    """`show`: settings, corpus, tokenizer or schema."""
    what, progress = request.options["what"], Progress(quiet=request.quiet, json=request.json)
    if request.options["embeddings"] or what == "embeddings":
        return show_embeddings(request, progress)
    if what == "schema":
        schema = Recipe.model_json_schema()
        if not request.json:
            print(json.dumps(schema, indent=1))
        return schema
    if what == "settings":
        return show_settings(request, progress)
    if what == "catalogue":
        from idiolect.corpus.remote import catalogue

        return catalogue.show(progress, request.target or "")
    if what not in ("corpus", "tokenizer"):
        raise RecipeError(
            f"--what={what} is nothing to show",
            why="it can be settings, corpus, catalogue, tokenizer, embeddings or schema",
            fix="--what=settings",
        )  # fmt: skip
    if what == "corpus":
        from idiolect.stages.browsing import shown_corpus

        return shown_corpus(request, progress)
    job = open_job(request.target, request.flags, name=request.name, runs=request.runs, progress=progress)
    return show_tokenizer(progress, prepared(job).inspection)


def show_embeddings(request: Request, progress: Progress) -> dict:
    """A trained run's token embedding."""
    from idiolect.stages.looking import shown_embeddings
    from idiolect.stages.prepared import learned_from

    job = open_job(
        request.target, request.flags, name=request.name, runs=request.runs, progress=progress, trained=True
    )  # fmt: skip
    return shown_embeddings(job, learned_from(job), request.options)


def show_settings(request: Request, progress: Progress) -> dict:
    """Each setting, its value and where that comes from."""
    if request.target is None:
        loaded = load_recipe(None, request.flags)
    else:
        loaded = open_job(
            request.target, request.flags, name=request.name, runs=request.runs, progress=progress
        ).loaded  # fmt: skip
    flat = flatten(loaded.config)
    rows = [[key, json.dumps(plain(value), ensure_ascii=False), loaded.origin(key)] for key, value in flat.items()]
    width = max(len(row[0]) for row in rows)
    for key, value, origin in rows:
        progress.show(f"{key:<{width}}  {value:<24}  {origin}")
    return {key: {"value": plain(value), "origin": loaded.origin(key)} for key, value in flat.items()}


def show_tokenizer(progress: Progress, inspection: dict) -> dict:
    """What the tokenizer does to held-out text."""
    for name, value in inspection.items():
        if isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, (list, dict)):
            value = json.dumps(value, ensure_ascii=False)
            value = value if len(value) < 400 else value[:399] + "…"
        progress.show(f"{name.replace('_', ' '):<22} {value}")
    return inspection
