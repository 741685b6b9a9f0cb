"""Batches ahead of the training loop; the whole state is one integer, the global index of the next sample."""

import queue
import threading
from collections.abc import Iterator
from typing import Protocol

from idiolect.data.batch import Batch
from idiolect.errors import RecipeError


class Source(Protocol):
    """Anything with samples in a fixed order: `first` counts on through the epochs."""

    n_samples: int

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count)."""
        ...


class Loader:
    """Iterates (next_position, Batch) for ever, from `position`.

    A step's samples are [position, position + batch_samples), whatever the number of ranks: each rank takes its
    share of that range, in order. Nothing random happens here: the order is the source's.
    """

    def __init__(
        self,
        source: Source,
        batch_samples: int,
        position: int = 0,
        rank: int = 0,
        world_size: int = 1,
        prefetch: int = 2,
        pin_memory: bool = False,
    ):
        if batch_samples < world_size:
            raise RecipeError(
                f"a batch of {batch_samples} samples can't be shared by {world_size} processes",
                why="each process needs a sample at every step",
                fix="raise --train.batch_tokens, or start fewer processes",
            )
        self.source, self.batch_samples, self.position = source, batch_samples, position
        self.rank, self.world_size = rank, world_size
        self.prefetch, self.pin_memory = prefetch, pin_memory

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        return self._ahead() if self.prefetch else self._made()

    def _made(self) -> Iterator[tuple[int, Batch]]:
        position = self.position
        begin = self.rank * self.batch_samples // self.world_size
        end = (self.rank + 1) * self.batch_samples // self.world_size
        while True:
            batch = self.source.batch(position + begin, end - begin)
            position += self.batch_samples
            yield position, batch.pin_memory() if self.pin_memory else batch

    def _ahead(self) -> Iterator[tuple[int, Batch]]:
        ready: queue.Queue = queue.Queue(self.prefetch)
        stopped = threading.Event()

        def put(item: object) -> bool:
            while not stopped.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def work() -> None:
            try:
                for item in self._made():
                    if not put(item):
                        return
            except BaseException as error:  # raised again where the batch is asked for
                put(error)

        thread = threading.Thread(target=work, name="idiolect-loader", daemon=True)
        thread.start()
        try:
            while True:
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()
