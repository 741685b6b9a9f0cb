"""Run a search: every point one trial, each finished trial on disk before the next begins.

Start at `search`. All points are put in Optuna's journal first; a process then takes the next waiting one, runs it, and
writes its score. Whoever starts the same search again in the same folder finds the finished trials done, puts the one
that was running when the process died back in the queue, and goes on. The folder ends with `best.toml`, a recipe.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomlkit

from idiolect.config import flatten
from idiolect.errors import NumericsError, RecipeError
from idiolect.progress import Progress
from idiolect.rundir import RunDir, fingerprint, write_atomic, write_json
from idiolect.tune import space
from idiolect.tune.config import TuneConfig

STUDY = "search"


@dataclass(frozen=True)
class Trial:
    """One point of the search and what came of it; `state` is done, failed or waiting."""

    number: int
    state: str
    overrides: dict[str, Any]
    value: float | None = None
    seconds: float | None = None
    reason: str = ""


def search(
    config: TuneConfig,
    trial: Callable[[dict[str, Any]], float],
    folder: Path,
    progress: Progress,
    base: Path | None = None,
) -> list[Trial]:
    """Run every trial that isn't finished yet and return them all; writes `trials.json` and `best.toml` in `folder`.

    `trial(overrides)` trains with those dotted overrides and returns the score. A NumericsError or RecipeError of a
    trial (it diverged; the combination is impossible) is recorded and the search goes on; any other error ends it, and
    the trial runs again at the next start. `base` is the recipe that `best.toml` will name as its parent.
    Raises RunInUse while another process holds the folder, NumericsError when no trial succeeded.
    """
    optuna = space.require_optuna()
    folder = Path(folder)
    with RunDir(folder).lock(), quiet(optuna):
        study = open_study(optuna, config, folder)
        known = space.distributions(config)
        spent = sum(done.seconds or 0.0 for done in trials_of(study))
        total = len(study.trials)
        with progress.bar("tune", total=total, unit="trials") as bar:
            bar.update(sum(done.state != "waiting" for done in trials_of(study)))
            while waiting(optuna, study):
                if config.budget_seconds and spent >= config.budget_seconds:
                    progress.say(f"the budget of {config.budget_seconds:g} s is used up; the rest of the trials wait")
                    break
                started = time.monotonic()
                value = run_one(optuna, study, study.ask(known), trial, progress)
                spent += time.monotonic() - started
                write_results(config, study, folder, base)
                bar.advance(1, **({config.metric: value} if value is not None else {}))
        done = write_results(config, study, folder, base)
    show(config, done, progress)
    if not any(one.state == "done" for one in done) and not any(one.state == "waiting" for one in done):
        raise NumericsError(
            f"none of {len(done)} trials succeeded",
            why=f"the last one: {done[-1].reason}",
            fix="narrow [[tune.space]]: smaller learning rates, widths that divide by the heads",
        )
    return done


@contextlib.contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Optuna's own log lines would break our progress bar; our table says the same and more."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(optuna: Any, config: TuneConfig, folder: Path) -> Any:
    """The study in the folder's journal, mended after a kill, with every point of the config queued.

    Raises RecipeError when the folder holds a search over something else.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "journal.jsonl"
    mend(path)
    storage = JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
    study = optuna.create_study(
        storage=storage,
        study_name=STUDY,
        load_if_exists=True,
        direction=("maximize" if config.direction == "maximise" else "minimize"),
    )
    settings = {key: value for key, value in flatten(config).items() if key not in ("trials", "budget_seconds")}
    asked = fingerprint(settings)
    held = study.user_attrs.get("fingerprint")
    if held not in (None, asked):
        raise RecipeError(
            f"{folder} holds a search over another space",
            why="its trials can't be told from those of this one",
            fix="give this search another --name, or delete the folder",
        )
    study.set_user_attr("fingerprint", asked)
    wanted = space.points(config)
    for overrides in wanted[len(study.trials) :]:
        study.enqueue_trial(overrides)
    for frozen in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        # We hold the folder alone, so whatever still counts as running belongs to a process that died.
        storage.set_trial_state_values(frozen._trial_id, optuna.trial.TrialState.WAITING)
    return study


def mend(path: Path) -> None:
    """Undo what a killed process can leave: a journal's half-written last line, and Optuna's lock file beside it.

    Optuna appends to a half line, which then hides every later record; and it would wait 30 s for the lock.
    """
    if path.exists():
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            write_atomic(path, whole)
    for left in path.parent.glob(f"{path.name}.lock*"):
        left.unlink(missing_ok=True)


def waiting(optuna: Any, study: Any) -> bool:
    """Whether a trial is still to run."""
    return bool(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)))


def run_one(optuna: Any, study: Any, asked: Any, trial: Callable[[dict], float], progress: Progress) -> float | None:
    """Run one trial and record its score, or why it has none."""
    overrides = dict(asked.params)
    try:
        value = float(trial(overrides))
        if not math.isfinite(value):
            raise NumericsError(f"the score is {value}", why="the run diverged", fix="a smaller learning rate")
    except (NumericsError, RecipeError) as failure:
        asked.set_user_attr("reason", f"{type(failure).__name__}: {failure.what}")
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
        progress.warn(f"trial {asked.number} failed: {failure.what}")
        return None
    study.tell(asked, value)
    return value


def trials_of(study: Any) -> list[Trial]:
    """Every trial of the study as a plain value."""
    names = {"COMPLETE": "done", "FAIL": "failed"}
    return [
        Trial(
            number=frozen.number,
            state=names.get(frozen.state.name, "waiting"),
            overrides=dict(frozen.system_attrs["fixed_params"]),
            value=frozen.value if frozen.state.name == "COMPLETE" else None,
            seconds=frozen.duration.total_seconds() if frozen.duration else None,
            reason=frozen.user_attrs.get("reason", ""),
        )
        for frozen in study.get_trials(deepcopy=False)
    ]


def ranked(config: TuneConfig, trials: list[Trial]) -> list[Trial]:
    """The finished trials, the best first; of equals the earlier one."""
    sign = -1 if config.direction == "maximise" else 1
    return sorted((one for one in trials if one.state == "done"), key=lambda one: (sign * one.value, one.number))


def write_results(config: TuneConfig, study: Any, folder: Path, base: Path | None) -> list[Trial]:
    """Write `trials.json` and, once a trial succeeded, `best.toml`; returns the trials."""
    trials = trials_of(study)
    write_json(
        folder / "trials.json",
        {"metric": config.metric, "direction": config.direction, "trials": [asdict(one) for one in trials]},
    )
    best = ranked(config, trials)
    if best:
        write_atomic(folder / "best.toml", best_recipe(config, best[0], len(trials), folder, base))
    return trials


def best_recipe(config: TuneConfig, best: Trial, n_trials: int, folder: Path, base: Path | None) -> str:
    """The best trial as a short recipe over its base; the base is named relative to the folder, as recipes do."""
    document = tomlkit.document()
    document.add(tomlkit.comment(f"Trial {best.number} of {n_trials}: {config.metric} = {best.value:.6g}"))
    if base is not None:
        document.add("base", Path(os.path.relpath(Path(base).resolve(), folder.resolve())).as_posix())
    tree: dict = {}
    for key, value in sorted(best.overrides.items()):
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    for key, value in tree.items():
        document.add(key, value)
    return tomlkit.dumps(document)


def show(config: TuneConfig, trials: list[Trial], progress: Progress) -> None:
    """The trials as a table, the best first, the failed last with their reason."""
    keys = [axis.key for axis in config.space]
    rest = [one for one in trials if one.state != "done"]
    rows = [
        [one.number, f"{one.value:.4f}" if one.value is not None else one.reason or one.state,
         *(f"{value:.4g}" if isinstance(value, float) else str(value) for value in map(one.overrides.get, keys)),
         f"{one.seconds:.1f}" if one.seconds is not None else "-"]
        for one in [*ranked(config, trials), *rest]
    ]  # fmt: skip
    progress.table(["trial", config.metric, *keys, "seconds"], rows, title=f"{config.kind} search")
