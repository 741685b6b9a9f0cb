"""The one step that sees all documents: from their features to what is dropped, moved and cut.

It reads hashes, never a text. In memory are a few bytes a document (the forest of clusters, verdicts, sides); all
tables of hashes are partitioned on disk (`buckets.py`). The result depends on the documents' order alone, not on how
they were divided into parts.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from idiolect.corpus.dedup.buckets import Buckets, Column, groups
from idiolect.corpus.dedup.clusters import Clusters
from idiolect.corpus.dedup.config import DedupConfig, NearConfig
from idiolect.corpus.dedup.decisions import DUPLICATE, NEAR_DUPLICATE, REPEATED_TEXT, Decisions, location
from idiolect.corpus.dedup.features import PartFeatures, Ragged
from idiolect.corpus.dedup.minhash import similarity
from idiolect.corpus.dedup.passages import Passages, repeats

DECISIONS = "decisions"


class Tables:
    """All documents' features, sorted into what each question needs."""

    def __init__(self, folder: Path, config: DedupConfig):
        near = config.near
        self.folder, self.config = folder, config
        self.digests, self.bands, self.lines, self.paragraphs, self.fingerprints = (
            Buckets(folder, name) for name in ("digests", "bands", "lines", "paragraphs", "fingerprints")
        )
        self.digest_ends = Column(folder / "digest_ends", "<u8")
        self.sketch = Column(folder / "sketch", "u1", near.bands * near.rows)
        self.words = Column(folder / "words", "<u4")
        self.n = 0
        self.alive, self.sides, self.n_words = ([] for _ in range(3))

    def add(self, part: PartFeatures) -> None:
        """Take in the next documents in reading order."""
        documents = np.arange(self.n, self.n + len(part.alive), dtype=np.uint64)
        self.n += len(documents)
        self.alive.append(part.alive)
        self.sides.append(part.side)
        self.digests.add(part.digest[part.alive, 0], documents[part.alive])
        self.digest_ends.add(part.digest[:, 1])
        if self.config.near.action != "off":
            there = part.alive[:, None] & (part.bands != 0)
            self.bands.add(part.bands[there], np.broadcast_to(documents[:, None], there.shape)[there])
            if self.config.near.min_similarity:
                self.sketch.add(part.sketch)
        self._add_places(self.lines, part.lines, part.lines.places(), part.alive, documents)
        self._add_places(self.paragraphs, part.paragraphs, part.paragraphs.places(), part.alive, documents)
        self._add_places(self.fingerprints, part.fingerprints, part.places.values, part.alive, documents)
        if self.config.substrings.action != "off":
            self.words.add(part.words.values)
            self.n_words.append(np.diff(part.words.offsets))

    @staticmethod
    def _add_places(
        table: Buckets, hashes: Ragged, places: np.ndarray, alive: np.ndarray, documents: np.ndarray
    ) -> None:
        rows = hashes.documents()
        there = alive[rows] & (hashes.values != 0)
        table.add(hashes.values[there], location(documents[rows[there]], places[there]))


def decide(parts: Iterable[PartFeatures], config: DedupConfig, work_folder: Path) -> Decisions:
    """What becomes of every document of all parts; finished decisions found in the folder are taken as they are."""
    done = work_folder / DECISIONS
    if done.exists():
        return Decisions.load(done)
    folder = work_folder / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    tables = Tables(folder, config)
    for part in parts:
        tables.add(part)
    _judge(tables).save(done)
    shutil.rmtree(folder)
    return Decisions.load(done)


def _judge(tables: Tables) -> Decisions:
    config, n = tables.config, tables.n
    alive = np.concatenate([*tables.alive, np.empty(0, bool)])
    side = np.concatenate([*tables.sides, np.empty(0, np.uint8)])
    verdict = np.zeros(n, np.uint8)
    clusters = Clusters(n)
    if config.documents or config.near.action != "off":
        _copies(tables, clusters, verdict)
    if config.near.action != "off":
        _near(tables, clusters, verdict, config.near)
    original = clusters.representatives()
    if config.near.action == "drop":
        verdict[(original != np.arange(n)) & (verdict == 0)] = NEAR_DUPLICATE
    kept = alive & (verdict == 0)
    lines = repeats(tables.lines, config.lines, kept, tables.folder / "line_places")
    paragraphs = repeats(tables.paragraphs, config.paragraphs, kept, tables.folder / "paragraph_places")
    passages, lengths = np.empty(0, np.uint64), np.empty(0, np.uint32)
    if config.substrings.action != "off":
        n_words = np.concatenate([*tables.n_words, np.empty(0, np.int64)])
        finder = Passages(tables.fingerprints, tables.words, n_words, config.substrings, tables.folder)
        passages, lengths, mostly = finder.find(kept)
        verdict[mostly] = REPEATED_TEXT
    return Decisions(verdict, original, side[original], lines, paragraphs, passages, lengths)


def _copies(tables: Tables, clusters: Clusters, verdict: np.ndarray) -> None:
    """Documents with equal digests become one cluster."""
    ends = tables.digest_ends.read()
    for keys, documents in tables.digests:
        members, starts = groups(keys, documents)
        first = _firsts(members, starts)
        # The table is sorted by half of the digest; the other half has to agree as well.
        same = (ends[first] == ends[members]) & (first != members)
        clusters.join(first[same].astype(np.int64), members[same].astype(np.int64))
        if tables.config.documents:
            verdict[members[same]] = DUPLICATE


def _near(tables: Tables, clusters: Clusters, verdict: np.ndarray, config: NearConfig) -> None:
    """Documents that share a band, and look similar enough, become one cluster."""
    sketch = tables.sketch.read()
    for keys, documents in tables.bands:
        left = verdict[documents] == 0
        members, starts = groups(keys[left], documents[left])
        first = _firsts(members, starts)
        # Each with the first of its group, and with the one before it: of a group of m, 2 m pairs instead of m².
        before = np.concatenate([members[:1], members[:-1]])
        before[starts] = members[starts]
        for other in (first, before):
            a, b = other[other != members].astype(np.int64), members[other != members].astype(np.int64)
            if config.min_similarity:
                alike = _alike(sketch, a, b, config.min_similarity)
                a, b = a[alike], b[alike]
            clusters.join(a, b)


def _alike(sketch: np.ndarray, a: np.ndarray, b: np.ndarray, at_least: float) -> np.ndarray:
    """Which pairs are similar enough, a block of pairs at a time."""
    block = 1 << 16
    parts = [similarity(sketch[a[i : i + block]], sketch[b[i : i + block]]) for i in range(0, len(a), block)]
    return np.concatenate([*parts, np.empty(0)]) >= at_least


def _firsts(members: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """For each member the first one of its group."""
    return np.repeat(members[starts], np.diff(np.append(starts, len(members))))
