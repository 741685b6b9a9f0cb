"""`profile.json`: what a person may want to know of a prepared corpus, in figures (docs/corpus.md, "Audit").

Sizes and shares come from every document. What looks into texts (words, n-grams, topics, overlaps) comes from a sample
of `audit.sample_bytes`, drawn by id: the whole corpus if it is smaller. Memory: the sample's topics and held-out
n-grams, about 20 bytes a held-out word; the rest is sketches.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.audit.config import AuditConfig
from idiolect.corpus.audit.excerpt import example
from idiolect.corpus.audit.feeds import feeds
from idiolect.corpus.audit.overlap import Overlap
from idiolect.corpus.audit.sketch import Distinct
from idiolect.corpus.audit.topics import topics
from idiolect.corpus.audit.vocabulary import Vocabulary
from idiolect.corpus.hashed import ngrams_of, words_of
from idiolect.corpus.split import SPLITS
from idiolect.rundir import read_json

VERSION = 1
ROWS = 512
AT_ONCE = 4 << 20
# Of a document's text, what its topic is told by.
TOPIC_CHARACTERS = 2000
SHOWN = 30
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
SHARED = ("language", "source", "licence", "label")
PASSAGE = 13
Document = dict[str, str]


def profile(
    folder: Path,
    config: AuditConfig,
    worth: Callable[[float, float], float],
    evaluation: dict[str, list[str]] | None = None,
) -> dict:
    """The figures of a prepared folder. `worth(seen, unique)`: what tokens read again are worth in fresh ones;
    `evaluation`: texts of evaluation sets by name, to be looked for in the training text."""
    audit = read_json(folder / "audit.json")
    sizes = _Sizes()
    for split in SPLITS:
        for batch in _batches(folder, split):
            sizes.add(split, batch)
    total = sum(entry["bytes"] for entry in sizes.splits.values())
    look = _Look(folder, config, total, evaluation or {})
    share = min(look.n_bytes / total, 1.0) if total else 1.0
    words = {split: round(n / share) for split, n in look.words.items()}
    counted = {k: sum(e[k] for e in sizes.splits.values()) for k in ("documents", "bytes", "characters")}
    return {
        "version": VERSION,
        "counted": counted | {"words": sum(words.values())},
        "splits": {split: entry | {"words": words[split]} for split, entry in sizes.splits.items()},
        "sampled": {"documents": look.documents, "characters": look.characters, "share": share, "seed": config.seed},
        "shares": sizes.shares(),
        "lengths": sizes.lengths(),
        **look.vocabulary.figures(),
        "topics": topics(look.for_topics, config.topics, config.seed),
        "overlap": [row for overlap in look.overlaps for row in overlap.figures()],
        "repetition": look.repetition(),
        **_unique(sizes.splits["train"] | {"words": words["train"]}, look.repetition(), config, audit, worth),
        "pii": {kind: entry["found"] for kind, entry in audit.get("pii", {}).items()},
        "quality": audit.get("quality"),
        "perplexity": audit.get("perplexity"),
    }  # fmt: skip


def in_tokens(figures: dict, bytes_per_token: float, worth: Callable[[float, float], float]) -> dict:
    """The figures of `profile` with tokens as a tokenizer was measured to make them, not as they were assumed."""
    passages = figures["unique"]["of_distinct_passages"] | {
        "tokens": round(figures["unique"]["of_distinct_passages"]["bytes"] / bytes_per_token)
    }
    unique = figures["unique"] | {
        "tokens": round(figures["unique"]["bytes"] / bytes_per_token), "bytes_per_token": bytes_per_token,
        "assumed": False, "of_distinct_passages": passages,
    }  # fmt: skip
    return figures | {"unique": unique, "feeds": feeds(passages["tokens"], worth)}


def _unique(train: dict, repetition: dict, config: AuditConfig, audit: dict, worth) -> dict:
    passages = round(train["bytes"] * (1 - repetition["repeated_share"]))
    tokens = round(passages / config.bytes_per_token)
    removed = {
        reason: {"documents": entry["documents"], "bytes": entry["bytes"]}
        for reason, entry in audit.get("dropped", {}).items()
        if "duplicate" in reason
    }
    return {
        "unique": {
            "documents": train["documents"], "bytes": train["bytes"], "words": train["words"],
            "tokens": round(train["bytes"] / config.bytes_per_token), "bytes_per_token": config.bytes_per_token,
            "assumed": True, "of_distinct_passages": {"bytes": passages, "tokens": tokens}, "removed": removed,
        },
        "feeds": feeds(tokens, worth),
    }  # fmt: skip


def _batches(folder: Path, split: str) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(folder / f"{split}.parquet") as file:
        yield from file.iter_batches(batch_size=ROWS)


class _Sizes:
    """Counts of every document; grows with the number of sources, and 4 bytes a document for the percentiles."""

    def __init__(self):
        self.splits = {split: {"documents": 0, "bytes": 0, "characters": 0} for split in SPLITS}
        self._shares = {name: (Counter(), Counter()) for name in SHARED}
        self._lengths: list[np.ndarray] = []
        self._ends: dict[str, dict | None] = {"shortest": None, "longest": None}

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        n_bytes = pc.binary_length(batch["text"]).to_numpy().astype(np.int64)
        characters = pc.utf8_length(batch["text"]).to_numpy().astype(np.uint32)
        self.splits[split]["documents"] += batch.num_rows
        self.splits[split]["bytes"] += int(n_bytes.sum())
        self.splits[split]["characters"] += int(characters.sum(dtype=np.int64))
        self._lengths.append(characters)
        for name in SHARED:
            values = batch[name].to_pylist() if name in batch.schema.names else []
            documents, sizes = self._shares[name]
            for value, size in zip(values, n_bytes.tolist(), strict=False):
                value = (value or "").partition("/")[0] if name == "source" else value or ""
                documents[value] += 1
                sizes[value] += size
        if batch.num_rows:
            self._extreme("shortest", batch, int(characters.argmin()), characters, -1)
            self._extreme("longest", batch, int(characters.argmax()), characters, 1)

    def _extreme(self, name: str, batch: pa.RecordBatch, at: int, characters: np.ndarray, sign: int) -> None:
        held = self._ends[name]
        if held is None or sign * int(characters[at]) > sign * held["characters"]:
            self._ends[name] = {
                "id": batch["id"][at].as_py(), "source": batch["source"][at].as_py(),
                "characters": int(characters[at]), "example": example(batch["text"][at].as_py()),
            }  # fmt: skip

    def shares(self) -> dict:
        """Largest first, by bytes; what only says "" everywhere is left out."""
        found = {}
        for name, (documents, sizes) in self._shares.items():
            total = sum(sizes.values())
            order = sorted(sizes, key=lambda value: (-sizes[value], value)) if set(sizes) - {""} else []
            rows = [(value, documents[value], sizes[value]) for value in order]
            found[name] = [_share(value, n, size, total) for value, n, size in rows[:SHOWN]]
            if rest := rows[SHOWN:]:
                _, counts, bytes_ = zip(*rest, strict=True)
                found[name].append(_share("(others)", sum(counts), sum(bytes_), total) | {"names": len(rest)})
        return found

    def lengths(self) -> dict:
        """How long documents are, in characters."""
        every = np.concatenate([np.zeros(0, np.uint32), *self._lengths])
        bucket = np.ceil(np.log2(np.maximum(every, 1))).astype(int)
        return {
            "mean": float(every.mean()) if len(every) else None,
            "percentiles": {str(p): int(np.percentile(every, p)) for p in PERCENTILES} if len(every) else {},
            **self._ends,
            "bins": [
                {
                    "from": (1 << (int(b) - 1)) + 1 if b else 1, "to": 1 << int(b),
                    "documents": int((bucket == b).sum()), "characters": int(every[bucket == b].sum(dtype=np.int64)),
                }
                for b in np.unique(bucket)
            ],
        }  # fmt: skip


def _share(name: str, documents: int, size: int, total: int) -> dict:
    return {"name": name, "documents": documents, "bytes": size, "share": size / max(total, 1)}


class _Look:
    """The sample, looked through: held-out splits first, then the training text in which they are looked for."""

    def __init__(self, folder: Path, config: AuditConfig, total: int, evaluation: dict[str, list[str]]):
        self.config, self.rate = config, min(1.0, config.sample_bytes / max(total, 1))
        self.vocabulary, self.passages = Vocabulary(), Distinct()
        self.words, self.n_passages = dict.fromkeys(SPLITS, 0), 0
        self.documents = self.characters = self.n_bytes = 0
        self._for_topics: list[tuple[int, dict]] = []
        self.overlaps = [
            Overlap(f"evaluation: {name}", [{"id": str(i), "source": name, "text": t} for i, t in enumerate(texts)])
            for name, texts in sorted(evaluation.items())
        ]
        for split in ("validation", "test", "train"):
            held: list[Document] = []
            for rows in self._sampled(folder, split):
                self._enter(split, rows)
                held += rows if split != "train" else []
            if held:
                self.overlaps.append(Overlap(split, held))

    def _sampled(self, folder: Path, split: str) -> Iterator[list[Document]]:
        """The drawn documents, some megabytes at a time: counting many n-grams at once is what makes it quick."""
        rows, size = [], 0
        for batch in _batches(folder, split):
            for row in batch.to_pylist():
                if self._drawn(row["id"]) < self.rate:
                    rows.append(row)
                    size += len(row["text"])
            if size >= AT_ONCE:
                yield rows
                rows, size = [], 0
        if rows:
            yield rows

    def _drawn(self, name: str) -> float:
        digest = hashlib.blake2b(name.encode(), digest_size=8, salt=self.config.seed.to_bytes(8, "little")).digest()
        return int.from_bytes(digest, "big") / 2**64

    def _enter(self, split: str, rows: list[Document]) -> None:
        texts = [row["text"] for row in rows]
        words = words_of(texts)
        self.documents += len(rows)
        self.words[split] += len(words.hashes)
        self.vocabulary.add(words, texts)
        for row in rows:
            size = len(row["text"].encode("utf-8", "replace"))
            self.characters += len(row["text"])
            self.n_bytes += size
            keep = {k: row[k] or "" for k in ("id", "source", "language")} | {
                "bytes": size,
                "text": row["text"][:TOPIC_CHARACTERS],
            }
            self._for_topics.append((self._drawn(row["id"] + "t"), keep))
        self._for_topics = sorted(self._for_topics, key=lambda drawn: (drawn[0], drawn[1]["id"]))
        del self._for_topics[self.config.topic_documents :]
        if split == "train":
            grams, _ = ngrams_of(words, PASSAGE)
            self.passages.add(grams)
            self.n_passages += len(grams)
            for overlap in self.overlaps:
                overlap.look_in(words)

    @property
    def for_topics(self) -> list[dict]:
        """The documents that topics are found in, in the order of their draws."""
        return [document for _, document in self._for_topics]

    def repetition(self) -> dict:
        """How much of the training text says again what it said before, word for word."""
        distinct = min(self.passages.count(), self.n_passages)
        repeated = 1 - distinct / self.n_passages if self.n_passages else 0.0
        # Within the sketch's error nothing can be told from no repetition at all.
        repeated = repeated if repeated > 0.015 else 0.0
        return {"n": PASSAGE, "grams": self.n_passages, "distinct": distinct, "repeated_share": repeated}
