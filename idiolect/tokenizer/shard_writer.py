"""Encode documents in parallel and write them in order: any number of workers writes the same bytes."""

import itertools
import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from idiolect.progress import Bar
from idiolect.rundir import disk_error, fsync_path, sha256_file
from idiolect.tokenizer.encode import Tokenizer
from idiolect.tokenizer.encoded import Encoded, encode_documents
from idiolect.tokenizer.shard_file import HEADER_BYTES, Header, token_bytes_for
from idiolect.tokenizer.worker import Worker

_BATCH_CHARACTERS = 1 << 20
Facts = tuple[int, int]  # the number of a text's source, and its size in bytes; -1: as it is


def encoded_documents(
    tokenizer: Tokenizer, documents: Iterable[tuple[str, Facts]], workers: int
) -> Iterator[tuple[Encoded, list[Facts]]]:
    """Texts and their facts, encoded in order, in batches of about a million characters."""
    batches = _batches(documents)
    head = list(itertools.islice(batches, 4)) if workers > 1 else []
    if len(head) < 4:  # processes take a second to start: a small split is done sooner without them
        for first, batch, facts in itertools.chain(head, batches):
            yield encode_documents(tokenizer, first, batch), facts
        return
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    started = [Worker(tokenizer) for _ in range(workers)]
    for worker in started:
        idle.put(worker)

    def ask(first: int, batch: list[str]) -> Encoded:
        worker = idle.get()
        try:
            return worker.encode(first, batch)
        finally:
            idle.put(worker)

    waiting: deque[tuple[Future[Encoded], list[Facts]]] = deque()

    def done() -> tuple[Encoded, list[Facts]]:
        encoded, facts = waiting.popleft()
        return encoded.result(), facts

    threads = ThreadPoolExecutor(workers)
    try:
        for first, batch, facts in itertools.chain(head, batches):
            waiting.append((threads.submit(ask, first, batch), facts))
            if len(waiting) > 2 * workers:
                yield done()
        while waiting:
            yield done()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
        for worker in started:
            worker.close()


def _batches(documents: Iterable[tuple[str, Facts]]) -> Iterator[tuple[int, list[str], list[Facts]]]:
    """Documents in batches, each with the number of its first document, and their facts."""
    first, batch, facts, held = 0, [], [], 0
    for text, about in documents:
        batch.append(text)
        facts.append(about)
        held += len(text)
        if held >= _BATCH_CHARACTERS:
            yield first, batch, facts
            first, batch, facts, held = first + len(batch), [], [], 0
    if batch:
        yield first, batch, facts


def write_shard_files(
    tokenizer: Tokenizer,
    documents: Iterator[tuple[Encoded, list[Facts]]],
    folder: Path,
    split: str,
    shard_tokens: int,
    bar: Bar,
) -> list[dict]:
    """Write the shards; what the split's list says of each."""
    listed: list[dict] = []
    writer: _ShardWriter | None = None
    started, n_bytes = time.perf_counter(), 0
    try:
        for batch, facts in documents:
            ends = np.cumsum(batch.n_tokens_D)
            source_D, stated_D = np.array(facts, np.int64).T
            bytes_D = np.where(stated_D < 0, batch.n_bytes_D, stated_D)
            first = 0
            while first < len(ends):
                writer = writer or _ShardWriter(tokenizer, folder / f"{split}-{len(listed):05d}.tokens")
                used = int(ends[first - 1]) if first else 0
                # A shard ends with the document that fills it.
                last = int(np.searchsorted(ends, used + shard_tokens - writer.n_tokens)) + 1
                stop = int(ends[min(last, len(ends)) - 1])
                columns = (batch.n_tokens_D, bytes_D, source_D)
                writer.add(batch.ids[used:stop], *(column[first:last] for column in columns))
                first = last
                if writer.n_tokens >= shard_tokens:
                    listed.append(writer.close())
                    writer = None
            n_bytes += int(batch.n_bytes_D.sum())
            bar.advance(len(ends), mb_per_s=n_bytes / 1e6 / (time.perf_counter() - started))
        if writer is not None:
            listed.append(writer.close())
    except OSError as error:
        raise disk_error(error, folder) from error
    return listed


class _ShardWriter:
    """One growing shard: tokens go straight to the file, header and document index follow at the end."""

    def __init__(self, tokenizer: Tokenizer, path: Path):
        self.path, self.tokenizer = path, tokenizer
        self.n_tokens = self.max_id = 0
        self.n_tokens_D: list[np.ndarray] = []
        self.n_bytes_D: list[np.ndarray] = []
        self.source_D: list[np.ndarray] = []
        self.file = open(path, "wb")
        self.file.write(bytes(HEADER_BYTES))

    def add(self, ids: np.ndarray, n_tokens_D: np.ndarray, n_bytes_D: np.ndarray, source_D: np.ndarray) -> None:
        self.file.write(ids.tobytes())
        self.n_tokens += len(ids)
        self.max_id = max(self.max_id, int(ids.max()))
        self.n_tokens_D.append(n_tokens_D)
        self.n_bytes_D.append(n_bytes_D)
        self.source_D.append(source_D)

    def close(self) -> dict:
        n_tokens_D, n_bytes_D = np.concatenate(self.n_tokens_D), np.concatenate(self.n_bytes_D)
        header = Header(
            token_bytes=token_bytes_for(self.tokenizer.vocabulary_size),
            n_tokens=self.n_tokens,
            n_documents=len(n_tokens_D),
            n_bytes=int(n_bytes_D.sum()),
            vocabulary_size=self.tokenizer.vocabulary_size,
            max_id=self.max_id,
            end_id=self.tokenizer.end_id,
            tokenizer_hash=self.tokenizer.hash,
        )
        with self.file as file:
            file.write(bytes(header.documents_at - file.tell()))
            file.write((np.cumsum(n_tokens_D) - n_tokens_D).astype("<u8").tobytes())
            file.write(n_bytes_D.astype("<u8").tobytes())
            file.write(np.concatenate(self.source_D).astype("<u8").tobytes())
            file.seek(0)
            file.write(header.pack())
        fsync_path(self.path)
        counts = {"n_tokens": header.n_tokens, "n_documents": header.n_documents, "n_bytes": header.n_bytes}
        return {"file": self.path.name, **counts, "sha256": sha256_file(self.path)}
