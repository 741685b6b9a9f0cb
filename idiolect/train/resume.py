"""How a run is taken up again, as if it had never stopped: tensors, counters, random states, settings.

On a CPU the resumed run is bitwise the uninterrupted one, so everything that the next step or the next line of
metrics.jsonl depends on is in the checkpoint. Start at `take_up`.
"""

import base64
from collections.abc import Collection
from typing import Any

import torch

from idiolect import distributed
from idiolect.errors import CheckpointError, RecipeError
from idiolect.progress import MetricsLog
from idiolect.train.best import judge
from idiolect.train.checkpoint import Checkpoint
from idiolect.train.figures import NAMES
from idiolect.train.state import Interval, Session, State

FORMAT = 1


def snapshot(session: Session) -> dict[str, Any]:
    """state.json: everything besides tensors. Called by every rank together."""
    return {
        "format": FORMAT,
        "state": session.state.to_json(),
        "random": random_states(),
        "settings": session.training.settings,
        "environment": environment(),
    }


def take_up(session: Session) -> None:
    """Restore the newest valid checkpoint if there is one, and make sure that the next can be written.

    Raises CheckpointError, RecipeError when a changed setting forbids it, ResourceError.
    """
    training = session.training
    store, metrics = training.checkpoints, training.metrics
    found = store.latest_valid(training.progress.warn) if store is not None else None
    if found is not None:
        restore(session, found)
    tensors = training.tensors()
    distributed.barrier()
    if distributed.is_main() and store is not None:
        store.prepare(tensors)
    if metrics is not None:
        _take_up_row(session, metrics)


def _take_up_row(session: Session, metrics: MetricsLog) -> None:
    """Drop the lines that will be written again. If this step's line holds scores, its probes have run: keep both."""
    state = session.state
    written = next((row for row in metrics.read() if row["step"] == state.step), {})
    if set(written) - set(NAMES):
        judge(session, written)
        session.probed_step, state.interval = state.step, Interval()
    distributed.barrier()
    if distributed.is_main():
        metrics.rewind(state.step if session.probed_step == state.step else state.step - 1)


def restore(session: Session, found: Checkpoint) -> None:
    """Put a verified checkpoint's content back where it was taken from."""
    training, saved = session.training, found.state
    if saved.get("format") != FORMAT:
        raise CheckpointError(
            f"{found.path.name} was written by another version of Idiolect",
            why=f"its format is {saved.get('format')}, this version reads {FORMAT}",
            fix="resume with the version that wrote it, or start a new run with --name",
        )
    for change in compatibility(saved["settings"], training.settings, training.breaking_keys):
        training.progress.say(f"resuming with a changed setting: {change}")
    for name, value in environment().items():
        was = saved["environment"].get(name)
        if was != value:
            training.progress.warn(f"{name} was {was} and is {value}: results may differ in the last bits")
    place = str(training.device.torch)
    training.bare_model.load_state_dict(found.tensors("weights", place))
    training.optimiser.load_tensors(found.tensors("optimiser"))
    if training.average is not None:
        training.average.load_tensors(found.tensors("average", place))
    if training.carry is not None:
        training.carry.load_tensors(found.tensors("carry", place))
    session.state = State.from_json(saved["state"])
    if not training.config.budget_seconds:
        session.state.total_steps = training.config.steps
    if not restore_random_states(saved["random"]):
        training.progress.warn("another number of processes or another device: dropout draws other numbers from here")
    session.saved_step = session.state.step
    training.progress.say(f"resuming at step {session.state.step:,} from {found.path.name}")


def random_states() -> dict[str, list[str]]:
    """The global generators dropout draws from, one entry a rank, as base64. Called by every rank together."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    together_on = "cuda" if torch.cuda.is_available() else "cpu"
    found = {}
    for kind, state in states.items():
        rows = torch.zeros(distributed.world_size(), state.numel(), dtype=torch.int32, device=together_on)
        rows[distributed.rank()] = state.to(rows)
        rows = distributed.all_reduce_sum(rows).to("cpu", torch.uint8)
        found[kind] = [base64.b64encode(row.numpy().tobytes()).decode() for row in rows]
    return found


def restore_random_states(saved: dict[str, list[str]]) -> bool:
    """Put this rank's generators where they were. False when the ranks or devices are not those of before."""
    here = {"cpu": torch.set_rng_state}
    if torch.cuda.is_available():
        here["cuda"] = torch.cuda.set_rng_state
    whole = set(saved) == set(here)
    for kind, put_back in here.items():
        rows = saved.get(kind, [])
        if len(rows) != distributed.world_size():
            whole = False
            continue
        put_back(torch.frombuffer(bytearray(base64.b64decode(rows[distributed.rank()])), dtype=torch.uint8))
    return whole


def compatibility(saved: dict[str, Any], now: dict[str, Any], breaking_keys: Collection[str]) -> list[str]:
    """Compare the settings a checkpoint was saved under with today's (flat: dotted key to value).

    Returns the harmless changes as "key: old -> new". Raises RecipeError naming the first changed key that the state
    can't survive; a key of `breaking_keys` covers what lies below it ("model" covers "model.d_model").
    """
    changed = [key for key in sorted({*saved, *now}) if _show(saved, key) != _show(now, key)]
    for key in changed:
        if any(key == breaking or key.startswith(f"{breaking}.") for breaking in breaking_keys):
            raise RecipeError(
                f"{key} = {_show(now, key)} can't resume a run that was started with {key} = {_show(saved, key)}",
                why="the weights or the optimiser's state saved so far would not fit, or would mean something else",
                fix=f"--{key}={_show(saved, key)} to go on, or another --name to start anew",
            )
    return [f"{key}: {_show(saved, key)} -> {_show(now, key)}" for key in changed]


def _show(values: dict[str, Any], key: str) -> str:
    # Compared as JSON would store them: a tuple comes back as a list.
    value = values.get(key, "(unset)")
    return str(list(value)) if isinstance(value, (tuple, list)) else str(value)


def environment() -> dict[str, Any]:
    """What bits depend on besides the recipe; a change is told, not refused."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "ranks": distributed.world_size(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
