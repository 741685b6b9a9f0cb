"""Checkpoints: whole or absent, verified before use, and the newest valid one is found again.

    checkpoints/
      step-000500/    weights.safetensors  optimiser.safetensors  [average.safetensors]  state.json  manifest.json
      step-001000/    ...
      best.json       which step scored best

A folder is written under a temporary name, flushed, given its manifest (size and SHA-256 of each file), renamed, and
only then are older ones retired. Valid means that the manifest verifies. Tensors and JSON only: nothing here can run
code when it is loaded. Start at `CheckpointStore.save` and `.latest_valid`.
"""

import contextlib
import json
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from idiolect import faults
from idiolect.errors import CheckpointError, DataError, ResourceError
from idiolect.progress import show_bytes
from idiolect.rundir import (
    TEMPORARY,
    disk_error,
    fsync_path,
    is_complete,
    new_folder,
    read_json,
    verify_folder,
    write_json,
)

STEP_FOLDER = re.compile(r"step-(\d+)")
BEST = "best.json"
STATE = "state.json"
# A safetensors header takes about this much a tensor; state and manifest this much together.
HEADER_BYTES = 120
STATE_BYTES = 16_000


@dataclass(frozen=True)
class Checkpoint:
    """One verified checkpoint; tensors are read when asked for, so that no second copy of the state is held."""

    step: int
    path: Path
    state: dict[str, Any]

    def parts(self) -> list[str]:
        """The names under which tensors were saved: weights, optimiser, average."""
        return sorted(p.stem for p in self.path.glob("*.safetensors"))

    def tensors(self, part: str, device: str = "cpu") -> dict[str, Tensor]:
        """The tensors of one part by name. Raises CheckpointError when the part is not there."""
        path = self.path / f"{part}.safetensors"
        if not path.is_file():
            raise CheckpointError(
                f"{self.path.name} holds no {part}",
                why=f"it holds {', '.join(self.parts()) or 'no tensors'}: it was saved by a run with other settings",
                fix="resume with the settings it was saved with, or start a new run with --name",
            )
        with safe_open(path, framework="pt", device=device) as file:
            return {name: file.get_tensor(name) for name in file.keys()}


class CheckpointStore:
    """The checkpoints of one run: the newest `keep` and the best one."""

    def __init__(self, folder: Path, keep: int = 2):
        assert keep >= 1, keep
        self.folder, self.keep = Path(folder), keep

    def path(self, step: int) -> Path:
        """Where a step's checkpoint lies."""
        return self.folder / f"step-{step:06d}"

    def steps(self) -> list[int]:
        """Steps whose folder was finished, in the order of their numbers."""
        if not self.folder.is_dir():
            return []
        found = (STEP_FOLDER.fullmatch(p.name) for p in self.folder.iterdir() if p.is_dir() and is_complete(p))
        return sorted(int(match[1]) for match in found if match)

    def prepare(self, tensors: dict[str, dict[str, Tensor]]) -> int:
        """Before the first step: sweep leftovers, try to write, see that the checkpoints will fit.

        Returns the predicted size of one checkpoint in bytes. Raises ResourceError.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob(f"*{TEMPORARY}*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            trial = self.folder / f"trial{TEMPORARY}{uuid.uuid4().hex[:8]}"
            trial.write_bytes(b"x")
            trial.unlink()
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise disk_error(error, self.folder) from error
        size = predicted_bytes(tensors)
        # One more than is kept lies there while the new one is verified, and the best one besides.
        needed = size * max(1, self.keep + 2 - len(self.steps()))
        if free < needed:
            raise ResourceError(
                f"checkpoints need {show_bytes(needed)}, and {show_bytes(free)} are free in {self.folder}",
                why=f"one is {show_bytes(size)}; up to {self.keep + 2} lie there at once (train.keep = {self.keep})",
                fix="free some space, a smaller --train.keep, or --runs=/another/disk/runs",
            )
        return size

    def save(self, step: int, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> Path:
        """Write a step's checkpoint, then retire what is no longer kept. Returns its folder.

        `tensors` maps a part (weights, optimiser, average) to named tensors. A valid checkpoint is never overwritten.
        Raises ResourceError when it can't be written: every older checkpoint then stands as it stood.
        """
        final = self.path(step)
        self._clear_the_way(final)
        with new_folder(final, point="checkpoint") as folder:
            for part, named in tensors.items():
                contiguous = {name: tensor.detach().contiguous() for name, tensor in named.items()}
                try:
                    save_file(contiguous, folder / f"{part}.safetensors")
                except SafetensorError as error:
                    raise _write_error(error, folder / f"{part}.safetensors") from error
                faults.reached("checkpoint.after_file")
            (folder / STATE).write_text(json.dumps(state, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            faults.reached("checkpoint.after_file")
        self._retire(step)
        return final

    def _clear_the_way(self, final: Path) -> None:
        """A folder of this name is here only if we fell back past it because it is damaged."""
        if not final.exists():
            return
        with contextlib.suppress(DataError):
            verify_folder(final)
            raise CheckpointError(
                f"{final} exists and is valid",
                why="a checkpoint is never overwritten, so that no moment exists without a valid one",
                fix="resume from it, or start a new run with --name",
            )
        self._remove(final)

    def mark_best(self, step: int, metric: str, value: float) -> None:
        """Record the best step so far; its checkpoint is kept from now on."""
        write_json(self.folder / BEST, {"step": step, "metric": metric, "value": value})

    @property
    def best(self) -> dict[str, Any] | None:
        """{step, metric, value} of the best checkpoint, or None when none was marked or it is gone.

        Raises CheckpointError when the mark can't be read: the best one might be retired for want of it.
        """
        path = self.folder / BEST
        if not path.is_file():
            return None
        try:
            best = read_json(path)
            if not isinstance(best["step"], int):
                raise TypeError(f"its step is {best['step']!r}")
        except (DataError, TypeError, KeyError) as error:
            raise CheckpointError(
                f"{path} is damaged, so the best checkpoint is not known",
                why=f"{type(error).__name__}: {error}".splitlines()[0],
                fix=f"copy the checkpoint you want to keep elsewhere, delete {BEST}, and go on with the newest",
            ) from error
        return best if is_complete(self.path(best["step"])) else None

    def latest_valid(self, report: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint that verifies, or None when there are none; `report` is told of each damaged one.

        Raises CheckpointError when there are checkpoints and none can be used.
        """
        damaged = []
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except CheckpointError as error:
                damaged.append(error.what)
                report(f"{error.what}: {error.why}; trying the one before it")
        if damaged:
            raise CheckpointError(
                f"none of the {len(damaged)} checkpoints in {self.folder} can be used",
                why="; ".join(damaged),
                fix="check the disk, restore the folder from a copy, or start a new run with --name",
            )
        return None

    def load(self, step: int) -> Checkpoint:
        """Verify and open one step's checkpoint. Raises CheckpointError naming the damaged file."""
        folder = self.path(step)
        try:
            verify_folder(folder)
            state = read_json(folder / STATE)
        except DataError as error:
            raise CheckpointError(
                f"checkpoint {folder.name} is damaged",
                why=f"{error.what}" + (f" ({error.why})" if error.why else ""),
                fix="resume uses the one before it; nothing else needs to be done",
            ) from error
        return Checkpoint(step, folder, state)

    def _retire(self, newest: int) -> None:
        """Remove what is neither among the newest `keep` nor the best, once the newest has been read back whole."""
        steps = self.steps()
        best = self.best
        older = [step for step in steps if step <= newest]
        kept = {*older[-self.keep :], *([best["step"]] if best else [])}
        doomed = [step for step in older if step not in kept] + [step for step in steps if step > newest]
        if not doomed:
            return
        self.load(newest)
        for step in doomed:
            # What lies beyond the newest was passed over as damaged when we resumed. Valid ones stay.
            if step > newest:
                with contextlib.suppress(CheckpointError):
                    self.load(step)
                    continue
            self._remove(self.path(step))

    def _remove(self, folder: Path) -> None:
        """Rename first: a kill half-way through the deletion must not leave a step folder with files missing."""
        aside = folder.with_name(f"{folder.name}{TEMPORARY}{uuid.uuid4().hex[:8]}")
        try:
            faults.reached("checkpoint.before_retire")
            folder.rename(aside)
            fsync_path(self.folder)
            shutil.rmtree(aside)
        except OSError as error:
            raise disk_error(error, folder) from error


def predicted_bytes(tensors: dict[str, dict[str, Tensor]]) -> int:
    """Size of a checkpoint of these tensors, within 5 % (the state counted as 16 kB)."""
    every = [tensor for named in tensors.values() for tensor in named.values()]
    return sum(t.numel() * t.element_size() + HEADER_BYTES for t in every) + STATE_BYTES


def _write_error(error: SafetensorError, path: Path) -> Exception:
    """safetensors reports a full disk as its own error, with the errno only in the text."""
    found = re.search(r"os error (\d+)|code: (\d+)", str(error))
    if not found:
        return error
    number = int(found[1] or found[2])
    return OSError(number, str(error))
