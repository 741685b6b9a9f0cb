"""Files elsewhere on a local Ray cluster: each lot's task fetches its own, and the documents are the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.corpus.remote import resolve as resolving
from idiolect.progress import Progress

from .conftest import Counted

pytest.importorskip("ray")
ROOT = Path(__file__).parents[3]
PREPARE = """
import sys
from pathlib import Path
import ray
from idiolect.corpus import gather
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress
gather.LOT_BYTES = 1
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")  # once for both passes
config = CorpusConfig.model_validate_json(sys.argv[1])
prepare(config, Path(sys.argv[2]), Progress())
ray.shutdown()
"""


def test_each_lot_fetches_its_own_files(hub, config, tmp_path):
    rows = [[json.dumps({"text": f"Row {i} of file {n}, like no other."}) for i in range(200)] for n in range(3)]
    files = {f"data/train-{n}.jsonl": "\n".join(lines).encode() for n, lines in enumerate(rows)}
    hub.add("owner/name", files)
    hub.page = Counted()
    hosts = (hub.site.host, hub.storage.host)
    for folder in ("native", "ray"):
        (tmp_path / folder).mkdir()
    whole = CorpusConfig(text=("hf:owner/name",), fetch=config(private_hosts=hosts))
    resolving.forget()
    expected = prepare(whole, tmp_path / "native", Progress.silent())
    fetch = config(private_hosts=hosts, cache=str(tmp_path / "cache-ray"), disk_bytes=2 * max(map(len, files.values())))
    streamed = CorpusConfig(text=("hf:owner/name",), fetch=fetch, engine="ray", workers=2)
    hub.page.sent = 0
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, streamed.model_dump_json(), str(tmp_path / "ray")],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    audit = json.loads((tmp_path / "ray" / "audit.json").read_text())
    listed = audit["fetched"].pop("streamed")
    assert [file["file"] for file in listed] == [f"name/{path}" for path in files]
    assert sum(file["n_bytes"] for file in listed) == hub.page.sent == sum(map(len, files.values()))
    assert audit == expected
    for path in (tmp_path / "native").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "ray" / path.name).read_bytes(), path.name
    assert not any((tmp_path / "cache-ray" / "streamed").iterdir())
