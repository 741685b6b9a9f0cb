"""The whole job beside datatrove's: read JSON lines, judge by three rule sets, drop copies and near copies, write.

    python -m benchmarks.corpus FILE.jsonl.gz --datatrove PYTHON [--rounds 5] [--documents 5000]

`PYTHON` is an interpreter with datatrove 0.10.1 (`pip install datatrove==0.10.1 orjson regex "xxhash<4" nltk`), which
wants an older xxhash than others do. Both sides read the same gzipped file, ask MassiveText's, C4's and FineWeb's
rules, drop exact copies and MinHash near copies (14 bands of 8 rows over 5 words), and write what is left. The time is
the processor's, of one process with one worker, imports and a warm-up left out; rounds alternate. datatrove is given
its fastest word splitter (one compiled pattern) and its documents stay in memory between its steps. Ours splits by hash
and keeps its books besides; repair of mojibake, language identification and the count of personal data are off, since
datatrove's side does none of them.
"""

import argparse
import gzip
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIDES = ("idiolect", "datatrove")
WARM = 200


def run_idiolect(file: Path, out: Path) -> int:
    from idiolect.corpus.clean.config import CleanConfig, PiiConfig
    from idiolect.corpus.config import CorpusConfig
    from idiolect.corpus.filters.config import C4Config, FilterConfig, FineWebConfig, GopherConfig, LanguageConfig
    from idiolect.corpus.prepare import prepare
    from idiolect.progress import Progress

    rules = FilterConfig(
        language=LanguageConfig(identify=False),
        gopher=GopherConfig(use=True), c4=C4Config(use=True), fineweb=FineWebConfig(use=True),
    )  # fmt: skip
    config = CorpusConfig(
        text=(str(file),), language="en", filter=rules, clean=CleanConfig(repair_mojibake=False),
        pii=PiiConfig(count_kept=False), workers=1, dropped_samples=0,
    )  # fmt: skip
    audit = prepare(config, out, Progress.silent())
    return sum(split["documents"] for split in audit["kept"].values())


def run_datatrove(file: Path, out: Path) -> int:
    import regex
    from datatrove.pipeline.dedup import exact_dedup, minhash
    from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter
    from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.logging import logger
    from datatrove.utils.text import split_into_parts
    from datatrove.utils.word_tokenizers import WordTokenizer

    logger.remove()
    pattern, stop = regex.compile(r"\w+|[^\w\s]+"), regex.compile(r"(?<=[.!?])\s+")

    class Words(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return pattern.findall(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text[start:end] for start, end in self.span_tokenize(text)]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            gaps = [found.span() for found in stop.finditer(text)]
            return list(zip([0, *(end for _, end in gaps)], [*(start for start, _ in gaps), len(text)], strict=True))

    at = {name: str(out / name) for name in ("hashes", "copies", "signatures", "pairs", "remove", "kept")}
    split_into_parts.cache_clear()
    documents = JsonlReader(str(file.parent), glob_pattern=file.name).run(None, 0, 1)
    for rules in (GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter, FineWebQualityFilter):
        documents = rules(language=Words()).run(documents, 0, 1)
    documents = list(documents)
    exact = exact_dedup.ExactDedupConfig(content_getter=lambda document: document.text)
    near = minhash.MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    exact_dedup.ExactDedupSignature(at["hashes"], exact).run(iter(documents), 0, 1)
    exact_dedup.ExactFindDedups(at["hashes"], at["copies"], exact).run(None, 0, 1)
    documents = list(exact_dedup.ExactDedupFilter(at["copies"], exact).run(iter(documents), 0, 1))
    minhash.MinhashDedupSignature(at["signatures"], near, language=Words()).run(iter(documents), 0, 1)
    for rank in range(near.num_buckets):
        minhash.MinhashDedupBuckets(at["signatures"], at["pairs"], config=near).run(None, rank, near.num_buckets)
    minhash.MinhashDedupCluster(at["pairs"], at["remove"], config=near).run(None, 0, 1)
    kept = list(minhash.MinhashDedupFilter(at["remove"]).run(iter(documents), 0, 1))
    return sum(1 for _ in ParquetWriter(at["kept"]).run(iter(kept), 0, 1))


def one(side: str, file: Path) -> None:
    """A single measured run in this process; prints its figures as JSON."""
    folder = Path(tempfile.mkdtemp())
    run = {"idiolect": run_idiolect, "datatrove": run_datatrove}[side]
    for name in ("warm", "measured"):
        (folder / name).mkdir()
    run(file.with_name("warm.jsonl.gz"), folder / "warm")
    began = time.process_time()
    kept = run(file, folder / "measured")
    spent = time.process_time() - began
    shutil.rmtree(folder)
    print(json.dumps({"seconds": spent, "kept": kept}))


def compare(file: Path, datatrove: str, rounds: int, n: int, size: int) -> None:
    """Alternate, and print documents a second for each, and the ratio with its spread."""
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
    spent: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, python in zip(SIDES, (sys.executable, datatrove), strict=True):
            root = {"PYTHONPATH": str(Path(__file__).parents[1])} if side == "idiolect" else {}
            command = [python, __file__, "--one", side, str(file)]
            run = subprocess.run(command, env=environment | root, check=True, capture_output=True, text=True)
            told = json.loads(run.stdout.splitlines()[-1])
            spent[side].append(told["seconds"])
            print(
                f"{side:10} {n / told['seconds']:8,.0f} documents/s/core {size / told['seconds'] / 1e6:6.2f} MB/s, "
                f"{told['seconds']:.1f} CPU s, {told['kept']:,} of {n:,} kept",
                flush=True,
            )
    ratios = sorted(theirs / ours for ours, theirs in zip(*(spent[side] for side in SIDES), strict=True))
    print(f"ratio: median {statistics.median(ratios):.1f}, from {ratios[0]:.1f} to {ratios[-1]:.1f}, n = {rounds}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--datatrove")
    parser.add_argument("--one", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=5000)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.file)
        return
    if not options.datatrove:
        parser.error("name an interpreter that has datatrove: --datatrove PYTHON")
    with tempfile.TemporaryDirectory() as folder, gzip.open(options.file, "rb") as lines:
        some = list(itertools.islice(lines, options.documents))
        for name, part in (("warm", some[:WARM]), ("measured", some)):
            Path(folder, f"{name}.jsonl.gz").write_bytes(gzip.compress(b"".join(part), 1))
        compare(Path(folder, "measured.jsonl.gz"), options.datatrove, options.rounds, len(some), sum(map(len, some)))


if __name__ == "__main__":
    main()
