"""A killed preparation goes on where its last part ends, and nobody can tell from the result."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from idiolect.corpus.gather import whole_packs

ROOT = Path(__file__).parents[2]
PREPARE = """
import sys
from pathlib import Path
from idiolect.corpus import gather, packs, parts
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress
gather.PARALLEL_BYTES, packs.PACK_BYTES, parts.PART_BYTES = 0, 2000, 45_000
out = Path(sys.argv[2])
out.mkdir(exist_ok=True)
config = CorpusConfig(text=(sys.argv[1],), workers=int(sys.argv[3]), validation_fraction=0.1, test_fraction=0.1)
prepare(config, out, Progress(), work=out.with_suffix(".parts"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of several formats; a broken one, bad rows and duplicates among them."""
    texts = tmp_path_factory.mktemp("texts")
    for n in range(4):
        rows = [json.dumps({"text": f"Row {i} of file {n}. " * (1 + i % 7)}) for i in range(150)]
        rows[17] = "not JSON"
        (texts / f"{n}.jsonl").write_text("\n".join([*rows, rows[3]]) + "\n")
    (texts / "broken.parquet").write_bytes(b"PAR1 nothing of the kind")
    (texts / "story.txt").write_text("Once upon a time there was a long story. " * 1000)
    return texts


@pytest.fixture(scope="module")
def wanted(folder, tmp_path_factory) -> dict[str, str]:
    """The hashes of a preparation that nothing disturbed."""
    out = tmp_path_factory.mktemp("corpus") / "whole"
    done = run(folder, out)
    assert done.returncode == 0, done.stderr
    return hashes(out)


def run(folder: Path, out: Path, fault: str = "", workers: int = 1) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "IDIOLECT_FAULT": fault}
    command = [sys.executable, "-c", PREPARE, str(folder), str(out), str(workers)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def hashes(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())}


def test_killed_after_any_part_it_goes_on_and_ends_the_same(tmp_path, folder, wanted):
    killed = tmp_path / "killed"
    # Each attempt finishes two more parts before it dies; the numbers of workers differ from one to the next, and
    # between the first two the last part is spoilt: it must not be believed.
    documents, parts_done = [], []
    for attempt in range(12):
        done = run(folder, killed, "corpus.after_part:2:kill", workers=2 if attempt == 1 else 1)
        if done.returncode == 0:
            break
        assert done.returncode == -9
        records = sorted(killed.with_suffix(".parts").glob("*/part-*.json"))
        parts_done.append(len(records))
        documents.append(sum(json.loads(record.read_text())["documents"] for record in records))
        if attempt == 0:
            last = records[-1].with_suffix(".parquet")
            last.write_bytes(last.read_bytes()[:-100])
    assert attempt >= 3 and done.returncode == 0 and "going on after" in done.stderr
    assert documents == sorted(set(documents)), "an attempt finished nothing new"
    assert parts_done[:2] == [2, 3], "a part that was cut short was believed"
    assert hashes(killed) == wanted


def test_packs_are_never_cut():
    rows = [(0, "a"), (0, "b"), (1, "c"), (2, "d"), (2, "e"), (2, "f"), (3, "g")]
    for cut in range(1, len(rows)):
        for second in range(cut, len(rows)):
            pieces = [rows[:cut], rows[cut:second], rows[second:]]
            tables = [pa.table({"serial": [s for s, _ in p], "text": [t for _, t in p]}) for p in pieces if p]
            out = list(whole_packs(iter(tables)))
            assert pa.concat_tables(out)["text"].to_pylist() == [text for _, text in rows]
            serials = [set(table["serial"].to_pylist()) for table in out]
            assert sum(map(len, serials)) == len(set.union(*serials)) == 4
