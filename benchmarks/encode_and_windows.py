"""Encoding speed of every kind beside the library's own on the same tokenizer.json; batches a second.

    python benchmarks/encode_and_windows.py TEXT_FILE [REPEATS]

Each figure is the median of REPEATS runs (5), the two sides in turn within one run. Encoding starts with an empty word
cache each time, as a new process would. The library uses all its threads (set RAYON_NUM_THREADS=1 for one); we use one.

The lambdas marked B023 are called at once, before their loop moves on.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer as LibraryTokenizer

from idiolect.data.loader import Loader
from idiolect.data.windows import causal_windows
from idiolect.tokenizer import shards
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import Tokenizer

KINDS = ("bpe", "unigram", "wordpiece", "word", "character", "byte")
BATCH = 256
SHAPES = ((12, 64), (8, 256), (32, 256), (8, 1024), (64, 1024))


def seconds(function) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def measure_encoding(documents: list[str], repeats: int) -> None:
    megabytes = sum(len(text.encode()) for text in documents) / 1e6
    print(f"{megabytes:.1f} MB, {len(documents):,} documents, n = {repeats}: MB/s as median (least to most)")
    print(f"{'kind':<10} {'train s':>8} {'ours':>24} {'library':>24} {'ratio':>6}")
    for kind in KINDS:
        built = {}
        training = seconds(lambda: built.update(t=build(TokenizerConfig(kind=kind), documents)))  # noqa: B023 (called at once)
        parts = built["t"].parts()
        library = LibraryTokenizer.from_str(parts[0])
        library.encode_special_tokens = True
        ours, theirs = [], []
        for _ in range(repeats):
            fresh = Tokenizer(*parts)
            ours.append(seconds(lambda: fresh.encode_batch(documents)))  # noqa: B023 (called at once)
            theirs.append(seconds(lambda: library.encode_batch_fast(documents, add_special_tokens=False)))  # noqa: B023 (called at once)
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        print(f"{kind:<10} {training:8.1f} {rates(megabytes, ours):>24} {rates(megabytes, theirs):>24} {ratio:6.1f}")


def rates(megabytes: float, times: list[float]) -> str:
    return f"{megabytes / statistics.median(times):.1f} ({megabytes / max(times):.1f} to {megabytes / min(times):.1f})"


def measure_shards(documents: list[str], repeats: int) -> None:
    """Encoding into shards on disk beside encoding alone: processor time, one worker, the two in turn."""
    parts = build(TokenizerConfig(), documents).parts()
    ratios = []
    for _ in range(repeats):
        encoder, writer = Tokenizer(*parts), Tokenizer(*parts)
        began = time.process_time()
        for first in range(0, len(documents), BATCH):
            encoder.encode_batch(documents[first : first + BATCH])
        alone = time.process_time() - began
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            shards.write(writer, documents, Path(folder), "train", 1)
            ratios.append(alone / (time.process_time() - began))
    print(
        f"shards at {statistics.median(ratios):.3f} of the encoder's speed ({min(ratios):.3f} to {max(ratios):.3f}), "
        f"n = {repeats}"
    )


def measure_windows(documents: list[str], repeats: int, n_batches: int = 200) -> None:
    tokenizer = build(TokenizerConfig(), documents)
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            taken = seconds(lambda: shards.write(tokenizer, documents, Path(folder), "train", workers))  # noqa: B023 (called at once)
            print(f"shards with {workers} workers: {sum(map(len, documents)) / 1e6 / taken:.1f} million characters/s")
        split = shards.Shards(Path(folder), "train", tokenizer)
        for rows, context_length in SHAPES:
            for boundaries in ("open", "masked"):
                windows = causal_windows(split, context_length, boundaries=boundaries)
                for prefetch in (0, 2):
                    times = []
                    for _ in range(repeats):
                        batches = iter(Loader(windows, rows, prefetch=prefetch))
                        next(batches)
                        times.append(seconds(lambda: [next(batches) for _ in range(n_batches)]) / n_batches)  # noqa: B023 (called at once)
                        batches.close()
                    median = statistics.median(times)
                    spread = f"{min(times) * 1e6:.0f} to {max(times) * 1e6:.0f}"
                    print(
                        f"{rows:3} x {context_length:<5} {boundaries:<7} prefetch {prefetch}: {median * 1e6:6.0f} us a "
                        f"batch ({spread}), {rows * context_length / median / 1e6:6.1f} Mtok/s"
                    )


def main() -> None:
    torch.set_num_threads(1)
    text = Path(sys.argv[1]).read_text("utf-8")
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    documents = [part for part in text.split("\n\n" if "\n\n" in text else "\n \n") if part]
    measure_encoding(documents, repeats)
    measure_shards(documents, repeats)
    measure_windows(documents, repeats)


if __name__ == "__main__":
    main()
