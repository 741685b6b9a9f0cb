"""Every byte of a run against the hashes that were taken when it was written."""

from idiolect.errors import DataError
from idiolect.rundir import PREPARED, verify_folder
from idiolect.stages.job import Job, complete_steps, record_of
from idiolect.tokenizer import shards


def verified(job: Job) -> dict:
    """Check the run's stages and checkpoints. Raises DataError when any is damaged."""
    folders = [job.runs / PREPARED / name for name in stage_names(job)]
    checkpoints = [job.run.checkpoints / f"step-{step:06d}" for step in complete_steps(job.run)]
    if not folders and not checkpoints:
        raise DataError(f"the run {job.run.name} holds nothing to verify", why="nothing has been prepared or trained",
                        fix="idiolect run RECIPE")  # fmt: skip
    found, damaged = {}, []
    with job.progress.bar("verifying", len(folders) + len(checkpoints), "folders") as bar:
        for folder in [*folders, *checkpoints]:
            try:
                verify_folder(folder)
                if folder.name.startswith("shards-"):
                    shards.verify(folder)
                found[folder.name] = "whole"
            except DataError as error:
                found[folder.name] = error.what
                damaged.append(error)
            bar.advance()
    for name, state in found.items():
        job.progress.show(f"{name}: {state}")
    if damaged:
        first, n = damaged[0], len(damaged)
        raise DataError(
            first.what if n == 1 else f"{n} folders are damaged, the first: {first.what}", why=first.why, fix=first.fix
        )
    return {"folders": found}


def stage_names(job: Job) -> list[str]:
    """The prepared folders a run was made from; none for a task's run, whose parent names them."""
    return list(record_of(job).get("stages", {}).values())
