"""What is there twice, and what of evaluation sets is in there: decided for all documents, applied to each table.

`Copies` stands between the features that the first pass stored (`dedup/`) and the second pass, which holds the texts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.clean.pii import hidden
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup import decontaminate
from idiolect.corpus.dedup.cuts import take_out
from idiolect.corpus.dedup.decide import decide
from idiolect.corpus.dedup.decisions import NEAR_DUPLICATE, VERDICTS, Decisions
from idiolect.corpus.dedup.features import FIELDS, part_features
from idiolect.corpus.dedup.minhash import detection
from idiolect.corpus.judged import SCORED, Verdicts
from idiolect.corpus.parts import Lots
from idiolect.corpus.split import SPLITS
from idiolect.corpus.work import length_reason

PAIRS, PAIR_CHARACTERS = 5, 600
NEEDED = list(dict.fromkeys((*SCORED, "split", "digest", *FIELDS)))
SIDES = np.array(SPLITS, dtype=object)


class Copies:
    """The decisions about all documents, and what became of them."""

    def __init__(self, config: CorpusConfig, decisions: Decisions | None):
        self.config, self.decisions = config, decisions
        self.cut_bytes: Counter[str] = Counter()
        self.cut_documents: Counter[str] = Counter()
        self._pairs = self._wanted_pairs()
        self._wanted = {document for pairs in self._pairs.values() for pair in pairs for document in pair}
        self._shown: dict[int, dict] = {}

    @classmethod
    def none(cls, config: CorpusConfig) -> "Copies":
        """Nothing is looked for."""
        return cls(config, None)

    @classmethod
    def find(cls, lots: Lots, config: CorpusConfig, verdicts: Verdicts) -> "Copies":
        """Look at all documents that are kept so far."""
        features = (part_features(_judged(part.table(NEEDED), verdicts), config.dedup) for part in lots.parts())
        return cls(config, decide(features, config.dedup, lots.folder / "copies"))

    def _wanted_pairs(self) -> dict[str, list[tuple[int, int]]]:
        if self.decisions is None:
            return {}
        # Kept together, a cluster's documents have no reason to fall.
        together = ["near_duplicate", ""] if self.config.dedup.near.action == "keep_together" else []
        return {
            reason: self.decisions.pairs(together[-1] if reason in together else reason, PAIRS)
            for reason in VERDICTS[1:]
        }

    def enter(self, first: int, table: pa.Table, reasons: np.ndarray) -> pa.Table:
        """The table whose first row is document `first`, with sides and texts as decided; fills in `reasons`."""
        if self.decisions is None:
            return table
        some = slice(first, first + table.num_rows)
        verdict, side = self.decisions.verdict[some], self.decisions.side[some]
        falls = (reasons == "") & (verdict != 0)
        reasons[falls] = np.array(VERDICTS, dtype=object)[verdict[falls]]
        table = table.set_column(
            table.schema.get_field_index("split"), "split", pa.array(SIDES[side], pa.large_string())
        )
        self._show(first, table)
        return self._cut(first, table, reasons)

    def _cut(self, first: int, table: pa.Table, reasons: np.ndarray) -> pa.Table:
        """Take repeated lines, paragraphs and passages out; what is left may be too short."""
        documents = self.decisions.cut_documents(first, first + table.num_rows)
        documents = [document for document in documents.tolist() if not reasons[document - first]]
        if not documents:
            return table
        texts = table["text"].to_pylist()
        for document in documents:
            text, counts = take_out(texts[document - first], self.decisions.cut(document))
            texts[document - first] = text
            reasons[document - first] = length_reason(text, self.config)
            if not reasons[document - first]:
                self.cut_bytes.update(counts)
                self.cut_documents.update(counts.keys())
        return table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts, pa.large_string()))

    def _show(self, first: int, table: pa.Table) -> None:
        for document in sorted(self._wanted.intersection(range(first, first + table.num_rows))):
            self._shown[document] = _shown(table, document - first)

    def audit(self) -> dict:
        """Clusters by size, and what was cut out of documents that are kept."""
        if self.decisions is None:
            return {}
        followers = self.decisions.original[self.decisions.verdict == NEAR_DUPLICATE]
        sizes = Counter((np.unique(followers, return_counts=True)[1] + 1).tolist())
        near = self.config.dedup.near
        return {
            "near": {
                "bands": near.bands,
                "rows": near.rows,
                "min_similarity": near.min_similarity,
                "found_of_similar": {str(s): round(detection(s, near), 3) for s in (0.7, 0.8, 0.9)},
            },
            "clusters": {"sizes": [{"size": size, "clusters": n} for size, n in sorted(sizes.items())]},
            "cuts": {
                name: {"bytes": self.cut_bytes[name], "documents": self.cut_documents[name]}
                for name in sorted(self.cut_bytes)
            },
        }

    def pairs(self) -> dict[str, list[dict]]:
        """For each reason some documents beside the ones that were kept in their stead."""
        return {
            reason: [{"dropped": self._shown[a], "kept": self._shown[b]} for a, b in pairs]
            for reason, pairs in self._pairs.items()
            if pairs
        }


def _judged(table: pa.Table, verdicts: Verdicts) -> pa.Table:
    """The table with what scores decide among its reasons: of two copies the one must stay that is good enough."""
    return table.set_column(
        table.schema.get_field_index("reason"), "reason", pa.array(verdicts.reasons(table), pa.large_string())
    )


def _shown(table: pa.Table, row: int) -> dict:
    text = hidden(table["text"][row].as_py()[: 2 * PAIR_CHARACTERS])[:PAIR_CHARACTERS]
    return {"id": table["id"][row].as_py(), "source": table["source"][row].as_py(), "text": text}


class Leaks:
    """The evaluation items to keep out, hashed; and, after the second pass, which of them were found."""

    def __init__(self, config: CorpusConfig, folder: Path):
        self.folder = folder
        self.books = decontaminate.gather(config.decontaminate, folder)
        self.finder = decontaminate.Finder(folder)
        self.documents: Counter[int] = Counter()
        self.in_set: Counter[str] = Counter()
        self._examples: list[tuple[str, dict, int]] = []

    def enter(self, table: pa.Table) -> None:
        """Count the items in these documents; keep the examples of lowest id."""
        for row, leaked in enumerate(table["leaked"].to_pylist()):
            if not leaked:
                continue
            items = list(map(int, leaked.split()))
            self.documents.update(items)
            self.in_set.update({name for name, start, stop in self._sets() if any(start <= i < stop for i in items)})
            shown = _shown(table, row) | {"text": hidden(table["passage"][row].as_py())[:PAIR_CHARACTERS]}
            self._examples.append((table["id"][row].as_py(), shown, items[0]))
        self._examples = sorted(self._examples, key=lambda example: example[0])[:PAIRS]

    @cached_property
    def _items(self) -> pa.Table:
        return pq.read_table(self.folder / "items.parquet")

    def _sets(self) -> Iterator[tuple[str, int, int]]:
        """Name of each evaluation file and its range of items."""
        start = 0
        for name, book in self.books.items():
            yield name, start, start + book["items"]
            start += book["items"]

    def audit(self) -> dict:
        """For each evaluation file: its items, those too short to look for, those found, and in how many documents."""
        found: dict[str, dict] = defaultdict(dict)
        for name, start, stop in self._sets():
            hits = [item for item in self.documents if start <= item < stop]
            found[name] = {**self.books[name], "found": len(hits), "documents": self.in_set[name]}
        return dict(found)

    def pairs(self) -> list[dict]:
        """Some documents beside the items that are in them."""
        return [
            {
                "dropped": shown,
                "kept": {
                    "id": str(item), "source": self._items["file"][item].as_py(),
                    "text": self._items["text"][item].as_py()[:PAIR_CHARACTERS],
                },
            }
            for _, shown, item in self._examples
        ]  # fmt: skip
