"""The most that lay on disk while something ran."""

import threading
import time
from pathlib import Path


class Watching:
    """The most bytes that lay below a folder, looked at as often as can be."""

    def __init__(self, folder: Path):
        self.folder, self.most, self._stop = folder, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.is_set():
            total = 0
            for path in self.folder.rglob("*.jsonl*"):
                try:
                    total += path.stat().st_size
                except FileNotFoundError:
                    pass
            self.most = max(self.most, total)
            time.sleep(0.002)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
