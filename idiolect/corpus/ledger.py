"""The books of a preparation: what was read, kept and dropped, why, and samples of everything.

The account balances: documents read = kept + dropped, each drop under one reason.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.clean.pii import hidden
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.filters.language import MODEL
from idiolect.corpus.filters.steps import Effects
from idiolect.corpus.near import Nearest, told
from idiolect.corpus.split import SPLITS
from idiolect.corpus.writer import SplitWriter

AUDIT_SAMPLES = 5
NAMED_FILES = 1000
KEPT = ""  # the reason of what is kept
SHARED = ("source", "licence", "language")
# Of a dropped document also what was measured and the limit, and why a row is none.
SAMPLE = pa.schema([*SCHEMA, ("value", pa.float64()), ("limit", pa.float64()), ("note", pa.string())])


class Ledger:
    """Counts and samples; nothing here grows with the corpus but the number of its sources."""

    def __init__(self, config: CorpusConfig):
        self.config = config
        self.files_read = self.read_bytes = self.read_documents = self.changed = 0
        self.kept = {split: {"documents": 0, "bytes": 0, "characters": 0} for split in SPLITS}
        self.dropped: dict[str, dict] = {}
        self.shares: Counter[tuple] = Counter()
        self.share_bytes: Counter[tuple] = Counter()
        self.encodings: Counter[str] = Counter()
        self.tidied: Counter[str] = Counter()
        self.effects = Effects(config.filter)
        self.pii: Counter[str] = Counter()
        self.pii_documents: Counter[str] = Counter()
        self.not_transformed: Counter[tuple[str, str]] = Counter()
        self.skipped_files: list[dict] = []
        self.n_skipped = self.n_bad_rows = 0
        self.lengths: Counter[int] = Counter()
        self.next_place = 1.0
        self.nearest = Nearest(config)
        self._samples: dict[str, pa.Table] = {}

    def keep(self, documents: pa.Table, split: str) -> None:
        """Enter kept documents of a split."""
        if not documents.num_rows:
            return
        sizes = pc.binary_length(documents["text"])
        characters = pc.utf8_length(documents["text"]).to_numpy()
        into = self.kept[split]
        into["documents"] += documents.num_rows
        into["bytes"] += pc.sum(sizes).as_py()
        into["characters"] += int(characters.sum())
        buckets = np.ceil(np.log2(np.maximum(characters, 1))).astype(int)
        self.lengths.update(dict(zip(*(a.tolist() for a in np.unique(buckets, return_counts=True)), strict=True)))
        library = pc.list_element(pc.split_pattern(documents["source"], "/", max_splits=1), 0)
        shares = pa.table([library, documents["licence"], documents["language"], sizes], names=[*SHARED, "bytes"])
        for row in shares.group_by(list(SHARED)).aggregate([("bytes", "sum"), ("bytes", "count")]).to_pylist():
            key = tuple(row[name] for name in SHARED)
            self.shares[key] += row["bytes_count"]
            self.share_bytes[key] += row["bytes_sum"]
        self._sample(KEPT, documents)

    def note(self, documents: pa.Table) -> None:
        """Enter what cleaning took out of documents, and what personal data was found in them."""
        self.effects.add(documents)
        for noted in documents["tidied"].to_pylist():
            self.tidied.update(json.loads(noted) if noted else {})
        for noted in documents["pii"].to_pylist():
            if noted:
                self.pii.update(found := json.loads(noted))
                self.pii_documents.update(found.keys())

    def place(self, digests: np.ndarray) -> None:
        """Note where kept documents stand by hash (the first 8 bytes of each digest), for advice on shares."""
        places = digests.astype(np.float64) / 2**64
        after = places[places >= self.config.test_fraction]
        if after.size:
            self.next_place = min(self.next_place, float(after.min()))

    def drop(self, reason: str, documents: pa.Table) -> None:
        """Enter documents that are dropped for one reason."""
        entry = self.dropped.setdefault(reason, {"documents": 0, "bytes": 0})
        entry["documents"] += documents.num_rows
        entry["bytes"] += pc.sum(pc.binary_length(documents["text"])).as_py() or 0
        self._sample(reason, documents)

    def _sample(self, reason: str, documents: pa.Table) -> None:
        """Keep the documents of lowest id: ids are hashes, so these are a sample, the same one every time."""
        n = self.config.dropped_samples
        if not n:
            return
        held = self._samples.get(reason)
        # Chosen by id first: texts are heavy, and only the chosen ones are copied.
        ids = documents["id"].combine_chunks()
        some = documents.take(pc.select_k_unstable(ids, min(n, len(ids)), [("", "ascending")]))
        some = some.select(SAMPLE.names)
        some = some if held is None else pa.concat_tables([held, some])
        self._samples[reason] = some.sort_by("id").slice(0, n).combine_chunks()

    def skip_file(self, name: str, why: str) -> None:
        """Name a file that was passed over; from the thousandth on they are only counted."""
        self.n_skipped += 1
        if len(self.skipped_files) < NAMED_FILES:
            self.skipped_files.append({"file": name, "reason": why})

    def bad_row(self, name: str, note: str) -> None:
        """Name a row that was passed over."""
        self.n_bad_rows += 1
        if len(self.skipped_files) < NAMED_FILES:
            self.skipped_files.append({"file": name, "reason": note})

    def samples(self, reason: str) -> list[dict]:
        """The samples of one reason (KEPT for what is kept), by id."""
        return self._samples[reason].to_pylist() if reason in self._samples else []

    def write_dropped(self, path: Path) -> None:
        """dropped.parquet: the samples with their reasons."""
        schema = pa.schema([pa.field("reason", pa.string()), *SAMPLE])
        with SplitWriter(path, schema) as writer:
            for reason in sorted(set(self._samples) - {KEPT}):
                some = _masked(self._samples[reason])
                writer.add(some.add_column(0, "reason", pa.array([reason] * len(some), pa.string())))

    def audit(self) -> dict:
        """What `audit.json` says; no time, path or machine in it, so that it is equal for equal input."""
        n_kept = sum(s["documents"] for s in self.kept.values())
        n_dropped = sum(d["documents"] for d in self.dropped.values())
        assert self.read_documents == n_kept + n_dropped, f"{self.read_documents} != {n_kept} + {n_dropped}"
        return {
            "read": {"files": self.files_read, "documents": self.read_documents, "bytes": self.read_bytes},
            "kept": self.kept,
            "kept_samples": [_shown(d) for d in self.samples(KEPT)[:AUDIT_SAMPLES]],
            "dropped": {
                reason: {
                    **entry,
                    **self.nearest.about(reason),
                    "samples": [_shown(d) for d in self.samples(reason)[:AUDIT_SAMPLES]],
                }
                for reason, entry in sorted(self.dropped.items())
            },
            "cleaned": {"documents": self.changed, "places": dict(sorted(self.tidied.items()))},
            "rules": self.effects.audit(),
            "language_model": MODEL if self.config.filter.language.identify else "",
            "pii": {
                kind: {"found": n, "documents": self.pii_documents[kind], "action": getattr(self.config.pii, kind)}
                for kind, n in sorted(self.pii.items())
            },
            "transformed": {
                "made": list(self.config.clean.transforms),
                "left_as_they_are": [
                    {"transform": name, "language": language, "documents": n}
                    for (name, language), n in sorted(self.not_transformed.items())
                ],
            },
            "sources": self._by("source", "licence"),
            "languages": self._by("language"),
            "lengths": [
                {"characters_from": (1 << (b - 1)) + 1 if b else 1, "characters_to": 1 << b, "documents": n}
                for b, n in sorted(self.lengths.items())
            ],
            "encodings": dict(sorted(self.encodings.items())),
            "skipped_files": self.skipped_files,
            "n_skipped_files": self.n_skipped,
            "n_skipped_rows": self.n_bad_rows,
            "licences": {row["licence"]: row["documents"] for row in self._by("licence")},
        }

    def _by(self, *names: str) -> list[dict]:
        """Documents and bytes of what is kept, by source, licence or language."""
        places = [SHARED.index(name) for name in names]
        documents: Counter[tuple] = Counter()
        n_bytes: Counter[tuple] = Counter()
        for key, n in self.shares.items():
            short = tuple(key[place] for place in places)
            documents[short] += n
            n_bytes[short] += self.share_bytes[key]
        return [
            {**dict(zip(names, key, strict=True)), "documents": documents[key], "bytes": n_bytes[key]}
            for key in sorted(documents)
        ]


def _shown(document: dict) -> dict:
    note = {"note": example(document["note"])} if document["note"] else {}
    measured = told(document["value"], document["limit"])
    return {"id": document["id"], "source": document["source"], "text": example(document["text"])} | note | measured


def _masked(documents: pa.Table) -> pa.Table:
    """Samples as they may be kept: no artefact shows what a corpus may hide."""
    for name in ("text", "note"):
        column = documents.schema.get_field_index(name)
        kind = documents.schema.field(column)
        masked = pa.array(map(hidden, documents[name].to_pylist()), kind.type)
        documents = documents.set_column(column, kind, masked)
    return documents
