"""Judges of documents, wired: the quality classifier that the user's examples teach, and the model that prices text.

    runs/prepared/quality-<fingerprint>/       quality.safetensors, quality.json
    runs/prepared/perplexity-<fingerprint>/    the Kneser-Ney counts of `perplexity.good`

The corpus can't know models, so it is handed `Judges`: a small picklable value that every process opens for itself.
Later stages know a judge by its content.
"""

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idiolect import rundir
from idiolect.corpus.browse import browse, plain
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.filters import quality
from idiolect.corpus.filters.quality_config import PerplexityConfig, QualityConfig
from idiolect.errors import DataError, RecipeError, asked_by
from idiolect.progress import Progress
from idiolect.stages.job import PACKAGE, Job
from idiolect.stages.run_judge import run_judge

COUNTS = "counts.safetensors"
BYTES, START = 256, ord("\n")
# What a change of leaves the taught classifier as it is: these only decide who stays.
DECIDING = ("keep", "threshold", "share", "pareto", "to_label")


@dataclass(frozen=True)
class Judges:
    """The judges of one preparation; a folder that is empty means there is none of its kind."""

    quality_folder: str = ""
    perplexity_folder: str = ""
    characters: int = 0

    def scores(self, texts: list[str]) -> np.ndarray | None:
        """How probably each text is good."""
        return _classifier(self.quality_folder).scores(texts) if self.quality_folder else None

    def nats(self, texts: list[str]) -> np.ndarray | None:
        """What each text costs under the language model, in nats a byte; NaN for a text without any."""
        if not self.perplexity_folder:
            return None
        return _pricer(self.perplexity_folder)([text[: self.characters] for text in texts])

    def about(self) -> dict:
        """What the audit says of the judges."""
        return {"quality": _classifier(self.quality_folder).about} if self.quality_folder else {}

    @property
    def content(self) -> dict:
        """What the result depends on, for the corpus stage's fingerprint."""
        folders = {"quality": self.quality_folder, "perplexity": self.perplexity_folder}
        return {name: _content(Path(folder)) for name, folder in folders.items() if folder}


def judges(job: Job) -> Judges:
    """Teach or count what the recipe asks for, unless it stands. Raises DataError, RecipeError."""
    config = job.recipe.corpus
    taught = str(teach_quality(job, config)) if config.quality.on else ""
    priced = ""
    if config.perplexity.on:
        priced = _run_folder(job, config.perplexity) if config.perplexity.run else str(count_good(job, config))
    return Judges(taught, priced, config.perplexity.document_characters)


def _content(folder: Path) -> str:
    if (folder / "recipe.toml").is_file():
        return run_judge(str(folder)).weights
    return rundir.content_hash(folder)


# -- the quality classifier


def teach_quality(job: Job, config: CorpusConfig) -> Path:
    """The stage of the classifier: examples gathered, taught, measured, saved."""
    ask = config.quality
    reads = {
        "good": _inputs(config, ask.good, "quality.good"), "bad": _inputs(config, ask.bad, "quality.bad"),
        "corpus": _inputs(config, None) if not ask.bad and ask.good else None,
        "labels": rundir.sha256_file(_labels(ask)) if ask.labels else "",
        "config": ask.model_dump(exclude={"good", "bad", "labels", *DECIDING}),
        "code": rundir.code_version(PACKAGE / "corpus" / "filters"),
    }  # fmt: skip

    def make(out: Path) -> None:
        job.progress.heading("Quality classifier")
        learned = quality.teach(examples(config), ask)
        learned.save(out)
        say_taught(learned.about, job.progress)

    return rundir.stage(job.runs, "quality", reads, make)[0]


def examples(config: CorpusConfig) -> list[quality.Example]:
    """What the recipe says is good and bad; without bad text (and without labels) a sample of the corpus is it."""
    ask = config.quality

    def some(names: tuple[str, ...] | None) -> list[str]:
        return quality.sample(browse(config, names), ask.documents, ask.seed, ask.document_characters)

    labelled = []
    if ask.labels:
        path = _labels(ask)
        rows = (json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip())
        labelled = list(quality.read_labels(rows, path.name))
    bad = some(ask.bad) if ask.bad else some(None) if ask.good else []
    return quality.merge(some(ask.good) if ask.good else [], bad, labelled)


def _labels(ask: QualityConfig) -> Path:
    path = Path(ask.labels).expanduser()
    if not path.is_file():
        raise DataError(
            f"there is no file {ask.labels} with labels", why="corpus.quality.labels names a .jsonl file",
            fix="--corpus.quality.labels=PATH, or --corpus.quality.to_label=200 to have documents to label",
        )  # fmt: skip
    return path


def say_taught(about: dict, progress: Progress) -> None:
    """What a person should know before believing the classifier."""
    progress.say(
        f"learned from {about['n_good']:,} good and {about['n_bad']:,} bad examples; held out: area under the curve "
        f"{about['auc']:.3f} ({about['auc_low']:.3f} to {about['auc_high']:.3f}), calibration error "
        f"{about['expected_calibration_error']:.3f} ({about['calibration']})"
    )
    for side in ("good", "bad"):
        words = ", ".join(row["ngram"] for row in about[f"{side}_ngrams"][:12])
        progress.say(f"most telling for {side}: {words}")


# -- the language model


def count_good(job: Job, config: CorpusConfig) -> Path:
    """The stage of a Kneser-Ney model over the bytes of good text."""
    ask = config.perplexity
    reads = {
        "good": _inputs(config, ask.good, "perplexity.good"), "order": ask.order, "bytes": ask.good_bytes,
        "code": [rundir.sha256_file(PACKAGE / "models" / f"{name}.py") for name in ("kneser_ney", "ngram_counts")],
    }  # fmt: skip

    def make(out: Path) -> None:
        from safetensors.numpy import save_file

        job.progress.heading("Model of good text")
        arrays = counts_of(browse(config, ask.good, ask.good_bytes), ask.order, ask.good_bytes)
        save_file(arrays, out / COUNTS)
        n = sum(len(array) for name, array in arrays.items() if name.startswith("keys"))
        job.progress.say(f"{n:,} n-grams of {arrays['raw_0'].sum():,} bytes")

    return rundir.stage(job.runs, "perplexity", reads, make)[0]


def counts_of(texts: Iterable[str], order: int, most: int) -> dict[str, np.ndarray]:
    """Counts of all n-grams of bytes, as arrays to be saved."""
    from idiolect.models.ngram_counts import NGramCounts

    counts = NGramCounts(stream_of(texts, most), BYTES, order)
    names = ("keys", "raw", "continuation")
    return {f"{name}_{k}": getattr(level, name) for k, level in enumerate(counts.levels) for name in names}


def stream_of(texts: Iterable[str], most: int) -> np.ndarray:
    """Texts as one stream of bytes, each after a line end, up to `most` bytes."""
    pieces, n = [], 0
    for text in texts:
        pieces.append(_bytes(text))
        n += len(pieces[-1])
        if n >= most:
            break
    return np.concatenate([np.zeros(0, np.uint8), *pieces])[:most]


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(b"\n" + text.replace("\0", " ").encode("utf-8", "replace"), np.uint8)


@functools.lru_cache(maxsize=2)
def _classifier(folder: str) -> quality.Quality:
    return quality.Quality.load(Path(folder))


@functools.lru_cache(maxsize=2)
def _pricer(folder: str) -> Callable[[list[str]], np.ndarray]:
    """The pricing of texts, opened once in each process."""
    if (Path(folder) / "recipe.toml").is_file():
        return run_judge(folder).nats_a_byte
    from safetensors.numpy import load_file

    from idiolect.models.kneser_ney import KneserNey
    from idiolect.models.ngram_counts import Level, NGramCounts

    arrays = load_file(Path(folder) / COUNTS)
    levels = [
        Level(*(arrays[f"{name}_{k}"] for name in ("keys", "raw", "continuation"))) for k in range(len(arrays) // 3)
    ]
    model = KneserNey(NGramCounts.from_levels(levels, BYTES), modified=True)

    def nats_a_byte(texts: list[str]) -> np.ndarray:
        # All as one stream, so that numpy works on many at once. NUL, which was never counted, ends the reach of every
        # context: no text sees the one before it.
        pieces = [np.append(np.uint8(0), _bytes(text)) for text in texts]
        starts = np.cumsum([0, *(len(piece) for piece in pieces)])
        nats = model.nats(np.concatenate([np.zeros(0, np.uint8), *pieces]))
        spans = zip(starts[:-1] + 2, starts[1:], strict=True)
        return np.array([nats[a:b].sum() / (b - a) if b > a else np.nan for a, b in spans])

    return nats_a_byte


def _run_folder(job: Job, ask: PerplexityConfig) -> str:
    """The run's folder, found and opened once here, so that what is wrong with it is said before any work."""
    found = next((p for p in (Path(ask.run).expanduser(), job.runs / ask.run) if (p / "recipe.toml").is_file()), None)
    if found is None:
        raise RecipeError(
            f"corpus.perplexity.run = {ask.run} is no run", why="there is no recipe.toml in such a folder",
            fix=f"--corpus.perplexity.run={job.runs}/NAME, or --corpus.perplexity.good=PATH without any run",
        )  # fmt: skip
    run_judge(str(found))
    return str(found)


# -- the texts that teach


def _inputs(config: CorpusConfig, names: tuple[str, ...] | None, setting: str = "text") -> dict | None:
    """What these texts (None: the corpus) are, by content, and how they are read."""
    from idiolect.corpus.fingerprint import fingerprint_of

    if names == ():
        return None
    with asked_by(f"corpus.{setting}"):
        made = fingerprint_of(plain(config, names))
    return {key: made[key] for key in ("files", "default", "sources", "config", "versions")}
