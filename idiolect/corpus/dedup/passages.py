"""Which lines, paragraphs and long passages have stood somewhere before, from tables of their hashes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from idiolect.corpus.dedup.buckets import BUCKETS, Buckets, Column, groups
from idiolect.corpus.dedup.config import LinesConfig, ParagraphsConfig, SubstringsConfig
from idiolect.corpus.dedup.decisions import SHIFT, location
from idiolect.corpus.dedup.hashing import rolling
from idiolect.corpus.dedup.substrings import sizes


def repeats(table: Buckets, config: LinesConfig | ParagraphsConfig, kept: np.ndarray, folder: Path) -> np.ndarray:
    """Sorted locations of the lines (paragraphs) of kept documents that are to be removed."""
    removed = _by_document(folder, len(kept))
    for keys, locations in table:
        there = kept[locations >> SHIFT]
        members, starts = groups(keys[there], locations[there])
        counts = np.diff(np.append(starts, len(members)))
        nth = np.arange(len(members)) - np.repeat(starts, counts)
        too_often = np.repeat(counts, counts) > config.max_repeats
        gone = members[too_often & ((config.action == "all") | (nth >= config.max_repeats))]
        removed.add(gone, np.zeros(len(gone), np.uint64))
    return np.concatenate([*(np.sort(keys) for keys, _ in removed), np.empty(0, np.uint64)])


def _by_document(folder: Path, n: int) -> Buckets:
    """A table of locations in which a document never lies in two ranges."""
    return Buckets(folder.parent, folder.name, width=max(1, -(-n // BUCKETS)) << 32)


class Passages:
    """Finds every passage of `config.words` words or more that stood in a kept document before it, or earlier in it.

    Fingerprints that come twice point to where such passages can be; there, and only there, every run of
    `config.words` words is hashed and looked up, so that what is found is exact, to the word.
    """

    def __init__(
        self, fingerprints: Buckets, words: Column, n_words: np.ndarray, config: SubstringsConfig, folder: Path
    ):
        self.fingerprints, self.words, self.config, self.folder = fingerprints, words.read(), config, folder
        self.n_words = n_words
        self.offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(n_words, dtype=np.int64)])
        self.round = 0

    def find(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(where passages begin, their words, documents that are mostly made of them).

        What stood first in a document that is itself dropped is not a repeat where it comes next, hence two rounds;
        the second can only find less.
        """
        starts, lengths = self._find(kept)
        documents = (starts >> SHIFT).astype(np.int64)
        repeated = np.bincount(documents, lengths, minlength=len(kept)) if len(starts) else np.zeros(len(kept))
        mostly = np.flatnonzero(repeated > self.config.max_share * self.n_words)
        if len(mostly):
            kept = kept.copy()
            kept[mostly] = False
            starts, lengths = self._find(kept)
        return starts, lengths, mostly

    def _find(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.round += 1
        grams = Buckets(self.folder, f"grams-{self.round}")
        for hashes, locations in self._grams(self._candidates(kept)):
            grams.add(hashes, locations)
        later = _by_document(self.folder / f"later-{self.round}", len(kept))
        for keys, locations in grams:
            members, starts = groups(keys, locations)
            gone = np.delete(members, starts)
            later.add(gone, np.zeros(len(gone), np.uint64))
        found = [self._joined(np.sort(keys)) for keys, _ in later]
        starts = np.concatenate([*(s for s, _ in found), np.empty(0, np.uint64)])
        return starts, np.concatenate([*(n for _, n in found), np.empty(0, np.uint32)])

    def _candidates(self, kept: np.ndarray) -> Buckets:
        """Locations of the fingerprints that come more than once."""
        candidates = _by_document(self.folder / f"candidates-{self.round}", len(kept))
        for keys, locations in self.fingerprints:
            there = kept[locations >> SHIFT]
            members, _ = groups(keys[there], locations[there])
            candidates.add(members, np.zeros(len(members), np.uint64))
        return candidates

    def _grams(self, candidates: Buckets) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(hashes, locations) of every run of `words` words that holds a candidate."""
        _, window = sizes(self.config)
        for keys, _ in candidates:
            keys = np.sort(keys)
            documents = (keys >> SHIFT).astype(np.int64)
            bounds = np.append(np.flatnonzero(np.diff(documents, prepend=-1)), len(keys))
            for low, high in zip(bounds[:-1], bounds[1:], strict=True):
                document = documents[low]
                words = self.words[self.offsets[document] : self.offsets[document + 1]]
                hashes = rolling(words.astype(np.uint64), self.config.words)
                places = (keys[low:high] & np.uint64(0xFFFFFFFF)).astype(np.int64)
                near = np.zeros(len(hashes) + 1, np.int64)
                np.add.at(near, np.maximum(places - window + 1, 0), 1)
                np.add.at(near, np.minimum(places + 1, len(hashes)), -1)
                runs = np.flatnonzero(np.cumsum(near[:-1]))
                yield hashes[runs], location(np.full(len(runs), document), runs)

    def _joined(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs of words that touch or overlap become one passage."""
        if not len(starts):
            return starts, np.empty(0, np.uint32)
        begins = np.concatenate([[True], np.diff(starts) > np.uint64(self.config.words)])
        first, last = starts[begins], starts[np.append(begins[1:], True)]
        return first, (last - first).astype(np.uint32) + np.uint32(self.config.words)
