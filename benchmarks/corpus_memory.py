"""Peak memory of a preparation as its corpus grows, under a limit that kills: is it bounded?

    python -m benchmarks.corpus_memory [MB ...] [--limit 900] [--workers 1] [--shape documents|line|file]

Each size is written once to a temporary folder, prepared by a child with default settings (near duplicates on), and
removed. The child's whole process tree is read ten times a second as PSS (pages that processes share are counted
once), and killed above the limit. RLIMIT_AS can't do this: it bounds reserved addresses, of which Daft's allocator,
Arrow and memory-mapped files reserve gigabytes that are never touched, and it is one process's. Shapes: `documents`
of 3 kB in JSON lines, of which one in ten is a copy and one in ten a near copy; `line`, one JSON line of the whole
size between small ones; `file`, one .txt of the whole size.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from idiolect.rundir import read_json

CHILD = """
import sys
from pathlib import Path
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress
if __name__ == "__main__":
    source, out, workers = sys.argv[1:]
    prepare(CorpusConfig(text=(source,), workers=int(workers)), Path(out), Progress.silent())
"""
PARAGRAPHS, EACH = 20_000, 6


def paragraphs(seed: int = 0) -> list[str]:
    """Paragraphs of some 80 words, drawn by Zipf's law from made-up ones."""
    draw = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "ing", "ou")]
    words = ["".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3)))) for _ in range(30_000)]
    weights = np.cumsum([1 / rank for rank in range(1, len(words) + 1)]).tolist()
    return [" ".join(draw.choices(words, cum_weights=weights, k=80)) + "." for _ in range(PARAGRAPHS)]


def write_documents(path: Path, size: int, pool: list[str]) -> int:
    """JSON lines of about `size` bytes; their number."""
    draw, written, n, last = random.Random(1), 0, 0, ""
    with open(path, "w", encoding="utf-8") as file:
        while written < size:
            chance = draw.random()
            if n and chance < 0.1:
                text = last
            elif n and chance < 0.2:
                text = last + f" And more, said number {n}."
            else:
                last = text = "\n".join(draw.sample(pool, EACH)) + f" It was number {n}."
            written += file.write(json.dumps({"text": text}) + "\n")
            n += 1
    return n


def write_line(path: Path, size: int, pool: list[str]) -> int:
    """One enormous line between ordinary ones."""
    with open(path, "w", encoding="utf-8") as file:
        for n in range(200):
            file.write(json.dumps({"text": pool[n]}) + "\n")
            if n == 100:
                big = " ".join(pool)
                file.write('{"text": "' + big * (size // len(big) + 1) + '"}\n')
    return 201


def write_file(path: Path, size: int, pool: list[str]) -> int:
    """One text file."""
    draw, written = random.Random(2), 0
    with open(path, "w", encoding="utf-8") as file:
        while written < size:
            written += file.write(draw.choice(pool) + "\n\n")
    return 1


SHAPES = {"documents": (write_documents, ".jsonl"), "line": (write_line, ".jsonl"), "file": (write_file, ".txt")}


def tree_of(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def pss_of(processes: list[int]) -> int:
    """Bytes that these processes hold, shared pages divided among those that share them."""
    total = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def watched(command: list[str], limit: int, environment: dict[str, str] | None = None) -> tuple[int, bool, float]:
    """(peak bytes, whether it was killed for passing the limit, CPU seconds) of a command and its children."""
    began = os.times()
    child = subprocess.Popen(command, start_new_session=True, env=environment)
    peak, killed = 0, False
    while child.poll() is None:
        peak = max(peak, pss_of(tree_of(child.pid)))
        if peak > limit:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            killed = True
            break
        time.sleep(0.1)
    if child.returncode and not killed:
        raise RuntimeError(f"the preparation failed (exit {child.returncode})")
    ended = os.times()
    spent = ended.children_user + ended.children_system - began.children_user - began.children_system
    return peak, killed, spent


def measure(megabytes: int, shape: str, limit: int, workers: int, pool: list[str]) -> tuple[int, int, bool]:
    """(documents, peak bytes, killed) of one preparation."""
    write, suffix = SHAPES[shape]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, f"corpus{suffix}"), Path(folder, "out")
        n = write(source, megabytes * 1_000_000, pool)
        out.mkdir()
        peak, killed, spent = watched([sys.executable, "-c", CHILD, str(source), str(out), str(workers)], limit)
        if not killed:
            n = read_json(out / "audit.json")["read"]["documents"]
        rate = f"{spent:.0f} CPU s, {megabytes / spent:.1f} MB/s"
        held = f"peak {peak / 1e6:.0f} MB{' KILLED' * killed}"
        print(f"{shape} {megabytes} MB, {n:,} documents: {held}, {rate}", flush=True)
    return n, peak, killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", nargs="*", type=int, default=[125, 250, 500, 1000])
    parser.add_argument("--limit", type=int, default=900, help="MB")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--shape", choices=SHAPES, default="documents")
    arguments = parser.parse_args()
    pool = paragraphs()
    found = [measure(m, arguments.shape, arguments.limit * 10**6, arguments.workers, pool) for m in arguments.megabytes]
    if arguments.shape == "documents" and len(found) > 2:
        n, peak = (np.array(column, float) for column in list(zip(*found, strict=True))[:2])
        # The smallest has not filled every buffer yet.
        print(f"{np.polyfit(n[1:], peak[1:], 1)[0]:.0f} bytes a document")


if __name__ == "__main__":
    main()
