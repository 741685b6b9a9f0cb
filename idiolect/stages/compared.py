"""What a comparison leaves: the table and verdicts on the console, compare.json, the page, Markdown and the plot."""

from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from idiolect import rundir
from idiolect.progress import show_count, show_seconds
from idiolect.report import comparison as page
from idiolect.stages import allotting
from idiolect.stages.easier import note_of
from idiolect.stages.job import Job, lineage
from idiolect.stages.variations import AS_IT_IS
from idiolect.tune.compare import Pair, at_common_points, mean_interval

JSON, PAGE, MARKDOWN, PLOT = "compare.json", "compare.html", "compare.md", "compare.svg"


def show_plan(comparison) -> None:
    """Who is compared, and what the budget comes to for each."""
    config, rows = comparison.config, []
    for entry in comparison.entries:
        one, pace = entry.one, entry.pace
        if pace is None:
            rows.append([one.name, "counts", "-", "-", "-", "-", "-"])
            continue
        rows.append([
            one.name, f"{one.parameters:,}", "-" if one.mismatch is None else f"{one.mismatch:+.1%}", shape(one),
            f"{entry.steps:,}", show_count(entry.steps * pace["tokens_per_step"]),
            show_seconds(entry.steps * pace["seconds_per_step"]),
        ])  # fmt: skip
    counted = "parameters" if config.embeddings_count else "parameters besides embeddings and head"
    comparison.job.progress.heading(f"Comparing {len(rows)} at {comparison.budget.text}")
    comparison.job.progress.table(["", counted, "off", "layers x width", "steps", "tokens", "a run takes"], rows)


def shape(one) -> str:
    """Layers and width of a model, as far as it has them."""
    layers, width = getattr(one.recipe.model, "n_layers", None), getattr(one.recipe.model, "d_model", None)
    return " x ".join(str(value) for value in (layers, width) if value) or "-"


def as_data(comparison, pairs: list[Pair]) -> dict:
    """The whole comparison as plain values; what compare.json, --json and the page hold."""
    job, config = comparison.job, comparison.config
    listed = sorted((contender(comparison, entry) for entry in comparison.entries), key=rank)
    shards = comparison.entries[0].one.ready.split(comparison.split)
    return {
        "name": job.run.name,
        "folder": str(comparison.folder),
        "budget": {"kind": comparison.budget.kind, "amount": comparison.budget.amount, "text": comparison.budget.text},
        "parameters": config.parameters or None,
        "embeddings_count": config.embeddings_count,
        "split": comparison.split,
        "scored_tokens": shards.n_tokens,
        "scored_bytes": shards.n_bytes,
        "seeds": config.seeds,
        "search": {"rates": list(config.rates), "share": config.search_share, "widenings": config.widenings},
        "contenders": listed,
        "pairs": [asdict(pair) for pair in pairs],
        "verdicts": headline(pairs, listed, AS_IT_IS if comparison.ablates else ""),
        "notes": notes(comparison, listed),
        "lineage": {key: value for key, value in lineage(job).items() if key != "commands"},
    }


def rank(row: dict) -> tuple:
    """Scored contenders first, the best first; then those apart; then those that failed."""
    score = row["bits_per_byte"]
    return (bool(row["failed"]) or score is None, row["role"] == "apart", score["value"] if score else 0.0)


def contender(comparison, entry) -> dict:
    """One contender's row: what it is, what it was given, what it reached, what it cost."""
    one, done = entry.one, [run for run in entry.runs if "failed" not in run]
    flops = entry.pace["flops_per_token"] if entry.pace else 0
    mean = {key: fmean(values) if (values := [run[key] for run in done if run.get(key) is not None]) else None
            for key in ("steps", "tokens", "seconds", "tokens_per_second", "memory_bytes")}  # fmt: skip
    return {
        "name": one.name,
        "kind": one.recipe.model.kind,
        "role": one.role,
        "shape": shape(one),
        "parameters": one.parameters,
        "mismatch": one.mismatch,
        "flops_per_token": flops,
        "usual_learning_rate": one.learning_rate,
        "learning_rate": entry.rate,
        "at_edge": entry.at_edge,
        "search": entry.search,
        "runs": [
            {"seed": run["seed"], "folder": run["folder"], "failed": run.get("failed", ""),
             "bits_per_byte": run["score"]["bits_per_byte"]["value"] * one.scale if "score" in run else None}
            for run in entry.runs
        ],
        "bits_per_byte": mean_interval(entry.scores) if entry.scores else None,
        "over_text": scaled(done[0]["score"]["bits_per_byte"], one.scale) if done and "score" in done[0] else None,
        "scored_as": done[0]["score"]["about"].get("kind", "probability") if done and "score" in done[0] else None,
        "failed": entry.failed,
        "curves": curves(done, one.scale, flops),
    } | mean  # fmt: skip


def scaled(score: dict, factor: float) -> dict:
    """A score with its interval in another unit."""
    return score | {key: score[key] * factor for key in ("value", "low", "high")}


def curves(runs: list[dict], scale: float, flops: int) -> dict:
    """Bits per byte on the way against seconds, FLOPs and tokens; mean and band over seeds at common points."""
    known = [run for run in runs if run["metric"] == "validation_bits_per_byte"]
    if not flops or not known:
        return {}
    axes = {
        "seconds": lambda point: point[0],
        "flops": lambda point: point[1] * flops,
        "tokens": lambda point: point[1],
    }
    return {
        axis: at_common_points([[(place(point), point[2] * scale) for point in run["curve"]] for run in known])
        for axis, place in axes.items()
    }


def headline(pairs: list[Pair], listed: list[dict], against: str = "") -> list[str]:
    """The verdicts that are printed: one (the best, if none is named) against every other. All are in `pairs`."""
    if not pairs:
        return []
    one = against or pairs[0].first
    said = [pair.verdict for pair in pairs if one in (pair.first, pair.second)]
    return said + [
        f"{row['name']} stands apart: its pseudo-likelihood is no probability of the text, so it is in no verdict"
        for row in listed if row["role"] == "apart" and row["bits_per_byte"]
    ]  # fmt: skip


def notes(comparison, listed: list[dict]) -> list[str]:
    """What a reader must know to trust the table, or not."""
    config, split, said = comparison.config, comparison.split, []
    n_pairs = sum(row["bits_per_byte"] is not None and row["role"] != "apart" for row in listed)
    said.append(
        f"Scores are bits per byte of the {split} text at each run's best evaluation; ± is Student's 95 % interval "
        f"over {config.seeds} seeds." if config.seeds > 1
        else f"Scores are bits per byte of the {split} text, one seed each: without intervals, nobody wins."
    )  # fmt: skip
    if n_pairs > 2 and config.seeds > 1:
        said.append("Differences are Welch's; a winner must hold under Holm's adjustment for all pairs.")
    if split == "validation":
        said.append(
            "Nothing was held out for test: learning rates were chosen on the text that is scored, alike for all."
        )
    if comparison.searches:
        said.append(
            f"Each was given {len(config.rates)} learning rates, {config.search_share:.3g} of the budget each, and "
            f"{config.widenings} more where the best was at an end."
        )
    edge = [row["name"] for row in listed if row["at_edge"]]
    if edge:
        said.append(f"Best at an end of what was tried, so perhaps better beyond: {', '.join(edge)}.")
    few = [row["name"] for row in listed if row["role"] != "counted" and row["steps"]
           and row["steps"] < allotting.FEW_STEPS]  # fmt: skip
    if few:
        said.append(f"Fewer than {allotting.FEW_STEPS} steps, too few to judge: {', '.join(few)}.")
    easier = [f"{entry.one.name}: {note}" for entry in comparison.entries if (note := note_of(entry.one.recipe))]
    said += [note + "." for note in easier]
    if comparison.ablates:
        said.append(
            "Each has one setting of the recipe changed; all are scored on the documents that all of them hold out. "
            "Near copies of these, where they are kept, may stand in what is learned from."
        )
    if any(entry.one.scale != 1 for entry in comparison.entries):
        said.append("The variations changed the held-out text: bytes are those of the text that was changed least.")
    return said


def with_classifiers(data: dict, found: dict) -> dict:
    """The comparison with what its models are worth as classifiers; verdicts name what is measured."""
    said = headline([Pair(**pair) for pair in found["classifier_pairs"]], [], AS_IT_IS)
    return data | found | {"verdicts": data["verdicts"] + [f"as classifiers: {verdict}" for verdict in said]}


def leave(job: Job, folder: Path, data: dict) -> None:
    """Write the files and show the table and the verdicts."""
    rundir.write_json(folder / JSON, data)
    rundir.write_atomic(folder / PAGE, page.render(data))
    rundir.write_atomic(folder / PLOT, page.plot(data))
    rundir.write_atomic(folder / MARKDOWN, page.markdown(data, PLOT))
    rows = [[plain(cell) for cell in row] for row in page.rows(data)]
    job.progress.table(list(page.HEAD), rows, title=f"bits per byte at {data['budget']['text']}", result=True)
    if data.get("classifier"):
        show_classifiers(job, data)
    for verdict in data["verdicts"]:
        job.progress.show(verdict)
    for note in data["notes"]:
        job.progress.say(note)
    job.progress.show(f"page: {folder / PAGE}   table: {folder / MARKDOWN}   plot: {folder / PLOT}")


def show_classifiers(job: Job, data: dict) -> None:
    """Macro-F1 of the classifiers that start from each contender's weights, and of TF-IDF on the same text."""
    rows = [
        [name, f"{row['macro_f1']['value']:.3f} ({row['macro_f1']['low']:.3f} to {row['macro_f1']['high']:.3f})",
         f"{row['tf_idf_macro_f1']:.3f}", f"{row['n']:,}"]
        for name, row in data["classifier"].items()
    ]  # fmt: skip
    job.progress.table(["", "macro-F1 (95 %)", "TF-IDF", "test examples"], rows, title="as classifiers", result=True)


def plain(cell: object) -> str:
    """A cell for the console, whose fonts lack the narrow space."""
    return str(cell).replace("\u202f", " ")
