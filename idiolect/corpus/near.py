"""Both sides of every limit: how far each dropped document lay beyond it, and the kept ones that came nearest to it.

The lowest by (distance, id) are held for each reason, so that what is shown depends on the documents alone, and two
parts' findings are joined by keeping the lowest of both.
"""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.extract.code import LONGEST_MEAN
from idiolect.corpus.filters.judge import PLACES
from idiolect.corpus.filters.language import CODE
from idiolect.corpus.filters.reasons import MEASURES, Measure
from idiolect.corpus.tally import Tally

SHOWN = 3
OF_REASONS = MEASURES | {
    "language_other": MEASURES["language_unsure"],
    "empty": Measure("characters", "below", 1),
    "too_short": Measure("characters", "below", 1),
    "too_long": Measure("characters", "above", 1),
    "generated_code": Measure("characters a line on average", "above", LONGEST_MEAN),
    "low_quality": Measure("is its quality score", "below", 0),
    "surprising": Measure("nats a byte", "above", 0),
    "predictable": Measure("nats a byte", "below", 0),
    "pii": Measure("pieces of personal data", "above", 0),
}
# What stands in the place of kept documents that came near, where there are none.
INSTEAD = {
    "bad_row": "A row is a document or it is none: what is wrong with each stands beside it.",
    "duplicate": "Beside each stands the document that was kept in its stead.",
    "near_duplicate": "Beside each stands the document that was kept in its stead.",
    "repeated_text": "Beside each stands the document that said it first.",
    "contaminated": "Beside each stands the evaluation item that it holds; what shares less stands under Leaks.",
    "low_quality": "A draw decided: of two documents with one score one may stay and one may fall.",
}
NONE = "No document that stayed has any of it."
Values = Iterator[tuple[str, np.ndarray, np.ndarray | float]]


class Nearest:
    """The kept documents nearest to each limit, entered into a tally."""

    def __init__(self, config: CorpusConfig, tally: Tally):
        self.config, self.tally = config, tally

    def enter(self, table: pa.Table, reasons: np.ndarray, scored: Values) -> pa.Table:
        """The table with `value` and `limit` of each dropped document under its own reason (null: none); `scored` are
        what models measured. Kept documents that come near are noted."""
        ids, kept = np.array(table["id"].to_pylist(), object), reasons == ""
        own, limits = np.full(len(ids), np.nan), np.full(len(ids), np.nan)
        for reason, values, limit in (*self._measured(table, reasons), *scored):
            limit = np.broadcast_to(np.asarray(limit, float), len(ids))
            fell = reasons == reason
            own[fell], limits[fell] = values[fell], limit[fell]
            self._notice(reason, values, limit, kept, ids, table)
        for name, numbers in (("value", own), ("limit", limits)):
            table = table.append_column(name, pa.array(numbers, from_pandas=True))
        return table

    def _measured(self, table: pa.Table, reasons: np.ndarray) -> Values:
        config, n = self.config, table.num_rows
        lengths = pc.utf8_length(table["text"]).to_numpy().astype(float)
        yield "empty", np.where(reasons == "empty", np.nan, lengths), 1
        yield "too_short", lengths, config.min_characters
        yield "too_long", lengths, config.max_characters
        code = pc.starts_with(table["language"], CODE).to_numpy()
        if code.any():
            lines = pc.count_substring(table["text"], "\n").to_numpy() + 1
            # Of what fell only the head is at hand, and its note says why.
            yield "generated_code", np.where(code & (reasons == ""), lengths / lines, np.nan), LONGEST_MEAN
        yield "pii", np.array([_pieces(noted) for noted in table["pii"].to_pylist()], float), np.nan
        told = [row or None for row in table["measures"].to_pylist()]
        asked = np.flatnonzero([row is not None for row in told])
        if len(asked):
            rules = np.full((n, len(MEASURES)), np.nan, np.float32)
            rules[asked] = np.frombuffer(b"".join(filter(None, told)), np.float32).reshape(len(asked), -1)
            for reason in (*MEASURES, "language_other"):
                values = rules[:, PLACES["language_unsure" if reason == "language_other" else reason]]
                yield reason, values, OF_REASONS[reason].limit_in(config.filter)

    def _notice(
        self, reason: str, values: np.ndarray, limits: np.ndarray, kept: np.ndarray, ids: np.ndarray, table: pa.Table
    ) -> None:
        above = OF_REASONS[reason].falls != "below"
        # Without a limit, what has most of it is nearest; what has nothing of it is not near.
        margins = np.where(np.isfinite(limits), limits - values, -values) if above else values - limits
        near = np.flatnonzero(kept & np.isfinite(margins) & ((values > 0) if above else True))
        if len(near) > SHOWN:
            near = near[margins[near] <= np.partition(margins[near], SHOWN - 1)[SHOWN - 1]]
        key = ("near", reason)
        for margin, name, at in sorted(zip(margins[near].tolist(), ids[near].tolist(), near.tolist(), strict=True)):
            if not self.tally.wants(key, [margin, name], SHOWN):
                break
            shown = {"id": name, "source": table["source"][at].as_py(), "text": example(table["text"][at].as_py())}
            shown |= told(float(values[at]), float(limits[at]))
            self.tally.keep(key, [margin, name], shown, SHOWN)


def about(reason: str, tally: Tally) -> dict:
    """What the audit says beside documents that fell for a reason: what was measured, and who just passed."""
    kept = tally.first("near", reason)
    measure = OF_REASONS.get(reason)
    found = {"measure": {"what": measure.what, "falls": measure.falls}} if measure else {}
    return found | ({"kept_samples": kept} if kept else {"instead": INSTEAD.get(reason, NONE)})


def told(value: float | None, limit: float | None) -> dict:
    """The two numbers as audit.json has them; what there isn't is left out."""
    shown = {"value": value, "limit": limit}
    return {name: round(number, 6) for name, number in shown.items() if number is not None and np.isfinite(number)}


def said(sample: dict, measure: dict | None) -> str:
    """Where a document lies, in words: `0.18 of its lines end with an ellipsis (limit: at most 0.3)`."""
    value, limit = sample.get("value"), sample.get("limit")
    if not measure or value is None:
        return ""
    if limit is None:
        return f"{_number(value)} {measure['what']}"
    # As many digits as it takes to tell the two apart.
    digits = next((n for n in range(2, 7) if _number(value, n) != _number(limit, n)), 2)
    side = {"below": "at least", "above": "at most", "from": "less than"}.get(measure["falls"], "")
    return f"{_number(value, digits)} {measure['what']} (limit: {side} {_number(limit, digits)})"


def _number(value: float, digits: int = 2) -> str:
    return f"{round(value):,}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.{digits}g}"


def _pieces(noted: str) -> int:
    return sum(json.loads(noted).values()) if noted else 0
