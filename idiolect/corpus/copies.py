"""What is there twice, and what of evaluation sets is in there: decided for all documents, applied to each table.

`Copies` stands between the features that the first pass stored (`dedup/`) and the second pass, which holds the texts.
"""

from collections import Counter
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
from idiolect.corpus.dedup.decide import DECISIONS, decide
from idiolect.corpus.dedup.decisions import NEAR_DUPLICATE, VERDICTS, Decisions
from idiolect.corpus.dedup.features import FIELDS, part_features
from idiolect.corpus.dedup.minhash import detection
from idiolect.corpus.judged import SCORED, Verdicts
from idiolect.corpus.parts import Lots
from idiolect.corpus.split import SPLITS
from idiolect.corpus.tally import Tally
from idiolect.corpus.work import length_reason

PAIRS, PAIR_CHARACTERS = 5, 600
NEEDED = list(dict.fromkeys((*SCORED, "split", "digest", *FIELDS)))
SIDES = np.array(SPLITS, dtype=object)


class Copies:
    """The decisions about all documents; picklable, their arrays are mapped into memory where they are used."""

    def __init__(self, config: CorpusConfig, folder: Path | None):
        self.config, self.folder = config, folder
        self._pairs = self._wanted_pairs()
        self._wanted = {document for pairs in self._pairs.values() for pair in pairs for document in pair}

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "decisions"}

    @cached_property
    def decisions(self) -> Decisions | None:
        """None where nothing was looked for."""
        return Decisions.load(self.folder) if self.folder else None

    @classmethod
    def none(cls, config: CorpusConfig) -> "Copies":
        """Nothing is looked for."""
        return cls(config, None)

    @classmethod
    def find(cls, lots: Lots, config: CorpusConfig, verdicts: Verdicts) -> "Copies":
        """Look at all documents that are kept so far."""
        features = (part_features(_judged(part.table(NEEDED), verdicts), config.dedup) for part in lots.parts())
        decide(features, config.dedup, lots.folder / "copies")
        return cls(config, lots.folder / "copies" / DECISIONS)

    def _wanted_pairs(self) -> dict[str, list[tuple[int, int]]]:
        if self.decisions is None:
            return {}
        # Kept together, a cluster's documents have no reason to fall.
        together = ["near_duplicate", ""] if self.config.dedup.near.action == "keep_together" else []
        return {
            reason: self.decisions.pairs(together[-1] if reason in together else reason, PAIRS)
            for reason in VERDICTS[1:]
        }

    def enter(self, first: int, table: pa.Table, reasons: np.ndarray, tally: Tally) -> pa.Table:
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
        for document in sorted(self._wanted.intersection(range(first, first + table.num_rows))):
            tally.keep(("pair", document), 0, _shown(table, document - first), 1)
        return self._cut(first, table, reasons, tally)

    def _cut(self, first: int, table: pa.Table, reasons: np.ndarray, tally: Tally) -> pa.Table:
        """Take repeated lines, paragraphs and passages out; what is left may be too short."""
        documents = self.decisions.cut_documents(first, first + table.num_rows)
        documents = [document for document in documents.tolist() if not reasons[document - first]]
        if not documents:
            return table
        # What was cut out is priced by nobody: bits per byte are of what is left.
        texts, sizes = table["text"].to_pylist(), table["original_bytes"].to_pylist()
        for document in documents:
            text, counts = take_out(texts[document - first], self.decisions.cut(document))
            texts[document - first], sizes[document - first] = text, len(text.encode())
            reasons[document - first] = length_reason(text, self.config)
            for name, n in () if reasons[document - first] else counts.items():
                tally.count("cut", name, "bytes", n=n)
                tally.count("cut", name, "documents")
        table = table.set_column(table.schema.get_field_index("original_bytes"), "original_bytes", pa.array(sizes))
        return table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts, pa.large_string()))

    def audit(self, tally: Tally) -> dict:
        """Clusters by size, and what was cut out of documents that are kept."""
        if self.decisions is None:
            return {}
        followers = self.decisions.original[self.decisions.verdict == NEAR_DUPLICATE]
        sizes = Counter((np.unique(followers, return_counts=True)[1] + 1).tolist())
        near, cuts = self.config.dedup.near, tally.under("cut")
        return {
            "near": {
                "bands": near.bands,
                "rows": near.rows,
                "min_similarity": near.min_similarity,
                "found_of_similar": {str(s): round(detection(s, near), 3) for s in (0.7, 0.8, 0.9)},
            },
            "clusters": {"sizes": [{"size": size, "clusters": n} for size, n in sorted(sizes.items())]},
            "cuts": {
                name: {what: cuts[name, what] for what in ("bytes", "documents")}
                for name in sorted({name for name, _ in cuts})
            },
        }

    def pairs(self, tally: Tally) -> dict[str, list[dict]]:
        """For each reason some documents beside the ones that were kept in their stead."""
        return {
            reason: [{"dropped": tally.first("pair", a)[0], "kept": tally.first("pair", b)[0]} for a, b in pairs]
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
    """The evaluation items to keep out, hashed, and which of them were found."""

    def __init__(self, config: CorpusConfig, folder: Path):
        self.folder = folder
        self.books = decontaminate.gather(config.decontaminate, folder)
        self.finder = decontaminate.Finder(folder)

    def enter(self, table: pa.Table, tally: Tally) -> None:
        """Count the items in these documents; keep the examples of lowest id."""
        for row, leaked in enumerate(table["leaked"].to_pylist()):
            if not leaked:
                continue
            items = list(map(int, leaked.split()))
            for item in items:
                tally.count("leaked", item)
            for name in {name for name, start, stop in self._sets() if any(start <= i < stop for i in items)}:
                tally.count("leaked_set", name)
            shown = _shown(table, row) | {"text": hidden(table["passage"][row].as_py())[:PAIR_CHARACTERS]}
            tally.keep(("leak",), shown["id"], {"shown": shown, "item": items[0]}, PAIRS)

    @cached_property
    def _items(self) -> pa.Table:
        return pq.read_table(self.folder / "items.parquet")

    def _sets(self) -> Iterator[tuple[str, int, int]]:
        """Name of each evaluation file and its range of items."""
        start = 0
        for name, book in self.books.items():
            yield name, start, start + book["items"]
            start += book["items"]

    def audit(self, tally: Tally) -> dict:
        """For each evaluation file: its items, those too short to look for, those found, and in how many documents."""
        leaked, in_set, found = tally.under("leaked"), tally.under("leaked_set"), {}
        for name, start, stop in self._sets():
            hits = [item for item in leaked if start <= item < stop]
            found[name] = {**self.books[name], "found": len(hits), "documents": in_set[name]}
        return found

    def pairs(self, tally: Tally) -> list[dict]:
        """Some documents beside the items that are in them."""
        return [
            {
                "dropped": leak["shown"],
                "kept": {
                    "id": str(leak["item"]), "source": self._items["file"][leak["item"]].as_py(),
                    "text": self._items["text"][leak["item"]].as_py()[:PAIR_CHARACTERS],
                },
            }
            for leak in tally.first("leak")
        ]  # fmt: skip
