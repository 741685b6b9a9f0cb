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
from idiolect.corpus.filters.effects import Effects
from idiolect.corpus.filters.language import MODEL
from idiolect.corpus.near import about, told
from idiolect.corpus.split import SPLITS
from idiolect.corpus.tally import Tally
from idiolect.corpus.writer import SplitWriter

AUDIT_SAMPLES = 5
NAMED_FILES = 1000
KEPT = ""  # the reason of what is kept
SHARED = ("source", "licence", "language")
SIZES = ("documents", "bytes", "characters")
# Of a dropped document also what was measured and the limit, and why a row is none.
SAMPLE = pa.schema([*SCHEMA, ("value", pa.float64()), ("limit", pa.float64()), ("note", pa.string())])


class Ledger:
    """Counts and samples; nothing here grows with the corpus but the number of its sources."""

    def __init__(self, config: CorpusConfig):
        self.config, self.tally = config, Tally()
        self.effects = Effects(config.filter)
        self.skipped_files: list[dict] = []
        self.n_skipped = 0

    @property
    def read_documents(self) -> int:
        """Documents entered, whatever became of them."""
        return self.tally.counts["read", "documents"]

    @property
    def kept(self) -> dict[str, dict[str, int]]:
        """Documents, bytes and characters of each split."""
        return {split: {what: self.tally.counts["kept", split, what] for what in SIZES} for split in SPLITS}

    @property
    def dropped(self) -> dict[str, dict[str, int]]:
        """Documents and bytes by reason."""
        found = self.tally.under("dropped")
        return {r: {what: found[r, what] for what in SIZES[:2]} for r in sorted({reason for reason, _ in found})}

    @property
    def next_place(self) -> float:
        """The lowest place by hash, from the test fraction on, of what is kept; 1 where there is none."""
        return min((row["place"] for row in self.tally.first("next_place")), default=1.0)

    def enter(self, documents: pa.Table, reasons: np.ndarray, first: int) -> None:
        """Enter documents of which the first is number `first` of all, with the reasons why they fall."""
        self.tally.count("read", "documents", n=documents.num_rows)
        self.tally.count("changed", n=pc.sum(documents["changed"]).as_py() or 0)
        self._note(documents)
        for reason in sorted(set(reasons) - {KEPT}):
            self._drop(reason, documents.filter(pa.array(reasons == reason)))
        for at in np.flatnonzero(reasons == "bad_row").tolist():
            self.tally.count("bad_rows")
            named = {"file": documents["source"][at].as_py(), "reason": documents["note"][at].as_py()}
            self.tally.keep(("bad_row",), first + at, named, NAMED_FILES)
        kept = documents.filter(pa.array(reasons == KEPT))
        for split in SPLITS:
            self._keep(kept.filter(pc.equal(kept["split"], split)), split)
        self._sample(KEPT, kept)
        self._place(kept)

    def _keep(self, documents: pa.Table, split: str) -> None:
        if not documents.num_rows:
            return
        sizes = pc.binary_length(documents["text"])
        characters = pc.utf8_length(documents["text"]).to_numpy()
        totals = (documents.num_rows, pc.sum(sizes).as_py(), int(characters.sum()))
        for what, n in zip(SIZES, totals, strict=True):
            self.tally.count("kept", split, what, n=n)
        buckets = np.ceil(np.log2(np.maximum(characters, 1))).astype(int)
        for bucket, n in zip(*(a.tolist() for a in np.unique(buckets, return_counts=True)), strict=True):
            self.tally.count("length", bucket, n=n)
        library = pc.list_element(pc.split_pattern(documents["source"], "/", max_splits=1), 0)
        shares = pa.table([library, documents["licence"], documents["language"], sizes], names=[*SHARED, "bytes"])
        for row in shares.group_by(list(SHARED)).aggregate([("bytes", "sum"), ("bytes", "count")]).to_pylist():
            key = tuple(row[name] for name in SHARED)
            self.tally.count("share", *key, "documents", n=row["bytes_count"])
            self.tally.count("share", *key, "bytes", n=row["bytes_sum"])

    def _note(self, documents: pa.Table) -> None:
        """What cleaning took out of documents, and what personal data was found in them."""
        self.effects.add(documents, self.tally)
        for noted in filter(None, documents["tidied"].to_pylist()):
            for step, n in json.loads(noted).items():
                self.tally.count("tidied", step, n=n)
        for noted in filter(None, documents["pii"].to_pylist()):
            for kind, n in json.loads(noted).items():
                self.tally.count("pii", kind, "found", n=n)
                self.tally.count("pii", kind, "documents")

    def _place(self, kept: pa.Table) -> None:
        """Note where kept documents stand by hash (the first 8 bytes of each digest), for advice on shares."""
        places = digests_of(kept)[:, 0].astype(np.float64) / 2**64
        after = places[places >= self.config.test_fraction]
        if after.size:
            self.tally.keep(("next_place",), float(after.min()), {"place": float(after.min())}, 1)

    def _drop(self, reason: str, documents: pa.Table) -> None:
        self.tally.count("dropped", reason, "documents", n=documents.num_rows)
        self.tally.count("dropped", reason, "bytes", n=pc.sum(pc.binary_length(documents["text"])).as_py() or 0)
        self._sample(reason, documents)

    def _sample(self, reason: str, documents: pa.Table) -> None:
        """Keep the documents of lowest id: ids are hashes, so these are a sample, the same one every time."""
        n = min(self.config.dropped_samples, documents.num_rows)
        if not n:
            return
        # Chosen by id first: texts are heavy, and only the chosen ones are copied.
        some = pc.select_k_unstable(documents["id"].combine_chunks(), n, [("", "ascending")]).to_pylist()
        for at in sorted(some):
            name = documents["id"][at].as_py()
            if self.tally.wants(("sample", reason), name, self.config.dropped_samples):
                row = documents.slice(at, 1).select(SAMPLE.names).to_pylist()[0]
                self.tally.keep(("sample", reason), name, row, self.config.dropped_samples)

    def skip_file(self, name: str, why: str) -> None:
        """Name a file that was passed over; from the thousandth on they are only counted."""
        self.n_skipped += 1
        if len(self.skipped_files) < NAMED_FILES:
            self.skipped_files.append({"file": name, "reason": why})

    def name_bad_rows(self) -> None:
        """Name the rows that were passed over among the files that were."""
        self.skipped_files += self.tally.first("bad_row")[: NAMED_FILES - len(self.skipped_files)]

    def samples(self, reason: str) -> list[dict]:
        """The samples of one reason (KEPT for what is kept), by id."""
        return self.tally.first("sample", reason)

    def write_dropped(self, path: Path) -> None:
        """dropped.parquet: the samples with their reasons, masked: no artefact shows what a corpus may hide."""
        schema = pa.schema([pa.field("reason", pa.string()), *SAMPLE])
        with SplitWriter(path, schema) as writer:
            for reason, rows in self.tally.kept_under("sample").items():
                masked = [row | {name: hidden(row[name]) for name in ("text", "note")} for row in rows if reason]
                writer.add(pa.Table.from_pylist([row | {"reason": reason} for row in masked], schema))

    def audit(self) -> dict:
        """What `audit.json` says; no time, path or machine in it, so that it is equal for equal input."""
        tally, pii = self.tally, self.tally.under("pii")
        n_kept = sum(s["documents"] for s in self.kept.values())
        n_dropped = sum(d["documents"] for d in self.dropped.values())
        assert self.read_documents == n_kept + n_dropped, f"{self.read_documents} != {n_kept} + {n_dropped}"
        return {
            "read": {what: tally.counts["read", what] for what in ("files", "documents", "bytes")},
            "kept": self.kept,
            "kept_samples": [_shown(d) for d in self.samples(KEPT)[:AUDIT_SAMPLES]],
            "dropped": {
                reason: {
                    **entry,
                    **about(reason, tally),
                    "samples": [_shown(d) for d in self.samples(reason)[:AUDIT_SAMPLES]],
                }
                for reason, entry in self.dropped.items()
            },
            "cleaned": {"documents": tally.counts["changed",], "places": dict(sorted(tally.under("tidied").items()))},
            "rules": self.effects.audit(tally),
            "language_model": MODEL if self.config.filter.language.identify else "",
            "pii": {
                kind: {"found": n, "documents": pii[kind, "documents"], "action": getattr(self.config.pii, kind)}
                for (kind, what), n in sorted(pii.items())
                if what == "found"
            },
            "transformed": {
                "made": list(self.config.clean.transforms),
                "left_as_they_are": [
                    {"transform": name, "language": language, "documents": n}
                    for (name, language), n in sorted(tally.under("not_transformed").items())
                ],
            },
            "sources": self._by("source", "licence"),
            "languages": self._by("language"),
            "lengths": [
                {"characters_from": (1 << (b - 1)) + 1 if b else 1, "characters_to": 1 << b, "documents": n}
                for b, n in sorted(tally.under("length").items())
            ],
            "encodings": dict(sorted(tally.under("encoding").items())),
            "skipped_files": self.skipped_files,
            "n_skipped_files": self.n_skipped,
            "n_skipped_rows": tally.counts["bad_rows",],
            "licences": {row["licence"]: row["documents"] for row in self._by("licence")},
        }

    def _by(self, *names: str) -> list[dict]:
        """Documents and bytes of what is kept, by source, licence or language."""
        places = [SHARED.index(name) for name in names]
        found: Counter[tuple] = Counter()
        for (*key, what), n in self.tally.under("share").items():
            found[*(key[place] for place in places), what] += n
        return [
            {**dict(zip(names, key, strict=True)), **{what: found[*key, what] for what in SIZES[:2]}}
            for *key, what in sorted(found)
            if what == "documents"
        ]


def _shown(document: dict) -> dict:
    note = {"note": example(document["note"])} if document["note"] else {}
    measured = told(document["value"], document["limit"])
    return {"id": document["id"], "source": document["source"], "text": example(document["text"])} | note | measured


def digests_of(table: pa.Table) -> np.ndarray:
    """uint64[n, 2], most significant first."""
    whole = b"".join(table["digest"].to_pylist())
    return np.frombuffer(whole, dtype=">u8").reshape(-1, 2)
