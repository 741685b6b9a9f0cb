"""Both passes on a Ray cluster: each lot of files is worked on one core by the native pipeline, where there is room,
and so is each stretch of documents.

Parts and pieces go straight to the folder of prepared corpora, which every machine must see (a network file system), as
it must see the files to read. Only counts and warnings travel back. We do not use Daft's own Ray runner: it returns
partitions in no order and sends every text through the process that asked (tried with Daft 0.7.26, Ray 2.60).
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import Found
from idiolect.corpus.gather import Told, gather_lot
from idiolect.corpus.parts import Parts
from idiolect.corpus.piece import Settle
from idiolect.corpus.stretches import Stretch
from idiolect.errors import MissingExtra
from idiolect.progress import Progress

# Tasks on their way at once. Ray looks at each of them whenever one ends, and a terabyte has 31,000 stretches.
SENT = 1000


def each_lot(found: Found, names: list[str], lots: list[Parts]) -> Iterator[tuple]:
    """Work every lot on the cluster at hand, or on one started here; yields each one's facts (`Told.facts`) as it ends.

    Raises MissingExtra without Ray, and whatever a lot raises, once the others have been told to stop.
    """
    files = [dataclasses.replace(file, path=file.path.absolute()) for file in found.files]
    shared = (dataclasses.replace(found, files=files), names)
    return _each(_work_lot, shared, lots, found.settings[0])


def each(work: Settle, stretches: list[Stretch], config: CorpusConfig) -> Iterator[Stretch]:
    """Do `work` on every stretch on the cluster; yields each as it is done."""
    return _each(_work_stretch, work, stretches, config)


def _each(function: Callable, shared: Any, items: Sequence, config: CorpusConfig) -> Iterator:
    """What `function(shared, item)` returns for each item, in no order."""
    # Read by Ray at import: nothing phones home.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtra("cluster", needs="Ray (--corpus.engine=ray)") from None
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(
            address=os.environ.get("RAY_ADDRESS"),
            num_cpus=None if "RAY_ADDRESS" in os.environ else config.workers or None,
            include_dashboard=False, log_to_driver=False, logging_level="error",
        )  # fmt: skip
    try:
        reference = ray.put(shared)
        task = ray.remote(num_cpus=1, max_retries=3)(function)
        left = iter(items)
        waiting = [task.remote(reference, item) for item in islice(left, SENT)]
        while waiting:
            done, waiting = ray.wait(waiting)
            waiting += [task.remote(reference, item) for item in islice(left, len(done))]
            for finished in done:
                yield _result(finished)
    finally:
        if started_here:
            ray.shutdown()


def _result(reference) -> Any:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # Ray wraps what a task raises; our errors are worded for the user as they are.
        raise error.cause from error


def _work_lot(shared: tuple[Found, list[str]], parts: Parts) -> tuple:
    found, names = shared
    told = Told(Progress.silent())
    for _ in gather_lot(found, names, parts, told, workers=1):
        pass
    return told.facts


def _work_stretch(work: Settle, stretch: Stretch) -> Stretch:
    work(stretch)
    return stretch
