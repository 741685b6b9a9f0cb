"""Faults on demand, so that tests can kill, fail or poison a run at a named point. Off unless IDIOLECT_FAULT is set.

    IDIOLECT_FAULT="checkpoint.before_rename:2:kill"     the second time it is reached: SIGKILL
    IDIOLECT_FAULT="checkpoint.after_file:1:raise:ENOSPC"     raise OSError with that errno
    IDIOLECT_FAULT="step.after_backward:7:nan"                tell the caller to poison what it holds

Several faults are separated by commas. A point counts from 1 within one process.
"""

import errno
import os
import signal
from collections import Counter

from idiolect.errors import RecipeError

VARIABLE = "IDIOLECT_FAULT"
_seen: Counter[str] = Counter()


def reached(point: str) -> str:
    """Act if a fault is due here; returns "nan" when the caller is to poison what it holds, else "".

    Raises OSError for `raise:NAME`, RecipeError when the variable can't be read.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return ""
    _seen[point] += 1
    for fault in wanted.split(","):
        where, nth, action, name = _parse(fault)
        if where == point and nth == _seen[point]:
            if action == "nan":
                return "nan"
            if action == "raise":
                raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
            os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGTERM)
    return ""


def forget() -> None:
    """Count every point from zero again: a forked test process begins anew."""
    _seen.clear()


def _parse(fault: str) -> tuple[str, int, str, str]:
    parts = fault.strip().split(":")
    known = len(parts) == 3 and parts[2] in ("kill", "term", "nan")
    failing = len(parts) == 4 and parts[2] == "raise" and hasattr(errno, parts[3])
    if not (known or failing) or not parts[1].isdigit():
        raise RecipeError(
            f"{VARIABLE} = {fault!r} can't be read",
            why="it is point:nth:action with action kill, term, nan or raise:ERRNO",
            fix=f"unset {VARIABLE}, or for example {VARIABLE}=checkpoint.before_rename:1:kill",
        )
    return parts[0], int(parts[1]), parts[2], parts[3] if failing else ""
