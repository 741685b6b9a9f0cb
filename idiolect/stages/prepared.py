"""The first stages: text to documents, tokenizer, token shards and floors, in runs/prepared/, shared by every run.

A stage that stands is not made again. Fingerprints of later stages use the *content* of earlier ones, so a new version
of our code that yields the same documents doesn't make anything after them anew.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from idiolect import rundir
from idiolect.config import flatten
from idiolect.errors import DataError
from idiolect.recipe import Recipe, load_recipe
from idiolect.stages.easier import warn_of_transforms
from idiolect.stages.job import PACKAGE, Job, record_of

SPLITS = ("train", "validation", "test")


def _stage(job: Job, name: str, inputs: dict, make) -> Path:
    folder, made = rundir.stage(job.runs, name, inputs, make)
    if not made:
        job.progress.say(f"{name}: nothing to do, {folder.name} stands")
    return folder


def corpus(job: Job) -> Path:
    """Cleaned, split documents."""
    from idiolect.corpus import fingerprint_of

    config = job.recipe.corpus
    asked = None
    if config.quality.on or config.perplexity.on:
        from idiolect.stages.judges import judges

        asked = judges(job)
    reads = fingerprint_of(config, job.progress) | ({"judges": asked.content} if asked else {})
    return _stage(
        job, "corpus", reads,
        lambda out: _prepare(job, out, asked),
    )  # fmt: skip


def _prepare(job: Job, out: Path, asked) -> None:
    from idiolect.corpus.audit.profile import profile
    from idiolect.corpus.dedup.decontaminate import evaluation_texts
    from idiolect.corpus.prepare import prepare
    from idiolect.plan.repetition import effective_tokens

    config = job.recipe.corpus
    prepare(config, out, job.progress, work=rundir.workspace(out), judges=asked)
    if config.audit.profile:
        sets = evaluation_texts(config.decontaminate) if config.decontaminate.against else {}
        rundir.write_json(out / "profile.json", profile(out, config.audit, effective_tokens, sets))


def tokenizer(job: Job, documents: Path) -> Path:
    """A tokenizer trained on the training split alone, and what it does to the validation split."""
    from idiolect.corpus.documents import read_texts
    from idiolect.tokenizer.build import build
    from idiolect.tokenizer.inspect import inspect

    config = job.recipe.tokenizer

    def make(out: Path) -> None:
        job.progress.heading(f"Tokenizer ({config.kind})")
        built = build(config, read_texts(documents, "train"))
        built.save(out)
        rundir.write_json(out / "inspection.json", inspect(built, read_texts(documents, held_out(documents))))

    return _stage(job, "tokenizer", _tokenizer_reads(job, documents), make)


def _tokenizer_reads(job: Job, documents: Path) -> dict:
    config = job.recipe.tokenizer
    return {
        "text": rundir.content_hash(documents, "train.parquet"),
        "inspected": rundir.content_hash(documents, "validation.parquet"),
        "config": flatten(config), "code": rundir.code_version(PACKAGE / "tokenizer"),
        "file": rundir.sha256_file(Path(config.path)) if config.kind == "file" and Path(config.path).is_file() else "",
    }  # fmt: skip


def measured_bytes_per_token(job: Job, documents: Path) -> float | None:
    """What the recipe's tokenizer has made of the training text, if that has been encoded already."""
    from idiolect.tokenizer.encode import Tokenizer

    tokens = rundir.standing(job.runs, "tokenizer", _tokenizer_reads(job, documents))
    ids = tokens and rundir.standing(job.runs, "shards", _shards_read(documents, Tokenizer.load(tokens).hash))
    return Prepared(documents, tokens, ids).bytes_per_token if ids else None


def held_out(documents: Path) -> str:
    """The split that figures are first looked up on: validation, or the training text when nothing is held out."""
    kept = rundir.read_json(documents / "audit.json")["kept"]
    return "validation" if kept.get("validation", {}).get("documents") else "train"


def shards(job: Job, documents: Path, tokens: Path) -> Path:
    """The documents as token ids, memory-mapped."""
    from idiolect.corpus.documents import read_column, read_sources, read_texts
    from idiolect.tokenizer import shards as shard_files
    from idiolect.tokenizer.encode import Tokenizer

    built = Tokenizer.load(tokens)

    def make(out: Path) -> None:
        job.progress.heading("Token shards")
        for split in SPLITS:
            shard_files.write(
                built,
                read_texts(documents, split),
                out,
                split,
                workers=job.recipe.corpus.workers,
                progress=job.progress,
                sources=read_sources(documents, split),
                original_bytes=read_column(documents, split, "original_bytes"),
            )

    return _stage(job, "shards", _shards_read(documents, built.hash), make)


def _shards_read(documents: Path, tokenizer_hash: str) -> dict:
    return {
        "documents": {split: rundir.content_hash(documents, f"{split}.parquet") for split in SPLITS},
        "tokenizer": tokenizer_hash, "code": rundir.code_version(PACKAGE / "tokenizer"),
    }  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """The folders of the first three stages, and what later stages need of them."""

    documents: Path
    tokens: Path
    ids: Path
    vectors: Path | None = None  # what the token embedding starts from, when that is not at random

    @cached_property
    def tokenizer(self):
        from idiolect.tokenizer.encode import Tokenizer

        return Tokenizer.load(self.tokens)

    def split(self, name: str):
        """The shards of a split."""
        from idiolect.tokenizer.shards import Shards

        return Shards(self.ids, name, self.tokenizer)

    @cached_property
    def audit(self) -> dict:
        return rundir.read_json(self.documents / "audit.json")

    @cached_property
    def inspection(self) -> dict:
        return rundir.read_json(self.tokens / "inspection.json")

    @cached_property
    def bytes_per_token(self) -> float:
        """Of the training text that is kept: counted, so that a page's tokens are those that a training reads."""
        return self.audit["kept"]["train"]["bytes"] / self.split("train").n_tokens

    @property
    def held_out(self) -> list[str]:
        """The splits besides training that hold any text."""
        return [split for split in SPLITS[1:] if self.audit["kept"].get(split, {}).get("documents")]

    @property
    def stages(self) -> dict[str, str]:
        """The folders by stage, for a run's records."""
        found = {"corpus": self.documents.name, "tokenizer": self.tokens.name, "shards": self.ids.name}
        return found | ({"embeddings": self.vectors.name} if self.vectors else {})

    def vocabulary_of(self, recipe: Recipe) -> int:
        """Ids the model knows: the tokenizer's, then the objective's own."""
        return self.tokenizer.vocabulary_size + recipe.objective.n_extra_ids(recipe.model.context_length)

    @property
    def hash(self) -> str:
        """Fingerprint of the token ids a model would learn from."""
        return rundir.content_hash(self.ids)

    @property
    def hashes(self) -> dict[str, str]:
        """What a model's weights depend on besides its settings: the token ids, and the vectors it starts from."""
        return {"ids": self.hash} | ({"vectors": rundir.content_hash(self.vectors, "*.npy")} if self.vectors else {})


def prepared(job: Job) -> Prepared:
    """The first stages, in order: text, tokenizer, ids, and vectors to start from where the recipe names any."""
    warn_of_transforms(job)
    return prepared_from(job, corpus(job))


def prepared_from(job: Job, documents: Path) -> Prepared:
    """All stages after the text."""
    from idiolect.stages.vectors import vectors

    tokens = tokenizer(job, documents)
    ready = Prepared(documents, tokens, shards(job, documents, tokens))
    return replace(ready, vectors=vectors(job, ready))


def learned_from(job: Job) -> Prepared:
    """What the run's weights were made from: the stages that it names, whatever has become of its text since then.

    Raises DataError when these are gone, or other text is asked for, and the ids made anew are not the same.
    """
    record = record_of(job)
    folders = [job.runs / rundir.PREPARED / name for name in record.get("stages", {}).values()]
    # The vectors come last, and only a look at the drift needs them: without them the ids are still what they were.
    folders = [folder for n, folder in enumerate(folders) if n < 3 or rundir.is_complete(folder)]
    if len(folders) >= 3 and all(map(rundir.is_complete, folders)) and _asks_for_its_own_text(job):
        return Prepared(*folders)
    ready = prepared(job)
    if record and ready.hash != record["decides"]["ids"]:
        raise DataError(
            f"this is not the text that the run {job.run.name} learned from",
            why="the text, its cleaning or the tokenizer have changed, and its weights know only the old token ids",
            fix="put the text back, or train on the new one: idiolect train RECIPE --name OTHER",
        )
    return ready


def _asks_for_its_own_text(job: Job) -> bool:
    if not job.run.recipe.exists():
        return False
    own, asked = load_recipe(job.run.recipe).config, job.recipe
    return (own.corpus, own.tokenizer) == (asked.corpus, asked.tokenizer)


def floors(job: Job, ready: Prepared) -> "FloorsOf":
    """What uniform, unigram and n-gram models reach on each held-out split, and what the exact entropy is, if known."""
    from idiolect.corpus.documents import read_texts
    from idiolect.evaluate.exact import exact_floor, exact_nats
    from idiolect.evaluate.floors import Floors, summarise

    config = job.recipe.evaluate.floors
    process = job.recipe.corpus.exact if "exact" in ready.audit else None

    def make(out: Path) -> None:
        job.progress.heading("Floors (n-gram models of the same text)")
        counted = Floors(ready.split("train"), ready.tokenizer.vocabulary_size, config)
        for split in ready.held_out:
            held = ready.split(split)
            nats = counted.nats(held)
            figures = summarise(nats, held.n_bytes, counted)
            if process is not None:
                exact = exact_nats(process, read_texts(ready.documents, split), held)
                figures = {"exact": exact_floor(exact, held.n_bytes)} | figures
                np.save(out / f"{split}.exact.npy", exact)
            rundir.write_json(out / f"{split}.json", figures)
            best = figures["about"]["best"]
            if best in nats:
                np.save(out / f"{split}.npy", nats[best].astype(np.float32))

    reads = {
        "ids": ready.hash,
        "config": flatten(config),
        "exact": ready.audit.get("exact"),
        "code": [
            rundir.sha256_file(PACKAGE / name)
            for name in ("evaluate/floors.py", "evaluate/exact.py", "models/kneser_ney.py", "models/ngram_counts.py")
        ] + ([rundir.code_version(PACKAGE / "corpus" / "exact")] if process is not None else []),
    }  # fmt: skip
    return FloorsOf(_stage(job, "floors", reads, make))


@dataclass(frozen=True)
class FloorsOf:
    """The figures of the floors stage, and each token's price under the best of them."""

    folder: Path

    def figures(self, split: str) -> dict:
        """Each floor's nats a token and bits a byte."""
        return rundir.read_json(self.folder / f"{split}.json")

    def best_nats(self, split: str) -> dict[str, np.ndarray]:
        """Name of the best floor (but the uniform one), and `exact` where known -> nats of every token of the split."""
        files = {self.figures(split)["about"]["best"]: f"{split}.npy", "exact": f"{split}.exact.npy"}
        found = {name: self.folder / file for name, file in files.items() if (self.folder / file).exists()}
        return {name: np.load(path, allow_pickle=False).astype(np.float64) for name, path in found.items()}
