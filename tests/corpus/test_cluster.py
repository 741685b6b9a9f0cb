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
import sys
from pathlib import Path
from idiolect.corpus import gather, packs, settle, stretches
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.errors import IdiolectError
from idiolect.progress import Progress
gather.LOT_BYTES, gather.PARALLEL_BYTES, packs.PACK_BYTES = 20_000, 0, 2000
settle.STRETCHES_A_WORKER, stretches.STRETCH_BYTES = 1, 60_000
out = Path(sys.argv[2])
out.mkdir(exist_ok=True)
config = CorpusConfig(text=(sys.argv[1],), engine=sys.argv[3], workers=2, on_unreadable=sys.argv[4])
try:
    prepare(config, out, Progress())
except IdiolectError as error:
    print(error.what)
    sys.exit(error.exit_code)
"""


def run(folder: Path, out: Path, engine: str, on_unreadable: str = "skip") -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", PREPARE, str(folder), str(out), engine, on_unreadable]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)


def test_ray_and_native_give_equal_bytes(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for n in range(5):
        rows = [json.dumps({"text": f"Row {i} of file {n}: all different words, {i * n}." * 3}) for i in range(200)]
        (texts / f"{n}.jsonl").write_text("\n".join([*rows, rows[7], "not JSON"]) + "\n")
    outputs = {}
    for engine in ("native", "ray"):
        done = run(texts, tmp_path / engine, engine)
        assert done.returncode == 0, done.stderr
        assert "not valid JSON" in done.stderr
        outputs[engine] = {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / engine).iterdir())
        }
    assert outputs["native"] == outputs["ray"] and len(outputs["ray"]) >= 5
    # What a machine of the cluster refuses reaches the user as our own error.
    refused = run(texts, tmp_path / "refused", "ray", "refuse")
    assert refused.returncode == 3 and ".jsonl" in refused.stdout and "not valid JSON" in refused.stdout
    assert "Traceback" not in refused.stderr
