"""Where things lie on disk, and how they get there whole: atomic files, folders with manifests, the run's lock.

    runs/
      prepared/<stage>-<fingerprint>/   shared by every run: corpus, tokenizer, shards, floors
      <name>/                           one run: recipe, lineage, metrics, checkpoints, scores, ...

The only module that knows this layout. "Valid" means that the manifest verifies, never "the folder exists".
"""

import contextlib
import fnmatch
import hashlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from idiolect import faults
from idiolect.atomic import TEMPORARY, disk_error, fsync_path, write_atomic, write_json
from idiolect.errors import DataError, RunInUse

MANIFEST = "manifest.json"
PREPARED = "prepared"
INPUTS = "inputs.json"


def canonical_json(value: Any) -> str:
    """JSON whose text depends on the value alone: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(*parts: Any) -> str:
    """16 hex digits of the SHA-256 of JSON-able parts: the name of a stage's output."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:16]


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, streamed."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """Read JSON. Raises DataError naming the file when it is missing or broken."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing",
            why="a file of this stage or run is gone",
            fix=_anew(Path(path)),
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not valid JSON",
            why=str(error),
            fix=_anew(Path(path)),
        ) from None


def _anew(path: Path) -> str:
    # Of a stage everything is made together; a run holds weights, which must not be deleted for a file beside them.
    return _again(path.parent) if path.name == MANIFEST or is_complete(path.parent) else _again(path)


@contextlib.contextmanager
def new_folder(final: Path, point: str = "folder") -> Iterator[Path]:
    """A temporary folder that becomes `final`, whole and with its manifest, or nothing at all.

    Files are fsynced, the manifest is written last, then the folder is renamed. Leftovers of killed attempts
    at the same folder are removed first. `point` names the places where a test may inject a fault.
    """
    final = Path(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        for leftover in final.parent.glob(f"{final.name}{TEMPORARY}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = final.with_name(f"{final.name}{TEMPORARY}{uuid.uuid4().hex[:8]}")
        temporary.mkdir()
    except OSError as error:
        raise disk_error(error, final) from error
    try:
        yield temporary
        faults.reached(f"{point}.before_manifest")
        write_manifest(temporary)
        if final.exists():
            shutil.rmtree(final)
        faults.reached(f"{point}.before_rename")
        os.replace(temporary, final)
        faults.reached(f"{point}.after_rename")
        fsync_path(final.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise disk_error(error, final) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def stage(runs: Path, name: str, inputs: dict, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder of a stage's output, made by `make(folder)` unless it stands; and whether it was made now.

    The folder is named by the fingerprint of `inputs`: what the stage reads, its config, its code.
    """
    if found := standing(runs, name, inputs):
        shutil.rmtree(workspace(found), ignore_errors=True)
        return found, False
    final = Path(runs) / PREPARED / f"{name}-{fingerprint(name, inputs)}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        # Two commands that need the same stage: the second waits and then finds it made.
        with FileLock(final.with_suffix(".lock")):
            if is_complete(final):
                return final, False
            with new_folder(final) as folder:
                make(folder)
                write_json(folder / INPUTS, inputs)
            shutil.rmtree(workspace(final), ignore_errors=True)
    except OSError as error:
        raise disk_error(error, final) from error
    return final, True


def standing(runs: Path, name: str, inputs: dict) -> Path | None:
    """The folder of a stage's output if it was made already."""
    final = Path(runs) / PREPARED / f"{name}-{fingerprint(name, inputs)}"
    return final if is_complete(final) else None


def workspace(folder: Path) -> Path:
    """A folder beside an unfinished stage that outlives a killed attempt: the next one goes on from what lies there.

    `stage` removes it once the stage is sealed.
    """
    return folder.with_name(folder.name.partition(TEMPORARY)[0] + ".parts")


def content_hash(folder: Path, pattern: str = "*") -> str:
    """What a finished stage's files hold, by their manifest: equal content, equal hash, whatever made it."""
    files = {name: entry["sha256"] for name, entry in manifest_of(folder).items() if fnmatch.fnmatch(name, pattern)}
    files.pop(INPUTS, None)  # says how it was made, code version included
    return fingerprint(files)


def code_version(package: Path) -> str:
    """Hash of a room's source files: a stage whose code changed is made again."""
    return fingerprint({p.relative_to(package).as_posix(): sha256_file(p) for p in sorted(package.rglob("*.py"))})


def write_manifest(folder: Path) -> dict[str, dict]:
    """Record every file's size and SHA-256; files, then manifest, then folder are flushed to the disk."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest = {}
    for path in files:
        fsync_path(path)
        manifest[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    write_atomic(folder / MANIFEST, json.dumps({"files": manifest}, indent=1) + "\n")
    fsync_path(folder)
    return manifest


def manifest_of(folder: Path) -> dict[str, dict]:
    """The manifest's files: {relative name: {bytes, sha256}}. Raises DataError when there is none."""
    found = read_json(folder / MANIFEST)
    files = found.get("files") if isinstance(found, dict) else None
    whole = isinstance(files, dict) and all(isinstance(f, dict) and {*f} == {"bytes", "sha256"} for f in files.values())
    if not whole:
        raise DataError(
            f"{folder / MANIFEST} is damaged",
            why="it is not a manifest of ours",
            fix="delete the folder and run the same command again",
        )
    return files


def is_complete(folder: Path) -> bool:
    """Whether a stage's folder was finished (its manifest is written last)."""
    return (folder / MANIFEST).is_file()


def verify_folder(folder: Path) -> None:
    """Check every file's size and SHA-256 against the manifest. Raises DataError naming the first bad file."""
    for name, expected in manifest_of(folder).items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path} is missing", why="the manifest beside it lists it", fix=_again(folder))
        if path.stat().st_size != expected["bytes"]:
            raise DataError(
                f"{path} has {path.stat().st_size:,} bytes instead of {expected['bytes']}",
                why="it was cut or changed after it was written",
                fix=_again(folder),
            )
        if sha256_file(path) != expected["sha256"]:
            raise DataError(
                f"{path} has changed since it was written",
                why="its SHA-256 differs from the manifest's",
                fix=_again(folder),
            )


def _again(folder: Path) -> str:
    return f"delete {folder} and run the same command again"


class RunDir:
    """One run's directory: names only; nothing is created until something is written."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.lineage = self.path / "lineage.json"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples.txt"
        self.evaluation = self.path / "evaluation.json"
        self.report = self.path / "report.html"
        self.exit = self.path / "exit.json"

    @property
    def name(self) -> str:
        return self.path.name

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run directory alone. The kernel frees the lock of a dead process, so none is ever stale.

        Raises RunInUse naming the host and process that hold it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            holder = self.path / "lock.json"
            lock = FileLock(self.path / "lock", timeout=0)
            lock.acquire()
        except Timeout:
            who = {}
            with contextlib.suppress(DataError):  # it may be let go of at this very moment
                who = read_json(holder)
            raise RunInUse(
                f"{self.path} is in use by process {who.get('pid', '?')} on {who.get('host', '?')}",
                why="two processes in one run would overwrite each other's checkpoints",
                fix="wait for it, stop it, or give this run another --name",
            ) from None
        except OSError as error:
            raise disk_error(error, self.path) from error
        try:
            write_json(holder, {"pid": os.getpid(), "host": socket.gethostname()})
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def write_exit(
        self, code: int, kind: str, message: str, step: int | None = None, last_checkpoint: str | None = None
    ):
        """Record how the last process in this run ended."""
        write_json(
            self.exit,
            {"code": code, "kind": kind, "step": step, "last_checkpoint": last_checkpoint, "message": message},
        )
