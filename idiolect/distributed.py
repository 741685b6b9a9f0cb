"""This process among its ranks. Alone, every call here does nothing, so no caller asks whether it is alone.

`torchrun` sets RANK, WORLD_SIZE and LOCAL_RANK; `start` joins the group they describe (NCCL on GPUs, gloo on CPUs).
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist


def rank() -> int:
    """This process's number among all, from 0."""
    return dist.get_rank() if _together() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _together() else 1


def local_rank() -> int:
    """This process's number on its machine: the GPU it owns."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Whether this process writes the files and speaks to the user."""
    return rank() == 0


def barrier() -> None:
    """Wait until every rank is here."""
    if _together():
        dist.barrier()


def all_reduce_sum(tensor: torch.Tensor) -> torch.Tensor:
    """Sum a tensor over all ranks, in place; returns it."""
    if _together():
        dist.all_reduce(tensor)
    return tensor


def broadcast(tensor: torch.Tensor) -> torch.Tensor:
    """Give every rank the main rank's tensor, in place; returns it."""
    if _together():
        dist.broadcast(tensor, src=0)
    return tensor


@contextlib.contextmanager
def started(timeout_seconds: float = 600) -> Iterator[None]:
    """Join the group that torchrun describes, and leave it at the end. A rank that hangs is aborted at the timeout."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or _together():
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank())
    # The module keeps the group that exists when it is imported, as a default argument, and clipping imports it.
    # Imported after the join it held gloo's threads past the end, and one that met the interpreter's end aborted it.
    importlib.import_module("torch.distributed.nn.functional")
    dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(seconds=timeout_seconds))
    try:
        yield
    finally:
        dist.destroy_process_group()


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()
