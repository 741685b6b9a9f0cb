"""Exact and MinHash de-duplication beside datatrove's, and the global step on ten million documents.

    python -m benchmarks.dedup compare --text reviews.jsonl --datatrove PYTHON [--rounds 5]
    python -m benchmarks.dedup scale [--documents 10000000]

`PYTHON` is an interpreter that has datatrove (it wants an older xxhash than others do, hence one of its own). Both
get the same texts in memory, both drop exact copies and then near duplicates with FineWeb's 14 bands of 8 rows over
5 words, and both keep their tables on disk; the time is the processor's, of one process with one thread, rounds
alternate. datatrove's words come from a regular expression, which is several times as fast as its default tokenizer.
"""

import argparse
import gzip
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

BATCH = 512
SIDES = ("idiolect", "datatrove")


def texts_of(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line)["text"] for line in file]


def run_idiolect(texts: list[str], folder: Path) -> int:
    import pyarrow as pa

    from idiolect.corpus.dedup.config import DedupConfig
    from idiolect.corpus.dedup.decide import decide
    from idiolect.corpus.dedup.features import Measure, part_features
    from idiolect.corpus.split import digest_of

    config = DedupConfig()
    measure = Measure(config)

    def parts() -> Iterator:
        for start in range(0, len(texts), BATCH):
            pack = texts[start : start + BATCH]
            digests = pa.array([digest_of(text) for text in pack], pa.large_binary())
            columns = {"reason": [""] * len(pack), "split": ["train"] * len(pack), "digest": digests}
            yield part_features(pa.table({**columns, **measure.columns(pack)}), config)

    decisions = decide(parts(), config, folder)
    return len([text for i, text in enumerate(texts) if not decisions.reason(i)])


def run_datatrove(texts: list[str], folder: Path) -> int:
    import re

    from datatrove.data import Document
    from datatrove.pipeline.dedup import exact_dedup, minhash
    from datatrove.utils.logging import logger
    from datatrove.utils.word_tokenizers import WordTokenizer

    logger.remove()

    class Words(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return re.findall(r"\w+|[^\w\s]", text)

        # Both are abstract in datatrove, and never called by its MinHash.
        def sent_tokenize(self, text: str) -> list[str]:
            raise NotImplementedError("words are all that MinHash asks for")  # abstract there, never called

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            raise NotImplementedError("words are all that MinHash asks for")  # abstract there, never called

    # corpus.py has these steps, too: each file is run as a script by an interpreter that knows none of our modules.
    at = {name: str(folder / name) for name in ("hashes", "copies", "signatures", "pairs", "remove")}
    documents = [Document(text=text, id=str(i)) for i, text in enumerate(texts)]
    exact = exact_dedup.ExactDedupConfig(content_getter=lambda document: document.text)
    near = minhash.MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    exact_dedup.ExactDedupSignature(at["hashes"], exact).run(iter(documents), 0, 1)
    exact_dedup.ExactFindDedups(at["hashes"], at["copies"], exact).run(None, 0, 1)
    documents = list(exact_dedup.ExactDedupFilter(at["copies"], exact).run(iter(documents), 0, 1))
    minhash.MinhashDedupSignature(at["signatures"], near, language=Words()).run(iter(documents), 0, 1)
    for rank in range(near.num_buckets):
        minhash.MinhashDedupBuckets(at["signatures"], at["pairs"], config=near).run(None, rank, near.num_buckets)
    minhash.MinhashDedupCluster(at["pairs"], at["remove"], config=near).run(None, 0, 1)
    return sum(1 for _ in minhash.MinhashDedupFilter(at["remove"]).run(iter(documents), 0, 1))


def one(side: str, path: Path) -> None:
    """A single measured run in this process; prints its figures as JSON."""
    texts = texts_of(path)
    folder = Path(tempfile.mkdtemp())
    run = {"idiolect": run_idiolect, "datatrove": run_datatrove}[side]
    run(texts[:BATCH], folder / "warm")
    started = time.process_time()
    kept = run(texts, folder / "measured")
    seconds = time.process_time() - started
    shutil.rmtree(folder)
    print(json.dumps({"seconds": seconds, "documents": len(texts), "kept": kept, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(path: Path, datatrove: str, rounds: int) -> None:
    """Alternate, and print documents a second for each, and the ratio with its spread."""
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, python in zip(SIDES, (sys.executable, datatrove), strict=True):
            command = [python, __file__, "one", "--side", side, "--text", str(path)]
            if side == "idiolect":
                environment["PYTHONPATH"] = str(Path(__file__).parents[1])
            out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            told = json.loads(out.splitlines()[-1])
            rates[side].append(told["documents"] / told["seconds"])
            print(f"{side:10} {rates[side][-1]:8,.0f} documents/s/core, {told['kept']:,} of {told['documents']:,} kept")
    ratios = sorted(a / b for a, b in zip(rates["idiolect"], rates["datatrove"], strict=True))
    print(f"ratio: median {statistics.median(ratios):.1f}, from {ratios[0]:.1f} to {ratios[-1]:.1f}, n = {rounds}")


def scale(n: int, seed: int = 0) -> None:
    """The global step alone on random bands, one document in ten a near duplicate, one in fifty a copy."""
    import numpy as np

    from idiolect.corpus.dedup.config import DedupConfig, NearConfig
    from idiolect.corpus.dedup.decide import decide
    from idiolect.corpus.dedup.features import PartFeatures, Ragged

    part = 100_000

    def parts() -> Iterator[PartFeatures]:
        rng = np.random.default_rng(seed)
        for first in range(0, n, part):
            size = min(part, n - first)
            digest = rng.integers(1, 2**63, (size, 2), dtype=np.uint64)
            bands = rng.integers(1, 2**63, (size, 14), dtype=np.uint64)
            near = rng.integers(1, size, size // 10)
            bands[near, :5] = bands[near - 1, :5]
            copies = rng.integers(1, size, size // 50)
            digest[copies], bands[copies] = digest[copies - 1], bands[copies - 1]
            nothing = Ragged(np.empty(0, np.uint64), np.zeros(size + 1, np.int64))
            sketch = np.empty((size, 0), np.uint8)
            yield PartFeatures(np.ones(size, bool), digest, np.zeros(size, np.uint8), bands, sketch, *[nothing] * 5)

    folder = Path(tempfile.mkdtemp())
    before, started, cpu = peak_mb(), time.monotonic(), time.process_time()
    summary = decide(parts(), DedupConfig(near=NearConfig(min_similarity=0.0)), folder).summary()
    wall, cpu = time.monotonic() - started, time.process_time() - cpu
    shutil.rmtree(folder)
    print(f"{n:,} documents: {wall:.1f} s ({cpu:.1f} s of processor), {n / wall:,.0f} documents/s")
    print(f"peak memory {peak_mb():,.0f} MB, of which {before:,.0f} MB before: {peak_mb() - before:,.0f} MB more")
    print(", ".join(f"{count:,} {name}" for name, count in summary.items() if count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["compare", "scale", "one"])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--datatrove")
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=10_000_000)
    options = parser.parse_args()
    if options.what == "scale":
        scale(options.documents)
    elif options.what == "one":
        one(options.side, options.text)
    elif not options.text or not options.datatrove:
        parser.error("compare needs --text and --datatrove")
    else:
        compare(options.text, options.datatrove, options.rounds)


if __name__ == "__main__":
    main()
