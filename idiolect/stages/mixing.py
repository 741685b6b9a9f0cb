"""A recipe's mixture of sources: as the trainer reads it, as a table for people, and as what decides the weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idiolect.corpus.mixture.config import DOSES, is_mixed
from idiolect.data.mixed_streams import MixedStreams
from idiolect.data.mixture import GOOD_EPOCHS, Mixture, Plan
from idiolect.data.objectives import Objective
from idiolect.data.shares import Shares
from idiolect.errors import RecipeError
from idiolect.plan.repetition import Draw, Drawn
from idiolect.progress import Progress, show_count
from idiolect.recipe import Recipe
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared
from idiolect.tokenizer.shards import Shards
from idiolect.train.loop import batch_shape

# Tokens at a time in which a plan reckons, before a context length is chosen.
PIECE = 256


def mixture_of(recipe: Recipe, split: Shards, objective: Objective, seed: int) -> Mixture | MixedStreams:
    """The training split by sources. Raises DataError, RecipeError."""
    corpus, config = recipe.corpus, recipe.train
    if config.budget_seconds and any(source.anneal_weight is not None for source in corpus.sources):
        raise RecipeError(
            "anneal_weight can't be with train.budget_seconds",
            why="weights move over the last part of the training, and only the clock will know where it ends",
            fix="--train.budget_seconds=0, and --train.steps for the length",
        )
    plan = Plan(corpus.sources, corpus.temperature, corpus.anneal_fraction)
    samples, _ = batch_shape(config, recipe.model.context_length)
    total = config.steps * samples
    if recipe.carries_state:
        return MixedStreams(split, objective, plan, total, samples, seed, recipe.data.shuffle, config.carry_windows)
    return Mixture(split, objective, plan, total, seed, recipe.data.shuffle)


def draw_of(recipe: Recipe, tokens_S: Sequence[float]) -> tuple[Draw, float]:
    """What a run of any length reads of each source, going by the tokens it is expected to have; and how many tokens
    all sources may give at most."""
    corpus = recipe.corpus
    plan = Plan(corpus.sources, corpus.temperature, corpus.anneal_fraction)
    portions = plan.portions(tokens_S, [max(1, int(n // PIECE)) for n in tokens_S], PIECE)
    most = sum(np.inf if p.quota is None and np.isinf(p.most) else p.limit * PIECE for p in portions)

    def draw(tokens: float) -> list[Drawn]:
        total = max(1, round(tokens / PIECE))
        due_S = Shares(portions, total, plan.anneal_fraction).due_at(total).tolist()
        rows = zip(corpus.sources, tokens_S, due_S, strict=True)
        return [Drawn(source.name, unique, tokens * due / total) for source, unique, due in rows]

    return draw, most


def drawn_of(source: Mixture | MixedStreams, share: float = 1.0) -> list[Drawn]:
    """What the first part of a run, or all of it, reads of each source."""
    given = source.given(round(share * source.total)).tolist()
    return [
        Drawn(row.source, row.n_tokens, n * source.objective.stride) for row, n in zip(source.rows, given, strict=True)
    ]


def dose_settings(flat: dict) -> dict:
    """Of the corpus's settings, those that say how often each source is read."""
    names = ("temperature", "anneal_fraction")
    doses = [{name: source[name] for name in ("name", *DOSES)} for source in flat["corpus.sources"]]
    return {"corpus.sources": doses} | {f"corpus.{name}": flat[f"corpus.{name}"] for name in names} if doses else {}


def bytes_per_token(source: Mixture | MixedStreams) -> float:
    """Of the tokens that a whole run reads."""
    per_token_S = np.array([row.n_bytes / row.n_tokens for row in source.rows])
    return float(np.average(per_token_S, weights=source.given(source.total)))


@dataclass(frozen=True)
class Row:
    """One source in the table of a mixture; `share` is of the tokens that a whole run reads."""

    source: str
    documents: int
    tokens: int
    weight: str
    share: float
    drawn: int
    epochs: float


def table(recipe: Recipe, source: Mixture | MixedStreams) -> list[Row]:
    """What a whole run draws from each source."""
    given, rows = source.given(source.total).tolist(), []
    for asked, row, n in zip(recipe.corpus.sources, source.rows, given, strict=True):
        drawn = n * source.objective.stride
        rows.append(Row(
            row.source, row.n_documents, row.n_tokens, _weight(asked, recipe.corpus.temperature),
            n / source.total, drawn, drawn / row.n_tokens,
        ))  # fmt: skip
    return rows


def _weight(asked, temperature: float) -> str:
    if asked.tokens is not None:
        return f"{show_count(asked.tokens)} tokens"
    if asked.weight is None:
        return "by size" if temperature == 1 else f"size^{temperature:g}"
    return f"{asked.weight:g}" + ("" if asked.anneal_weight is None else f" to {asked.anneal_weight:g}")


def warnings(recipe: Recipe, source: Mixture | MixedStreams, rows: list[Row]) -> list[str]:
    """What a person should know before a run begins."""
    found = [
        f"{row.source} is read {row.epochs:.1f} times: beyond {GOOD_EPOCHS} passes repeats teach less and less "
        "(arXiv 2305.16264)"
        for row in rows
        if row.epochs > GOOD_EPOCHS
    ]
    for number, when in source.shares.used_up.items():
        if when < source.shares.total:
            step = round(recipe.train.steps * when / source.shares.total)
            found.append(f"{rows[number].source} has given all it may at step {step:,}: its share goes to the others")
    if source.shares.quotas_met < 1:
        found.append(f"the run is shorter than the quotas together: each is met to {source.shares.quotas_met:.1%}")
    if recipe.train.budget_seconds:
        found.append("train.budget_seconds may end the run sooner: quotas and passes are those of all its steps")
    return found


def show_mixture(recipe: Recipe, source: Mixture | MixedStreams, progress: Progress) -> list[dict]:
    """The table and its warnings, for people and for `--json`."""
    rows = table(recipe, source)
    shown = [
        [row.source, f"{row.documents:,}", show_count(row.tokens), row.weight, f"{row.share:.1%}",
         show_count(row.drawn), f"{row.epochs:.2f}"]
        for row in rows
    ]  # fmt: skip
    titles = ["source", "documents", "tokens", "weight", "share", "tokens drawn", "epochs"]
    progress.table(titles, shown, title="mixture of sources", result=True)
    for warning in warnings(recipe, source, rows):
        progress.warn(warning)
    return [vars(row) for row in rows]


def mixture_rows(job: Job, ready: Prepared) -> list[dict] | None:
    """The same table without a word; None where the recipe mixes nothing."""
    if not mixes(job.recipe):
        return None
    from idiolect.stages.training import source_of  # it builds on this module

    return [vars(row) for row in table(job.recipe, source_of(job, ready))]


def mixes(recipe: Recipe) -> bool:
    """Whether the trainer reads sources by a schedule of their own."""
    return is_mixed(recipe.corpus.sources, recipe.corpus.temperature)
