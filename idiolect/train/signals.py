"""SIGTERM and SIGINT: the first asks the loop to save at the next step boundary, the second ends the process at once.

Work that may be thrown away (an evaluation: its checkpoint is already on disk) is cut short by `interruptible`.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

HANDLED = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """Raised inside `interruptible` by the handler. Not an Exception: code that is cut short must not swallow it."""


class StopFlag:
    """Whether a signal has asked us to stop, while `listening`."""

    def __init__(self) -> None:
        self.requested = False
        self.name = ""
        self._cut_short = False

    @contextlib.contextmanager
    def listening(self) -> Iterator["StopFlag"]:
        """Handle the signals inside; the previous handlers return afterwards. Outside the main thread: do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._handle) for number in HANDLED}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work that a signal may cut short: it then raises Interrupted."""
        self._cut_short = True
        try:
            if self.requested:
                raise Interrupted
            yield
        finally:
            self._cut_short = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            # Asked twice: leave now. Checkpoints are renamed into place, so what is on disk stays valid.
            os._exit(128 + number)
        self.requested = True
        self.name = signal.Signals(number).name
        if self._cut_short:
            self._cut_short = False
            raise Interrupted
