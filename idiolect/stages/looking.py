"""What became of a run's token embedding: for `idiolect show RUN --embeddings` and the report.

The embedding as it was before the first step is not kept on disk: it is made again, from the seed and the prepared
vectors, and compared with the trained one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idiolect import rundir
from idiolect.embeddings.benchmarks import analogy_scores, similarity_scores
from idiolect.embeddings.inspect import Lexicon, analogy, drift, flat_map, neighbours
from idiolect.embeddings.train import count_ids
from idiolect.errors import DataError, RecipeError
from idiolect.models.token_embedding import embedding_name, embedding_rows, find_embedding
from idiolect.progress import Progress
from idiolect.stages.job import PACKAGE, Job, complete_steps
from idiolect.stages.prepared import Prepared
from idiolect.stages.vectors import say_coverage, start
from idiolect.stages.weights import load_model, pick_checkpoint, weights_hash

N_MAP = 300  # words: as many as a screen can name
N_FREQUENT = 8
N_NEIGHBOURS = 8
LEAST_LETTERS = 4  # of the words whose neighbours are shown unasked: "the" and "of" have none worth reading


@dataclass(frozen=True)
class Trained:
    """A checkpoint's embedding beside the one it started from, and how often each id occurs in the training text."""

    lexicon: Lexicon
    start_VD: np.ndarray
    counts_V: np.ndarray
    step: int


def trained_embedding(job: Job, ready: Prepared, which: str) -> Trained:
    """Both embeddings of a run. Raises CheckpointError; RecipeError where the model has none."""
    checkpoint = pick_checkpoint(job, which)
    model = load_model(job, ready.vocabulary_of(job.recipe), checkpoint)
    embedding_name(model)
    lexicon = Lexicon(ready.tokenizer, embedding_rows(model))
    return Trained(lexicon, embedding_rows(start(job, ready)), count_ids(ready.split("train")), checkpoint.step)


def looked_at(job: Job, ready: Prepared, which: str = "best") -> dict:
    """Coverage, map, drift and neighbours for the report, kept in embeddings.json.

    Empty for a family without an embedding, or when the vectors it started from are gone.
    """
    if not complete_steps(job.run):
        return {}
    checkpoint, path = pick_checkpoint(job, which), job.run.path / "embeddings.json"
    key = rundir.fingerprint(weights_hash(checkpoint), ready.hashes, rundir.code_version(PACKAGE / "embeddings"))
    if path.exists() and (found := rundir.read_json(path)).get("fingerprint") == key:
        return found["embeddings"]
    gone = ready.vectors is None and job.recipe.embeddings.source != "random"
    if gone or find_embedding(start(job, ready)) is None:
        return {}
    seen = trained_embedding(job, ready, which)
    found = summary(seen, words=()) | {"map": flat_map(seen.lexicon, seen.lexicon.frequent(seen.counts_V, N_MAP))}
    found |= {"source": source_of(job), "coverage": coverage_of(ready)}
    rundir.write_json(path, {"fingerprint": key, "embeddings": found})
    return found


def source_of(job: Job) -> str:
    """Where the vectors came from: random, corpus, or the file's name without its folders."""
    source = job.recipe.embeddings.source
    return source if source in ("random", "corpus") else Path(source).name


def coverage_of(ready: Prepared) -> dict:
    """The report of the match; empty for an embedding that started at random."""
    return rundir.read_json(ready.vectors / "report.json") if ready.vectors else {}


def summary(seen: Trained, words: tuple[str, ...]) -> dict:
    """Drift, and the neighbours of the words asked for, or of a few frequent ones."""
    lexicon = seen.lexicon
    if words:
        ids = {word: lexicon.find(word) for word in words}
    else:
        frequent = [i for i in lexicon.frequent(seen.counts_V, 2000).tolist() if len(lexicon.label(i)) >= LEAST_LETTERS]
        frequent = frequent or lexicon.frequent(seen.counts_V, N_FREQUENT).tolist()
        ids = {lexicon.label(i): i for i in frequent[:N_FREQUENT]}
    return {
        "step": seen.step,
        "vectors": len(lexicon.unit_VD),
        "width": lexicon.vectors_VD.shape[1],
        "neighbours": {
            word: neighbours(lexicon, i, N_NEIGHBOURS) if i is not None else None for word, i in ids.items()
        },
        "drift": drift(lexicon, seen.start_VD, seen.counts_V),
    }


def shown_embeddings(job: Job, ready: Prepared, options: dict) -> dict:
    """`show RUN --embeddings`: neighbours, analogies, drift, scores; what `--json` prints. Raises RecipeError."""
    progress = job.progress
    asked = [read_analogy(text) for text in options["analogy"]]
    words = tuple(word for word in (options["words"] or "").split(",") if word)
    seen = trained_embedding(job, ready, options["checkpoint"])
    found = summary(seen, words) | {"source": source_of(job), "coverage": coverage_of(ready), "analogies": []}
    progress.show(
        f"{job.run.name}, step {seen.step:,}: {found['vectors']:,} vectors of {found['width']} numbers, "
        f"started from: {found['source']}"
    )
    if found["coverage"]:
        say_coverage(progress, found["coverage"])
    for word, nearest in found["neighbours"].items():
        progress.show(f"{word:<16} {listed(nearest) if nearest is not None else in_pieces(seen.lexicon, word)}")
    for a, b, c in asked:
        answer = answered(seen.lexicon, a, b, c)
        found["analogies"].append({"a": a, "b": b, "c": c, "nearest": answer})
        progress.show(f"{a} : {b} :: {c} :  {listed(answer)}")
    show_drift(progress, found["drift"])
    for name, score in (("analogies", analogy_scores), ("similarities", similarity_scores)):
        if options[name]:
            found[f"{name}_score"] = score(seen.lexicon, Path(options[name]))
            show_score(progress, name, found[f"{name}_score"])
    return found


def read_analogy(text: str) -> tuple[str, str, str]:
    """`man:king::woman` as its three words. Raises RecipeError."""
    left, two, c = text.partition("::")
    a, one, b = left.partition(":")
    if not (a and one and b and two and c) or ":" in c:
        raise RecipeError(
            f"--analogy {text} can't be read", why="it is three words: a is to b as c is to what?",
            fix="--analogy man:king::woman",
        )  # fmt: skip
    return a, b, c


def answered(lexicon: Lexicon, a: str, b: str, c: str) -> list[dict]:
    """The nearest words to b - a + c. Raises DataError when one of them has no vector of its own."""
    ids = []
    for word in (a, b, c):
        i = lexicon.find(word)
        if i is None:
            raise DataError(
                f"{word!r} has no vector of its own here", why=in_pieces(lexicon, word),
                fix="a word of the vocabulary: idiolect show RUN --what tokenizer lists frequent ones",
            )  # fmt: skip
        ids.append(i)
    return analogy(lexicon, *ids, N_NEIGHBOURS)


def in_pieces(lexicon: Lexicon, word: str) -> str:
    """Why a word has no vector: how the tokenizer writes it, or that it can't."""
    ids = lexicon.tokenizer.encode(f" {word}").tolist()
    if lexicon.tokenizer.unknown_id in ids:
        return "is not in the vocabulary: it was too rare in the text, or never there"
    pieces = [lexicon.tokenizer.token_text(i) for i in ids]
    return f"is no token of its own: this tokenizer writes it as {' + '.join(map(repr, pieces))}"


def listed(nearest: list[dict]) -> str:
    """Words and their cosines in a line."""
    return "  ".join(f"{entry['word']} {entry['cosine']:.2f}" for entry in nearest)


def show_drift(progress: Progress, found: dict) -> None:
    """How far training has turned the vectors."""
    if found["mean_cosine"] is None:
        return
    progress.show(
        f"drift from the start: mean cosine {found['mean_cosine']:.3f} over the {found['n']:,} tokens that occur; "
        f"most moved: {', '.join(entry['word'] for entry in found['most_moved'][:8])}"
    )


def show_score(progress: Progress, name: str, found: dict) -> None:
    """One benchmark's figure, and on how much of the file it rests."""
    what, value = ("right", found["accuracy"]) if name == "analogies" else ("Spearman's rho", found["spearman"])
    shown = "no score" if value is None else f"{what} {value:.3f}"
    progress.show(f"{name}: {shown}, n = {found['n']:,}; {found['skipped']:,} left out for words that are no tokens")
