"""Memory stays where it was while a corpus grows fivefold, and one enormous line or file does not break it."""

import os
import sys

import pytest

from benchmarks.corpus_memory import CHILD, paragraphs, watched, write_documents, write_file, write_line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="PSS is read from /proc"),
]
LIMIT = 1_500_000_000


def peak(tmp_path, write, suffix: str, size: int) -> int:
    folder = tmp_path / f"{write.__name__}-{size}"
    folder.mkdir()
    source, out = folder / f"corpus{suffix}", folder / "out"
    write(source, size, paragraphs())
    out.mkdir()
    held, killed, _ = watched([sys.executable, "-c", CHILD, str(source), str(out), "1"], LIMIT)
    source.unlink()
    assert not killed, f"passed {LIMIT:,} bytes on {size:,}"
    return held


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    small, large = (peak(tmp_path, write_documents, ".jsonl", size) for size in (40_000_000, 200_000_000))
    # 36 bytes a document and the buffers that a small corpus does not fill; 160 MB of text were added.
    assert large - small < 120_000_000


def test_one_file_larger_than_what_is_held(tmp_path):
    assert peak(tmp_path, write_file, ".txt", 150_000_000) < 900_000_000


def test_one_enormous_line(tmp_path):
    assert peak(tmp_path, write_line, ".jsonl", 30_000_000) < 1_200_000_000


def test_the_limit_kills(tmp_path):
    grow = "x = [bytearray(10_000_000) for _ in range(100)]\nimport time; time.sleep(60)"
    held, killed, _ = watched([sys.executable, "-c", grow], 200_000_000)
    assert killed and held > 200_000_000
