"""Files that are written whole or not at all, and what is said when the disk refuses."""

import contextlib
import errno
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from idiolect.errors import ResourceError

TEMPORARY = ".tmp-"


def fsync_path(path: Path) -> None:
    """Flush a file's or a folder's entry to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file so that it holds the old content or the new, never a part. Raises ResourceError when it can't."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}{TEMPORARY}{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_path(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(error, path) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented for a human reader."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def disk_error(error: OSError, path: Path) -> ResourceError:
    """Our error for a failed write, with the space that is left."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(Path(path).parent).free
            return ResourceError(
                f"the disk is full: {path} could not be written",
                why=f"{free / 1e6:,.1f} MB are free there; nothing that stood before was touched",
                fix="free some space, or --runs=/another/disk/runs, and run the same command again",
            )
    return ResourceError(
        f"{path} could not be written",
        why=f"{error.strerror} (errno {error.errno})",
        fix="check the folder's permissions, or name another with --runs=FOLDER",
    )
