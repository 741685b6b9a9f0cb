"""Documents that just passed a threshold stand in the audit beside those that just fell."""

import numpy as np
import pyarrow as pa

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.filters.perplexity import figures
from idiolect.corpus.judged import Verdicts
from idiolect.corpus.near import SHOWN, Nearest, about
from idiolect.corpus.tally import Tally


def test_the_kept_documents_nearest_to_the_threshold_are_shown():
    scores = np.linspace(0, 1, 41, dtype=np.float32)
    config = CorpusConfig(quality={"good": ["good.txt"], "bad": ["bad.txt"], "keep": "threshold", "threshold": 0.5})
    table = pa.table({
        "id": [f"{n:02d}" for n in range(41)], "source": ["s"] * 41, "text": [f"text {n}" for n in range(41)],
        "reason": [""] * 39 + ["too_short"] * 2, "language": ["en"] * 41,
        "digest": [bytes([n]) * 16 for n in range(41)],
        "pii": [""] * 41, "measures": [b""] * 41, "quality": scores, "nats_per_byte": np.full(41, np.nan, np.float32),
    })  # fmt: skip
    verdicts = Verdicts([table], config, {})
    reasons = verdicts.enter(table, Tally())
    assert list(reasons[:20]) == ["low_quality"] * 20
    tally = Tally()
    table = Nearest(config, tally).enter(table, reasons, verdicts.measures(table))
    found = about("low_quality", tally)
    assert [row["id"] for row in found["kept_samples"]] == ["20", "21", "22"][:SHOWN]
    assert found["kept_samples"][1] | {"text": ""} == {
        "id": "21",
        "source": "s",
        "text": "",
        "value": 0.525,
        "limit": 0.5,
    }
    assert table["value"].to_pylist()[19] == scores[19] and table["limit"].to_pylist()[19] == 0.5


def test_the_histogram_of_prices_counts_every_document_once():
    nats = np.append(np.random.default_rng(0).gamma(4, 0.4, 1000), [99.0, np.nan]).astype(np.float32)
    bins = figures(nats, ["en"] * len(nats), {"": (0.0, 2.0)})["histogram"]
    assert sum(row["documents"] for row in bins) == 1001 and bins[-1]["to"] < 10
    assert figures(np.zeros(0), [], {"": (0.0, 2.0)})["histogram"] == []
