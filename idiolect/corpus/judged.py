"""What scores decide once every document has one: thresholds by share and percentile, what falls below them, and why.

The first pass leaves two numbers with each document, `quality` and `nats_per_byte` (NaN: not judged). The second asks
`Verdicts` for each table. Held at once: 12 bytes a document, only where a judge is on.
"""

import heapq
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
from idiolect.rundir import write_atomic

TO_LABEL = "to_label.jsonl"
# Documents looked through for each one that is to be labelled: the least certain of these are taken.
CANDIDATES = 10
BINS, SHOWN = 20, 3
SCORED = ["reason", "language", "quality", "nats_per_byte"]
REASONS = ("low_quality", "surprising", "predictable")


class Verdicts:
    """The thresholds of one preparation, and what they did."""

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
        self.dropped = dict.fromkeys(REASONS, 0)
        self._to_label: list[tuple] = []
        self._examples: dict[tuple[str, int], list] = {}

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

    def enter(self, table: pa.Table) -> np.ndarray:
        """`reasons`, entered into the figures and examples of the audit."""
        reasons = self.reasons(table)
        self._look_for_labels(table, np.asarray(table["reason"].to_pylist(), dtype=object))
        for reason in REASONS:
            self.dropped[reason] += int((reasons == reason).sum())
        if self.config.quality.on:
            self._remember("quality", table["quality"].to_numpy(), table)
        if self.config.perplexity.on:
            self._remember("perplexity", table["nats_per_byte"].to_numpy(), table)
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

    def _remember(self, name: str, values: np.ndarray, table: pa.Table) -> None:
        """A few documents of each tenth of the range, those with the lowest ids."""
        limits = (0.0, 1.0) if name == "quality" else (0.0, 5.0)
        bins = np.clip(np.nan_to_num(values) / limits[1] * 10, 0, 9).astype(int)
        ids = table["id"].to_pylist()
        for at in np.flatnonzero(np.isfinite(values)):
            heap = self._examples.setdefault((name, int(bins[at])), [])
            if len(heap) < SHOWN or ids[at] < heap[-1][0]:
                source, text = table["source"][at].as_py(), example(table["text"][at].as_py())
                heap.append((ids[at], float(values[at]), source, text))
                heap.sort()
                del heap[SHOWN:]

    def _look_for_labels(self, table: pa.Table, reasons: np.ndarray) -> None:
        most = self.config.quality.to_label * (CANDIDATES if self.config.quality.on else 1)
        if not most:
            return
        for at in np.flatnonzero(reasons == ""):
            drawn = quality.draw_of(table["digest"][at].as_py(), self.config.quality.seed)
            entry = (-int.from_bytes(drawn, "big"), table["id"][at].as_py())
            if len(self._to_label) == most and entry <= self._to_label[0][:2]:
                continue
            row = {"text": table["text"][at].as_py()[: self.config.quality.document_characters]}
            row |= {"label": "", "source": table["source"][at].as_py(), "score": float(table["quality"][at].as_py())}
            push = heapq.heappush if len(self._to_label) < most else heapq.heappushpop
            push(self._to_label, (*entry, row))

    def write(self, out: Path) -> None:
        """to_label.jsonl: rows whose empty `label` is yours to fill with good, bad, or a number from 0 to 1."""
        if not self._to_label:
            return
        rows = [row for _, _, row in sorted(self._to_label, key=lambda entry: entry[:2], reverse=True)]
        if self.config.quality.on:
            rows = sorted(rows, key=lambda row: abs(row["score"] - 0.5))[: self.config.quality.to_label]
        for row in rows:
            row["score"] = round(row["score"], 4) if np.isfinite(row["score"]) else None
        write_atomic(out / TO_LABEL, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def audit(self) -> dict:
        """What audit.json says under `quality` and `perplexity`; empty where neither judged."""
        found = {}
        if self.config.quality.on:
            known = self.scores[np.isfinite(self.scores)]
            n, edges = np.histogram(known, BINS, (0, 1))
            found["quality"] = {
                **self.about.get("quality", {}), "kind": self.config.quality.keep, "documents": len(known),
                "mean": float(known.mean()) if len(known) else None, "threshold": self.threshold,
                "kept_share": 1 - self.dropped["low_quality"] / max(len(known), 1),
                "histogram": [
                    {"from": float(a), "to": float(b), "documents": int(k)}
                    for a, b, k in zip(edges[:-1], edges[1:], n, strict=True)
                ],
                "samples": self._samples("quality", "score"),
            }  # fmt: skip
        if self.config.perplexity.on:
            ask = self.config.perplexity
            model = Path(ask.run).name if ask.run else f"Kneser-Ney of order {ask.order} over bytes of good text"
            dropped = {reason: self.dropped[reason] for reason in ("surprising", "predictable")}
            samples = self._samples("perplexity", "nats_per_byte")
            found["perplexity"] = {"model": model, **self.prices, "dropped": dropped, "samples": samples}
        return found

    def _samples(self, name: str, value: str) -> list[dict]:
        rows = [row for (of, _), heap in sorted(self._examples.items()) if of == name for row in heap]
        return [
            {value: round(price, 4), "id": i, "source": source, "example": text}
            for i, price, source, text in sorted(rows, key=lambda row: (row[1], row[0]))
        ]
