"""Every way this can go wrong that a user can put right, each with what, why, a fix, and an exit code.

    IdiolectError                 exit
      RecipeError                  2   the request is wrong: a key, a value, a flag
        MissingExtra               2   an optional library is not installed
      DataError                    3   the text, the tokenizer or the shards are wrong
        FetchError                 3   a file elsewhere can't be had now; what was finished is kept
      CheckpointError              4   no usable checkpoint
      NumericsError                5   a loss or gradient is not finite
      ResourceError                6   disk or memory
      RunInUse                     7   another process holds the run directory
      UnsafeError                  8   refused: loading this could run somebody's code
      Stopped                     75   a signal; everything is saved; safe to start again

A user's mistake raises one of these; a programmer's mistake is an `assert`.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class IdiolectError(Exception):
    """What you gave, why it can't be, what to type instead."""

    exit_code = 1
    kind = "error"

    def __init__(self, what: str, *, why: str = "", fix: str = ""):
        self.what, self.why, self.fix = what, why, fix
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"       {self.why}")
        if self.fix:
            lines.append(f"  try: {self.fix}")
        return "\n".join(lines)

    def __reduce__(self):
        # Keyword-only arguments are lost by the default protocol when an error crosses a process pool.
        return (_rebuild, (type(self), self.what, self.why, self.fix))


@contextmanager
def asked_by(setting: str, shared: str = "corpus.text") -> Iterator[None]:
    """What is refused within names this setting as the one to change, and not the one that the code was made for."""
    try:
        yield
    except IdiolectError as error:
        error.fix = error.fix.replace(f"--{shared}=", f"--{setting}=")
        raise


def _rebuild(cls: type, what: str, why: str, fix: str) -> IdiolectError:
    error = cls.__new__(cls)
    IdiolectError.__init__(error, what, why=why, fix=fix)
    return error


class RecipeError(IdiolectError):
    """The request is wrong: an unknown key, a value of the wrong type, two values that can't go together."""

    exit_code = 2
    kind = "recipe"


class MissingExtra(RecipeError):
    """A verb needs an optional library that is not installed."""

    def __init__(self, extra: str, *, needs: str):
        super().__init__(
            f"{needs} is not installed",
            why=f"it belongs to the optional extra '{extra}', so that the core install stays small",
            fix=f'pip install "idiolect[{extra}]"',
        )


class DataError(IdiolectError):
    """The text, the tokenizer or the token shards are wrong."""

    exit_code = 3
    kind = "data"


class FetchError(DataError):
    """A file elsewhere can't be had now; what was finished is kept, and the same command goes on from there."""


class CheckpointError(IdiolectError):
    """There is no checkpoint that can be used."""

    exit_code = 4
    kind = "checkpoint"


class NumericsError(IdiolectError):
    """A loss or a gradient is not finite; the update was not applied."""

    exit_code = 5
    kind = "numerics"


class ResourceError(IdiolectError):
    """The disk or the memory does not suffice."""

    exit_code = 6
    kind = "resource"


class RunInUse(IdiolectError):
    """Another live process holds the run directory."""

    exit_code = 7
    kind = "in-use"


class UnsafeError(IdiolectError):
    """Refused, because loading this could run somebody else's code."""

    exit_code = 8
    kind = "unsafe"


class Stopped(IdiolectError):
    """A signal asked us to stop; the state is saved, and the same command goes on from there."""

    exit_code = 75
    kind = "stopped"


def in_our_form(error: BaseException) -> IdiolectError | None:
    """Our error for what a user can put right, whoever raised it: a signal, a full memory, a file. None for others."""
    if isinstance(error, IdiolectError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Stopped("stopped by a signal", why="what was finished is kept", fix="run the same command again")
    if isinstance(error, OSError) and error.errno and not isinstance(error, BrokenPipeError):
        return ResourceError(
            f"{error.filename or 'a file'} can't be used",
            why=f"{error.strerror} (errno {error.errno})",
            fix="check that it is there, its permissions and the space on the disk, then the same command again",
        )
    return out_of_memory(error)


def out_of_memory(error: BaseException) -> ResourceError | None:
    """Our error for the several ways in which Python, numpy and torch say that the memory is full; None for others."""
    # torch's on a CPU is a plain RuntimeError, on a GPU a class of torch's, which is not to be imported here.
    said = str(error) if isinstance(error, RuntimeError) else ""
    if not (isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said):
        return None
    return ResourceError(
        "the memory is full",
        why="this needs more than the machine has free",
        fix="a smaller --train.micro_batch_tokens, --evaluate.batch_tokens or --model.d_model",
    )
