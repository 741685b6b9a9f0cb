"""Evaluation sets kept out of the corpus, by words in a row that a document and an item share.

After Brown et al. 2020 (arXiv 2005.14165, appendix C): lower-cased words without punctuation, 13 in a row. An item
shorter than that is looked for whole. `gather` hashes the items once; every worker maps the sorted hashes into
memory (`Finder`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup.config import DecontaminateConfig
from idiolect.corpus.dedup.cuts import passage_spans
from idiolect.corpus.dedup.hashing import rolling
from idiolect.corpus.dedup.words import Words, words_of
from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.explain import unreadable
from idiolect.corpus.find import InputFile, find
from idiolect.corpus.sources import Raw, reader_of
from idiolect.corpus.streams import Unreadable
from idiolect.errors import DataError
from idiolect.rundir import write_json

BATCH = 4096
# A byte for each of 2**24 remainders: most words in a row of a clean document are ruled out by one look-up.
SIEVE_BITS = 24
PAIR = np.dtype([("hash", "<u8"), ("item", "<u4")])


@dataclass(frozen=True)
class Leak:
    """What one document shares with evaluation items."""

    items: np.ndarray
    """Their numbers, rising."""
    words: np.ndarray
    """int64[passages, 2]: [start, end) of the shared words."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The shared passages in characters; `cuts.without` removes them."""
        return passage_spans(text, self.words)


def gather(config: DecontaminateConfig, folder: Path) -> dict[str, dict[str, int]]:
    """Hash every item of the evaluation files into `folder`; returns items and too short ones of each file.

    Raises DataError when a file can't be read, or no item is long enough to be looked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reading = _reading(config)
    files = find(reading).files
    books = {file.name: {"items": 0, "too_short": 0} for file in files}
    hashes: dict[int, list] = {}
    schema = pa.schema([("file", pa.string()), ("text", pa.large_string())])
    n = 0
    with pq.ParquetWriter(folder / "items.parquet", schema) as writer:
        for file in files:
            for texts in _batches(file, reading):
                short = _add(texts, n, config, hashes)
                n += len(texts)
                books[file.name]["items"] += len(texts)
                books[file.name]["too_short"] += short
                writer.write_table(pa.table({"file": [file.name] * len(texts), "text": texts}, schema))
    if not hashes:
        raise DataError(
            f"nothing in {', '.join(config.against)} can be looked for",
            why=f"none of {n:,} items has {config.min_words} words in a row",
            fix=f"--corpus.decontaminate.min_words={max(2, config.min_words // 2)}, or other files",
        )
    for length, found in hashes.items():
        pairs = np.unique(np.concatenate(found))
        np.save(folder / f"hashes-{length}.npy", pairs["hash"])
        np.save(folder / f"items-{length}.npy", pairs["item"])
    write_json(folder / "books.json", books)
    return books


def evaluation_texts(config: DecontaminateConfig) -> dict[str, list[str]]:
    """The items of every evaluation file, by its name. Raises DataError when a file can't be read."""
    reading = _reading(config)
    return {file.name: [text for texts in _batches(file, reading) for text in texts] for file in find(reading).files}


def _reading(config: DecontaminateConfig) -> CorpusConfig:
    return CorpusConfig(text=config.against, text_columns=config.columns or ("*",), documents="line")


def _batches(file: InputFile, reading: CorpusConfig) -> Iterator[list[str]]:
    texts = []
    try:
        for row in reader_of(file)(file, reading, resolve_rule(reading, [file])):
            if isinstance(row, Raw) and row.text.strip():
                texts.append(row.text)
                if len(texts) == BATCH:
                    yield texts
                    texts = []
    except Unreadable as error:
        raise unreadable(file.name, str(error)) from error
    if texts:
        yield texts


def _add(texts: list[str], first: int, config: DecontaminateConfig, hashes: dict[int, list]) -> int:
    """The hashes of these items, by length in words; returns how many were too short."""
    # The columns of an item are apart from each other: each is looked for by itself.
    pieces = [(first + i, piece) for i, text in enumerate(texts) for piece in text.split("\n\n")]
    words = words_of([piece for _, piece in pieces])
    numbers, starts = np.array([item for item, _ in pieces], "<u4"), words.offsets[:-1]
    lengths = np.minimum(np.diff(words.offsets), config.words)
    for length in np.unique(lengths[lengths >= config.min_words]).tolist():
        grams = rolling(words.hashes, length)
        # Of a long piece every run of words, of a short one the whole.
        rows = np.flatnonzero(lengths == length)
        runs = words.offsets[rows + 1] - starts[rows] - length + 1
        places = np.repeat(starts[rows] - (np.cumsum(runs) - runs), runs) + np.arange(runs.sum())
        pairs = np.empty(len(places), PAIR)
        pairs["hash"], pairs["item"] = grams[places], np.repeat(numbers[rows], runs)
        hashes.setdefault(length, []).append(pairs)
    return len(texts) - len(np.unique(numbers[lengths >= config.min_words]))


class Finder:
    """Finds evaluation items in documents; picklable, its tables are mapped into memory where it is used."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._tables: dict[int, tuple[np.ndarray, np.ndarray]] | None = None

    def __getstate__(self) -> dict:
        return {"folder": self.folder, "_tables": None}

    def _load(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        if self._tables is None:
            self._tables, self._sieve = {}, np.zeros(1 << SIEVE_BITS, bool)
            for path in sorted(self.folder.glob("hashes-*.npy")):
                length = path.stem.partition("-")[2]
                hashes, items = (
                    np.load(self.folder / f"{name}-{length}.npy", mmap_mode="r", allow_pickle=False)
                    for name in ("hashes", "items")
                )
                self._tables[int(length)] = hashes, items
                self._sieve[hashes & np.uint64((1 << SIEVE_BITS) - 1)] = True
        return self._tables

    def find(self, texts: list[str], words: Words | None = None) -> list[Leak | None]:
        """For each text what it shares, None for nothing."""
        words = words or words_of(texts)
        hits: dict[int, list[tuple[int, int, np.ndarray]]] = {}
        for length, (hashes, items) in self._load().items():
            grams = rolling(words.hashes, length)
            maybe = np.flatnonzero(self._sieve[grams & np.uint64((1 << SIEVE_BITS) - 1)])
            low, high = (np.searchsorted(hashes, grams[maybe], side) for side in ("left", "right"))
            there = high > low
            documents = np.searchsorted(words.offsets, maybe, "right") - 1
            there &= maybe + length <= words.offsets[documents + 1]
            for at, document, a, b in zip(*(x[there].tolist() for x in (maybe, documents, low, high)), strict=True):
                start = at - int(words.offsets[document])
                hits.setdefault(document, []).append((start, start + length, items[a:b]))
        return [_leak(hits[i]) if i in hits else None for i in range(len(texts))]


def _leak(hits: list[tuple[int, int, np.ndarray]]) -> Leak:
    spans: list[list[int]] = []
    for start, end, _ in sorted(hits, key=lambda hit: hit[:2]):
        if spans and start <= spans[-1][1]:
            spans[-1][1] = max(end, spans[-1][1])
        else:
            spans.append([start, end])
    return Leak(np.unique(np.concatenate([items for _, _, items in hits])), np.array(spans, np.int64))
