"""One variation of a recipe as an ordinary run, for searches and comparisons; its result is kept and never made twice.

A trial's folder is named by the fingerprint of all that decides its result. A trial that was killed goes on from its
last checkpoint; one that diverged is kept as a result, too.
"""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from idiolect.config import flatten
from idiolect.config_load import Loaded
from idiolect.device import forget_peak_memory
from idiolect.errors import DataError, NumericsError
from idiolect.evaluate.figures import TokenScores
from idiolect.progress import Progress, read_metrics
from idiolect.recipe import Recipe
from idiolect.rundir import RunDir, content_hash, fingerprint, read_json, write_atomic, write_json
from idiolect.stages.job import RECORD, Job, recorded
from idiolect.stages.prepared import Prepared, prepared
from idiolect.stages.scoring import split_score
from idiolect.stages.training import deciding_settings, trained
from idiolect.stages.weights import load_model, pick_checkpoint

RESULT, NATS = "result.json", "nats.npy"
METRICS = ("validation_bits_per_byte", "validation_nats")
WARM_STEPS = 2  # that allocate and choose kernels: left out of a pace


class Hushed(Progress):
    """The console of a command inside which a run is one of many: bars and warnings are shown, news is not."""

    def say(self, text: str = "") -> None:
        """Nothing: the trial's result is the news."""

    def heading(self, text: str) -> None:
        """Nothing."""


def run_trial(job: Job, loaded: Loaded[Recipe], folder: Path, ready: Prepared | None = None) -> Job:
    """Train a variation in a folder of its own, or finish its training."""
    one = replace(job, loaded=loaded, run=RunDir(folder))
    with recorded(one):
        trained(one, ready or prepared(one))
    return one


def trial_name(
    kind: str, recipe: Recipe, ready: Prepared, forecast: bool = False, split: str = "", points: int = 1
) -> str:
    """The folder of a trial: its kind, and the fingerprint of what decides its result.

    With `forecast` the number of steps is one, no decision: the budget of time decides. `points` is how often the run
    is scored on its way, which a budget of time pays for, and of which the best one is kept.
    """
    decides = deciding_settings(flatten(recipe)) | {"ids": ready.hash, "scored": flatten(recipe.evaluate)}
    if forecast:
        decides.pop("train.steps")
    return f"{kind}-{fingerprint(kind, decides, split, points)[:12]}"


def result_of(folder: Path) -> dict | None:
    """The result of a trial that is finished."""
    return read_json(folder / RESULT) if (folder / RESULT).exists() else None


def measured(job: Job, recipe: Recipe, ready: Prepared, folder: Path, split: str = "", keep: bool = False) -> dict:
    """The result of a trial, which is run unless it stands: what it cost, its curve, and its score on `split`, if any.

    `{"failed": why}` when it diverged. Without `keep` its checkpoints are deleted once the result is there.
    """
    found = result_of(folder)
    if found is None:
        quiet = job.progress.quiet
        shown = replace(job, progress=Hushed(quiet=quiet))
        held = forget_peak_memory(job.device)
        try:
            one = run_trial(shown, Loaded(recipe, {}), folder, ready)
            found = spent(one) | {"memory_bytes": max(0, job.device.memory_bytes() - held)}
            if split:
                with recorded(one):
                    found["score"] = scored(one, ready, split)
        except NumericsError as failure:
            found = {"failed": failure.what}
        write_json(folder / RESULT, found)
    if not keep:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return found


def spent(one: Job) -> dict:
    """What a finished run cost and how it went: steps, tokens, seconds, and its curve."""
    record, lines = read_json(one.run.path / RECORD), read_metrics(one.run.metrics)
    outcome = record["outcome"]
    speeds = [line["tokens_per_second"] for line in lines[1:] or lines if line.get("tokens_per_second")]
    metric = next((name for name in METRICS if any(name in line for line in lines)), "")
    curve = [[line["seconds"], line["tokens"], line[metric]] for line in lines if metric and metric in line]
    return {
        "steps": outcome["step"],
        "tokens": outcome["tokens"],
        "seconds": outcome["seconds"],
        "tokens_per_second": float(np.median(speeds)) if speeds else None,
        "metric": metric,
        "curve": curve,
        "validation": curve[-1][2] if curve else None,
    }


def scored(one: Job, ready: Prepared, split: str) -> dict:
    """The best checkpoint's score on a split; each token's nats are left beside it for paired comparisons."""
    model = load_model(one, ready.vocabulary_of(one.recipe), pick_checkpoint(one, "best"))
    found = split_score(one, ready, model, split, each=lambda prices: save_nats(one.run.path / NATS, prices))
    return {name: found[name] for name in ("bits_per_byte", "nats", "token_accuracy", "about")}


def save_nats(path: Path, found: TokenScores) -> None:
    """Positions and nats as one float64 table (2, N), whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, np.stack([found.position_N.astype(np.float64), found.nats_N]), allow_pickle=False)
    write_atomic(path, buffer.getvalue())


def nats_of(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions and nats of a trial's scored tokens."""
    if not (folder / NATS).exists():
        return None
    position_N, nats_N = np.load(folder / NATS, allow_pickle=False)
    return position_N.astype(np.int64), nats_N


def pace_of(folder: Path, result: dict) -> dict:
    """Seconds and tokens of one step, from a short run that wrote a line a step; its first steps don't count."""
    lines = read_metrics(folder / "metrics.jsonl")
    warm = min(WARM_STEPS, len(lines) - 1)
    first, last = lines[warm - 1] if warm else {"seconds": 0.0, "step": 0}, lines[-1]
    if not lines or last["step"] == first["step"]:
        raise DataError(f"{folder} has no pace", why="its short run recorded no step", fix=f"delete {folder}")
    return {
        "seconds_per_step": (last["seconds"] - first["seconds"]) / (last["step"] - first["step"]),
        "tokens_per_step": result["tokens"] / result["steps"],
    }


def same_ids(first: Prepared, second: Prepared, split: str) -> bool:
    """Whether two preparations hold a split as the very same token ids."""
    return content_hash(first.ids, f"{split}*") == content_hash(second.ids, f"{split}*")
