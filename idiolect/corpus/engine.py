"""The one place that knows Daft: a frame of packs goes in, cleaned documents come out, in order, on every core.

The frame is declared once and executed by Daft's native runner, streaming. On a cluster each machine executes the
same frame for its own lots of files (`cluster.py`).
"""

import asyncio
import atexit
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

# Read at import by Daft, so they stand before it: its telemetry and its own progress bars stay off.
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")

import daft  # noqa: E402 (its variables come first)
import pyarrow as pa  # noqa: E402 (as above)
from daft.functions import unnest  # noqa: E402 (as above)
from daft.io.source import DataSource, DataSourceTask  # noqa: E402 (as above)
from daft.recordbatch import RecordBatch  # noqa: E402 (as above)

# Inside a Ray task Daft would choose the cluster itself; there, too, a lot is worked where it was sent.
daft.set_runner_native()

# Packs read ahead of the slowest stage. Daft 0.7 puts no bound on a Python source (400 of 400 batches were read
# before the first was used, 2.7 GB), so the source waits by itself.
AHEAD = 48
STALLED_SECONDS = 20.0
SETTLE_SECONDS = 0.2


class Flow:
    """How far reading may run ahead of what has come out at the other end."""

    def __init__(self):
        self.done, self.moved = -1, time.monotonic()
        self.failure: BaseException | None = None
        self.stopped = False

    def passed(self, serial: int) -> None:
        if serial > self.done:
            self.done, self.moved = serial, time.monotonic()

    async def wait(self, serial: int) -> None:
        """Return when there is room; also when nothing moves any more, since a bound must never be a deadlock."""
        # Each pack let through a stall waits at least half of it, so that a slow stage still bounds the memory.
        self.moved = max(self.moved, time.monotonic() - STALLED_SECONDS / 2)
        while serial - self.done > AHEAD and time.monotonic() - self.moved < STALLED_SECONDS:
            await asyncio.sleep(0.002)


class _Packs(DataSource):
    """A generator of one-row tables as a Daft source: one task, so that order and memory are ours to decide."""

    def __init__(self, make: Callable[[], Iterator[pa.Table]], schema: pa.Schema, flow: Flow):
        self._make, self._flow = make, flow
        self._schema = daft.Schema.from_pyarrow_schema(schema)

    @property
    def name(self) -> str:
        return "idiolect corpus"

    @property
    def schema(self) -> daft.Schema:
        return self._schema

    async def get_tasks(self, pushdowns) -> AsyncIterator[DataSourceTask]:
        yield _Task(self._make, self._schema, self._flow)


class _Task(DataSourceTask):
    def __init__(self, make: Callable[[], Iterator[pa.Table]], schema: daft.Schema, flow: Flow):
        self._make, self._schema, self._flow = make, schema, flow

    @property
    def schema(self) -> daft.Schema:
        return self._schema

    async def read(self) -> AsyncIterator[RecordBatch]:
        try:
            for serial, table in enumerate(self._make()):
                await self._flow.wait(serial)
                if self._flow.stopped:
                    return
                yield RecordBatch.from_arrow_table(table)
        except Exception as error:
            # Daft 0.7 may take an error in a Python source for the end of its data: we carry it past Daft ourselves.
            self._flow.failure = error
            raise


def documents_frame(
    make_packs: Callable[[], Iterator[pa.Table]],
    pack_schema: pa.Schema,
    work: Callable[[list[dict]], pa.Array],
    result_type: pa.DataType,
    workers: int,
    flow: Flow,
) -> daft.DataFrame:
    """The declared work: packs → `work` on each, in `workers` processes → one row a document, order kept."""
    names = pack_schema.names

    class Work:
        @daft.method.batch(return_dtype=daft.DataType.from_arrow_type(result_type), batch_size=1)
        def __call__(self, *columns: daft.Series) -> daft.Series:
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            return daft.Series.from_arrow(work([dict(zip(names, row, strict=True)) for row in rows]))

    worker = daft.cls(Work, max_concurrency=workers, use_process=workers > 1)()
    frame = _Packs(make_packs, pack_schema, flow).read()
    frame = frame.select("serial", "file", "event", worker(*(daft.col(n) for n in names)).alias("documents"))
    frame = frame.explode("documents")
    return frame.select("serial", "file", "event", unnest(daft.col("documents")))


def each(work: Callable[[Any], None], items: list, workers: int) -> Iterator:
    """Do `work` on every item in `workers` processes; yields each item, in order, as it is done."""

    class Each:
        @daft.method.batch(return_dtype=daft.DataType.bool(), batch_size=1)
        def __call__(self, serials: daft.Series) -> daft.Series:
            return daft.Series.from_pylist([_done(work, items[serial]) for serial in serials.to_pylist()])

    schema, flow = pa.schema([("serial", pa.int64())]), Flow()
    worker = daft.cls(Each, max_concurrency=workers, use_process=True)()

    def serials() -> Iterator[pa.Table]:
        return (pa.table({"serial": [serial]}, schema) for serial in range(len(items)))

    frame = _Packs(serials, schema, flow).read().select("serial", worker(daft.col("serial")).alias("done"))
    with contextlib.closing(run(frame, flow)) as batches:
        for batch in batches:
            for serial, done in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if not done:
                    work(items[serial])
                yield items[serial]


def _done(work: Callable[[Any], None], item: Any) -> bool:
    """Whether it could be done. An error comes out of Daft as text alone, so whoever asked meets it by himself."""
    try:
        work(item)
    except Exception:
        return False
    return True


def run(frame: daft.DataFrame, flow: Flow) -> Iterator[pa.RecordBatch]:
    """Execute a frame and hand over its rows as they come, in order of `serial`; close it to stop early."""
    last = -1
    batches = frame.to_arrow_iter(results_buffer_size=4)
    try:
        for batch in batches:
            if batch.num_rows:
                serials = batch.column("serial")
                assert serials[0].as_py() >= last, f"packs came out of order: {serials[0]} after {last}"
                last = serials[-1].as_py()
                flow.passed(last)
                yield batch
    except Exception as error:
        if flow.failure is not None:
            raise flow.failure from error
        raise
    finally:
        # Daft's threads must be at rest when Python ends, or they abort the process (exit 134 in place of ours).
        flow.stopped = True
        with contextlib.suppress(Exception):
            flow.passed(1 << 62)
            for _ in batches:
                pass
        atexit.register(_settle, time.monotonic())
    if flow.failure is not None:
        raise flow.failure


def _settle(ended: float) -> None:
    """Give Daft's threads the moment they need to let go of Python when the process ends right after a run.

    Measured with Daft 0.7.26: 11 of 40 processes that ended at once were aborted, 0 of 120 that waited 0.03 s or more.
    """
    time.sleep(max(0.0, ended + SETTLE_SECONDS - time.monotonic()))
