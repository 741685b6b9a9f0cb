"""What the corpus tests share: a preparation in a temporary folder, and the real data when it is there."""

from pathlib import Path

import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import read
from idiolect.corpus.prepare import prepare
from idiolect.corpus.split import SPLITS
from idiolect.progress import Progress

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def prepared(tmp_path):
    """prepared(text=..., ...) -> (audit, {split: documents}, folder)."""
    count = iter(range(1000))

    def run(**settings):
        out = tmp_path / f"out{next(count)}"
        out.mkdir()
        settings = {"validation_fraction": 0.0, "test_fraction": 0.0, **settings}
        settings["text"] = tuple(map(str, settings["text"]))
        audit = prepare(CorpusConfig(**settings), out, Progress.silent())
        return audit, {split: list(read(out, split)) for split in SPLITS}, out

    return run


@pytest.fixture
def shared():
    """A path below the shared data; skips when it is not on this machine."""

    def path(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"shared/data/{name} is not here")
        return SHARED / name

    return path
