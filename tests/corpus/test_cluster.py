"""The same corpus, byte for byte, from this machine's cores and from a local Ray cluster."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")
ROOT = Path(__file__).parents[2]
PREPARE = """
import os, sys
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from idiolect.corpus import cluster, gather, packs, settle, stretches
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.errors import DataError
from idiolect.progress import Progress

gather.LOT_BYTES, gather.PARALLEL_BYTES, packs.PACK_BYTES = 20_000, 1 << 40, 2000
settle.STRETCHES_A_WORKER, stretches.STRETCH_BYTES, cluster.SENT = 1, 60_000, 3
texts, outputs = sys.argv[1], Path(sys.argv[2])
each, sent, shutdown, ended = cluster.each, [], ray.shutdown, []
cluster.each = lambda work, stretches, config: sent.extend(stretches) or each(work, stretches, config)
# One cluster serves both: the first preparation starts it and would end it, the second finds it there.
ray.shutdown = lambda: ended.append(True)


def run(engine, name, on_unreadable="skip"):
    (outputs / name).mkdir()
    config = CorpusConfig(text=(texts,), engine=engine, workers=2, on_unreadable=on_unreadable)
    prepare(config, outputs / name, Progress())


run("native", "native")
assert not sent and not ray.is_initialized()
run("ray", "ray")
assert len(sent) > 4 and ended == [True]
try:
    run("ray", "refused", "refuse")
except DataError as error:
    print(error.what, error.why)
assert ended == [True], "a cluster that was there before was ended"
shutdown()
"""


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_ray_and_native_give_equal_bytes(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for n in range(5):
        rows = [json.dumps({"text": f"Row {i} of file {n}: all different words, {i * n}." * 3}) for i in range(200)]
        (texts / f"{n}.jsonl").write_text("\n".join([*rows, rows[7], "not JSON"]) + "\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PREPARE, str(texts), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not valid JSON") >= 10, "each engine warns of each file's bad row"
    assert hashes(tmp_path / "native") == hashes(tmp_path / "ray") and len(hashes(tmp_path / "ray")) >= 5
    # What a machine of the cluster refuses reaches the user as our own error.
    assert ".jsonl" in done.stdout and "not valid JSON" in done.stdout and "Traceback" not in done.stderr
