"""What each contender's model is worth as a classifier: macro-F1 of every seed, beside TF-IDF on the same text."""

from dataclasses import replace

import numpy as np

from idiolect.config import flatten
from idiolect.config_load import Loaded
from idiolect.recipe import Recipe
from idiolect.rundir import RunDir, fingerprint, read_json, write_json
from idiolect.stages.entries import Entry
from idiolect.stages.finetuning import examples_of, fingerprint_of, fit_and_score
from idiolect.stages.job import recorded
from idiolect.stages.trials import Hushed
from idiolect.stages.weights import pick_checkpoint, weights_hash
from idiolect.tune.compare import compare, mean_interval

UNIT = "macro-F1"


def has_task(recipe: Recipe) -> bool:
    """Whether the recipe names labelled examples: files of a task, or a column of labels in its corpus."""
    return bool(recipe.finetune.task.train or recipe.corpus.label_column)


def classified(comparison) -> dict:
    """Macro-F1 of each contender's classifiers and of TF-IDF on its text, and the verdicts on every pair."""
    rows, scores, words = {}, {}, {}
    # What counts has no hidden states for a head to read.
    for entry in (entry for entry in comparison.entries if entry.one.role != "counted"):
        runs = [classifier_scores(comparison, entry, run) for run in entry.runs if "score" in run]
        if runs:
            name = entry.one.name
            scores[name] = [run["scores"]["macro_f1"]["value"] for run in runs]
            words[name] = runs[0]["baselines"]["tf_idf"]["macro_f1"]["value"]
            rows[name] = {
                "macro_f1": share_interval(scores[name]), "tf_idf_macro_f1": words[name],
                "n": runs[0]["scores"]["macro_f1"]["n"], "runs": scores[name],
            }  # fmt: skip
    # The machinery of verdicts holds the lower score for the better one.
    pairs = compare({name: [-score for score in values] for name, values in scores.items()}, unit=UNIT)
    return {"classifier": rows, "classifier_pairs": [vars(pair) for pair in pairs]}


def share_interval(values: list[float]) -> dict:
    """`mean_interval` of shares: Student's doesn't know that there is nothing below 0 and above 1."""
    found = mean_interval(values)
    return found | {end: float(np.clip(found[end], 0, 1)) for end in ("low", "high")}


def classifier_scores(comparison, entry: Entry, run: dict) -> dict:
    """The scores of the classifier that starts from one run's weights; it is not fitted twice."""
    folder = comparison.folder / run["folder"]
    recipe, _ = comparison.trial(entry, "run", entry.rate or entry.one.learning_rate, run["seed"])
    quiet = Hushed(quiet=comparison.job.progress.quiet)
    parent = replace(comparison.job, loaded=Loaded(recipe, {}), run=RunDir(folder), progress=quiet)
    splits, checkpoint = examples_of(parent, entry.one.ready), pick_checkpoint(parent, "best")
    decides = fingerprint(flatten(recipe.finetune), weights_hash(checkpoint), fingerprint_of(splits))
    job = replace(parent, run=RunDir(folder / f"classifier-{decides[:12]}"))
    result = job.run.path / "finetune.json"
    if not result.exists():
        comparison.job.progress.say(f"{entry.one.name}, seed {run['seed']}: fitting the classifier")
        with recorded(job):
            write_json(result, fit_and_score(parent, job, entry.one.ready, checkpoint, splits))
    return read_json(result)
