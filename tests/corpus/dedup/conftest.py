"""Texts to features to decisions, as the pipeline does it."""

import pyarrow as pa
import pytest

from idiolect.corpus.dedup.decide import decide
from idiolect.corpus.dedup.features import Measure, part_features
from idiolect.corpus.split import digest_of

FOX = "The quick brown fox jumps over the lazy dog while the old grey cat sleeps on a warm stone wall in the sun"


def features(texts, config, *, splits=None, reasons=None):
    """The features of one part."""
    digests = pa.array([digest_of(text) for text in texts], pa.large_binary())
    columns = {"reason": reasons or [""] * len(texts), "split": splits or ["train"] * len(texts), "digest": digests}
    return part_features(pa.table({**columns, **Measure(config).columns(texts)}), config)


@pytest.fixture
def decided(tmp_path):
    """decided(texts, config, part=...) -> Decisions; `part` documents a part."""
    count = iter(range(1000))

    def run(texts, config, *, part=512, splits=None, reasons=None):
        cut = [slice(i, i + part) for i in range(0, len(texts), part)]
        parts = (features(texts[s], config, splits=splits and splits[s], reasons=reasons and reasons[s]) for s in cut)
        return decide(parts, config, tmp_path / f"dedup{next(count)}")

    return run
