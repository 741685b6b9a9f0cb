"""Where a model's token embedding starts: vectors as a prepared stage, and into the model before its first step.

    runs/prepared/embeddings-<fingerprint>/    rows.npy (ids)  vectors.npy (as the source has them)  report.json

The stage knows the source by its content, so a file may move. What depends on the model alone (width, scale) is done
when the model is built, and the stage stands for models of every width.
"""

from pathlib import Path

import numpy as np

from idiolect import rundir
from idiolect.config import flatten
from idiolect.embeddings.config import EmbeddingsConfig
from idiolect.errors import DataError
from idiolect.models.build import build_model
from idiolect.models.token_embedding import embedding_name, embedding_rms, embedding_width, place_rows
from idiolect.progress import Progress
from idiolect.stages.job import PACKAGE, Job
from idiolect.stages.prepared import Prepared

# What is done to vectors on their way into a model; the rest of the settings shows in the vectors themselves.
FITTING = ("width", "centre", "scale", "frozen_steps")


def vectors(job: Job, ready: Prepared) -> Path | None:
    """The stage's folder, made unless it stands; None for an embedding that starts at random.

    Raises RecipeError, DataError.
    """
    config = job.recipe.embeddings
    if config.source == "random":
        return None
    width = embedding_width(job.recipe.model, ready.vocabulary_of(job.recipe))
    made_of = _corpus_inputs(config, ready, width) if config.source == "corpus" else _file_inputs(config, ready)

    def make(out: Path) -> None:
        job.progress.heading("Embeddings")
        _write(_make(job, ready, width), out)

    folder, made = rundir.stage(job.runs, "embeddings", made_of, make)
    report = rundir.read_json(folder / "report.json")
    if not made:
        job.progress.say(f"embeddings: nothing to do, {folder.name} stands")
    _check(report, ready, config, width)
    say_coverage(job.progress, report)
    return folder


def _corpus_inputs(config: EmbeddingsConfig, ready: Prepared, width: int) -> dict:
    import importlib.metadata

    from idiolect.embeddings.train import library

    library()  # say what to install before anything is looked up
    return {
        "ids": ready.hash, "width": width, "config": flatten(config.skip_gram),
        "gensim": importlib.metadata.version("gensim"),
        "code": rundir.code_version(PACKAGE / "embeddings"),
    }  # fmt: skip


def _file_inputs(config: EmbeddingsConfig, ready: Prepared) -> dict:
    path = Path(config.source)
    if not path.exists():
        raise DataError(
            f"there are no vectors at {path}", why="embeddings.source is random, corpus, or a file or folder of yours",
            fix="--embeddings.source=corpus to train them on your own text, or --embeddings.source=FILE",
        )  # fmt: skip
    files = [p for p in sorted(path.iterdir()) if p.suffix in (".safetensors", ".json")] if path.is_dir() else [path]
    return {
        "files": [rundir.sha256_file(p) for p in files], "ids": ready.hash, "tokenizer": ready.tokenizer.hash,
        "format": config.format, "match": list(config.match), "code": rundir.code_version(PACKAGE / "embeddings"),
    }  # fmt: skip


def _make(job: Job, ready: Prepared, width: int):
    from idiolect.embeddings.match import Matched, coverage, match
    from idiolect.embeddings.train import count_ids, train_skip_gram

    config, split = job.recipe.embeddings, ready.split("train")
    counts_V = count_ids(split)
    if config.source != "corpus":
        return match(config, ready.tokenizer, counts_V)
    rows_N, vectors_NW = train_skip_gram(split, width, config.skip_gram, job.progress)
    report = coverage(ready.tokenizer, counts_V, rows_N)
    return Matched(rows_N, vectors_NW, report | {"format": "skip-gram", "width": width, "steps": {}, "file": {}})


def _write(matched, out: Path) -> None:
    np.save(out / "rows.npy", matched.rows_N)
    np.save(out / "vectors.npy", matched.vectors_NW)
    rundir.write_json(out / "report.json", matched.report)


def _check(report: dict, ready: Prepared, config: EmbeddingsConfig, width: int) -> None:
    from idiolect.embeddings.fit import check_width
    from idiolect.embeddings.match import check_coverage

    check_coverage(report, config, ready.tokenizer)
    check_width(report["width"], width, config)


def fitting_settings(flat: dict) -> dict:
    """The settings of the vectors' fitting on which weights depend, but for defaults: older runs don't know them.

    Where vectors come from is left out: they decide by their content.
    """
    usual = flatten(EmbeddingsConfig())
    own = {f"embeddings.{name}": flat[f"embeddings.{name}"] for name in FITTING if f"embeddings.{name}" in flat}
    return {key: value for key, value in own.items() if value != usual[key.removeprefix("embeddings.")]}


def say_coverage(progress: Progress, report: dict) -> None:
    """How much of the vocabulary and of the text has a vector, and what was passed over in the file."""
    steps = ", ".join(f"{n:,} {step.replace('_', ' ')}" for step, n in report["steps"].items())
    progress.say(
        f"embeddings ({report['format']}, {report['width']} numbers each): {report['coverage']:.1%} of the vocabulary "
        f"({report['types_found']:,} of {report['types']:,} tokens) and {report['token_coverage']:.1%} of the running "
        f"text start from a vector" + (f"; {steps}" if steps else "")
    )
    odd = {what: n for what, n in report["file"].items() if n and what != "rows"}
    if odd:
        passed = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in odd.items())
        progress.warn(f"the file's rows that were passed over: {passed}")


def start(job: Job, ready: Prepared):
    """The run's model as it is before its first step: drawn from the seed, then the vectors in their rows.

    Raises DataError when these are gone.
    """
    recipe = job.recipe
    model = build_model(recipe.model, ready.vocabulary_of(recipe), recipe.seed)
    if ready.vectors is None and recipe.embeddings.source != "random":
        raise DataError(
            f"the vectors that the run {job.run.name} started from are gone",
            why="their prepared stage was deleted, and without it what training did to them can't be seen",
            fix=f"idiolect prepare {job.run.path}, with the file of vectors where it was",
        )
    if ready.vectors is not None:
        from idiolect.embeddings.fit import fit

        rows_N = np.load(ready.vectors / "rows.npy", allow_pickle=False)
        vectors_NW = np.load(ready.vectors / "vectors.npy", allow_pickle=False)
        width = model.get_parameter(embedding_name(model)).shape[1]
        place_rows(model, rows_N, fit(vectors_NW, width, embedding_rms(model), recipe.embeddings))
    return model


def frozen(job: Job, model) -> dict[str, int]:
    """The parameters that training leaves alone at first, and until which step."""
    steps = job.recipe.embeddings.frozen_steps
    return {embedding_name(model): steps} if steps else {}
