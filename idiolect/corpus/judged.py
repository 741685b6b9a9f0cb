"""What scores decide once every document has one: thresholds by share and percentile, what falls below them, and why.

The first pass leaves two numbers with each document, `quality` and `nats_per_byte` (NaN: not judged). The second asks
`Verdicts` for each table. Held at once: 12 bytes a document, only where a judge is on.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.filters import perplexity, quality
from idiolect.corpus.tally import Tally
from idiolect.rundir import write_atomic

TO_LABEL = "to_label.jsonl"
# Documents looked through for each one that is to be labelled: the least certain of these are taken.
CANDIDATES = 10
BINS, SHOWN = 20, 3
SCORED = ["reason", "language", "quality", "nats_per_byte"]
REASONS = ("low_quality", "surprising", "predictable")


class Verdicts:
    """The thresholds of one preparation, and what they do."""

    def __init__(self, tables: Iterable[pa.Table], config: CorpusConfig, about: dict):
        """`tables` hold the columns SCORED of all documents."""
        self.config, self.about = config, about
        scores, nats, languages = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)], []
        for table in tables if config.quality.on or config.perplexity.on else ():
            judged = table.filter(pc.equal(table["reason"], ""))
            scores.append(judged["quality"].to_numpy())
            nats.append(judged["nats_per_byte"].to_numpy())
            if config.perplexity.on:
                languages += judged["language"].to_pylist()
        self.scores, self.nats = (np.concatenate(parts) for parts in (scores, nats))
        self.threshold = quality.threshold_of(self.scores[np.isfinite(self.scores)], config.quality)
        self.limits = perplexity.limits_of(self.nats if languages else np.zeros(0), languages, config.perplexity)
        self.prices = perplexity.figures(self.nats if languages else np.zeros(0), languages, self.limits)

    def __getstate__(self) -> dict:
        # What decides travels; what it was decided from stays.
        none = np.zeros(0, np.float32)
        return self.__dict__ | {"scores": none, "nats": none, "prices": {}, "about": {}}

    def reasons(self, table: pa.Table) -> np.ndarray:
        """The reason of every document, with what scores decide filled in where none was before."""
        reasons = np.asarray(table["reason"].to_pylist(), dtype=object)
        if self.config.quality.on:
            scores = table["quality"].to_numpy()
            stays = quality.keeps(scores, table["digest"].to_pylist(), self.config.quality, self.threshold)
            reasons[(reasons == "") & np.isfinite(scores) & ~stays] = "low_quality"
        if self.config.perplexity.on:
            nats, languages = table["nats_per_byte"].to_numpy(), table["language"].to_pylist()
            falls = (reasons == "") & ~perplexity.keeps(nats, languages, self.limits)
            low = self._limits(table)[:, 0]
            reasons[falls & (nats < low)] = "predictable"
            reasons[falls & (nats >= low)] = "surprising"
        return reasons

    def enter(self, table: pa.Table, tally: Tally) -> np.ndarray:
        """`reasons`, entered into the figures and examples of the audit."""
        reasons = self.reasons(table)
        self._look_for_labels(table, np.asarray(table["reason"].to_pylist(), dtype=object), tally)
        for reason in REASONS:
            tally.count("judged", reason, n=int((reasons == reason).sum()))
        if self.config.quality.on:
            self._remember("quality", table["quality"].to_numpy(), table, tally)
        if self.config.perplexity.on:
            self._remember("perplexity", table["nats_per_byte"].to_numpy(), table, tally)
        return reasons

    def measures(self, table: pa.Table) -> Iterator[tuple[str, np.ndarray, np.ndarray | float]]:
        """For each reason what was measured in every document, and the limit (NaN: a draw decided)."""
        if self.config.quality.on:
            limit = math.nan if self.config.quality.keep == "pareto" else self.threshold
            yield "low_quality", table["quality"].to_numpy(), limit
        if self.config.perplexity.on:
            nats = table["nats_per_byte"].to_numpy()
            low, high = self._limits(table).T
            yield "predictable", nats, low
            yield "surprising", nats, high

    def _limits(self, table: pa.Table) -> np.ndarray:
        languages = table["language"].to_pylist()
        return np.array([self.limits.get(x, self.limits[""]) for x in languages]).reshape(-1, 2)

    def _remember(self, name: str, values: np.ndarray, table: pa.Table, tally: Tally) -> None:
        """A few documents of each tenth of the range, those with the lowest ids."""
        limits = (0.0, 1.0) if name == "quality" else (0.0, 5.0)
        bins = np.clip(np.nan_to_num(values) / limits[1] * 10, 0, 9).astype(int)
        ids = table["id"].to_pylist()
        for at in np.flatnonzero(np.isfinite(values)).tolist():
            key = ("judged", name, int(bins[at]))
            if tally.wants(key, ids[at], SHOWN):
                source, text = table["source"][at].as_py(), example(table["text"][at].as_py())
                row = {"price": float(values[at]), "id": ids[at], "source": source, "example": text}
                tally.keep(key, ids[at], row, SHOWN)

    def _look_for_labels(self, table: pa.Table, reasons: np.ndarray, tally: Tally) -> None:
        most = self.config.quality.to_label * (CANDIDATES if self.config.quality.on else 1)
        for at in np.flatnonzero(reasons == "").tolist() if most else ():
            drawn = quality.draw_of(table["digest"][at].as_py(), self.config.quality.seed)
            order = [drawn.hex(), table["id"][at].as_py()]
            if tally.wants(("to_label",), order, most):
                text = table["text"][at].as_py()[: self.config.quality.document_characters]
                score = float(table["quality"][at].as_py())
                row = {"text": text, "label": "", "source": table["source"][at].as_py(), "score": score}
                tally.keep(("to_label",), order, row, most)

    def write(self, out: Path, tally: Tally) -> None:
        """to_label.jsonl: rows whose empty `label` is yours to fill with good, bad, or a number from 0 to 1."""
        rows = tally.first("to_label")
        if not rows:
            return
        if self.config.quality.on:
            rows = sorted(rows, key=lambda row: abs(row["score"] - 0.5))[: self.config.quality.to_label]
        told = [row | {"score": round(row["score"], 4) if np.isfinite(row["score"]) else None} for row in rows]
        write_atomic(out / TO_LABEL, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in told))

    def audit(self, tally: Tally) -> dict:
        """What audit.json says under `quality` and `perplexity`; empty where neither judged."""
        found = {}
        if self.config.quality.on:
            known = self.scores[np.isfinite(self.scores)]
            n, edges = np.histogram(known, BINS, (0, 1))
            found["quality"] = {
                **self.about.get("quality", {}), "kind": self.config.quality.keep, "documents": len(known),
                "mean": float(known.mean()) if len(known) else None, "threshold": self.threshold,
                "kept_share": 1 - tally.counts["judged", "low_quality"] / max(len(known), 1),
                "histogram": [
                    {"from": float(a), "to": float(b), "documents": int(k)}
                    for a, b, k in zip(edges[:-1], edges[1:], n, strict=True)
                ],
                "samples": self._samples("quality", "score", tally),
            }  # fmt: skip
        if self.config.perplexity.on:
            ask = self.config.perplexity
            model = Path(ask.run).name if ask.run else f"Kneser-Ney of order {ask.order} over bytes of good text"
            dropped = {reason: tally.counts["judged", reason] for reason in ("surprising", "predictable")}
            samples = self._samples("perplexity", "nats_per_byte", tally)
            found["perplexity"] = {"model": model, **self.prices, "dropped": dropped, "samples": samples}
        return found

    def _samples(self, name: str, value: str, tally: Tally) -> list[dict]:
        rows = [row for found in tally.kept_under("judged", name).values() for row in found]
        return [
            {value: round(row["price"], 4), **{key: row[key] for key in ("id", "source", "example")}}
            for row in sorted(rows, key=lambda row: (row["price"], row["id"]))
        ]
