"""Documents that hold words from a user's lists: whole words and phrases, case folded.

The idea is C4's (its list of "dirty, naughty, obscene or otherwise bad words"); the warning is Dodge et al. 2021 (arXiv
2104.08758): such lists drop the writing of and about minorities, and health, far more than what they were meant for.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from idiolect.corpus.filters.characters import UNSPACED
from idiolect.corpus.filters.config import WordsConfig
from idiolect.errors import DataError

# A word with its marks: \w alone would cut Indic words at their vowel signs.
WORD = re.compile(r"\w[\w\u0300-\u036f\u0900-\u0dff\u200c\u200d]*")
LANGUAGE = re.compile(r"([a-z]{2,3}):(.+)", re.DOTALL)


class Listed:
    """The phrases of all lists, ready to be found in many texts."""

    def __init__(self, config: WordsConfig):
        """Raises DataError when a list can't be read or holds nothing."""
        self.config = config
        self._lists: dict[str, Phrases] = {}
        for language, phrases in lists(config):
            self._lists.setdefault(language, Phrases()).add(phrases)

    def measures(self, texts: list[str], languages: list[str]) -> Iterator[tuple[str, np.ndarray]]:
        """The rule's name and the listed words in each text, in multiples of what it takes to fall."""
        yield "words_listed", np.array(list(map(self._hits, texts, languages)), float)

    def _hits(self, text: str, language: str) -> float:
        lists = [self._lists[key] for key in {"", language} if key in self._lists]
        if not lists:
            return math.nan
        folded = fold(text)
        words = WORD.findall(folded)
        hits = sum(phrases.count(folded, words) for phrases in lists)
        return hits / max(self.config.min_hits, self.config.min_share * len(words))


class Phrases:
    """Words and phrases by their first word, and those of scripts without spaces, which are found anywhere."""

    def __init__(self):
        self._single: set[str] = set()
        self._longer: dict[str, set[tuple[str, ...]]] = {}
        self._anywhere: set[str] = set()

    def add(self, phrases: list[str]) -> None:
        for phrase in map(fold, phrases):
            words = tuple(WORD.findall(phrase))
            if any(first <= ord(c) <= last for c in phrase for first, last in UNSPACED):
                self._anywhere.add(phrase)
            elif len(words) == 1:
                self._single.add(words[0])
            elif words:
                self._longer.setdefault(words[0], set()).add(words)

    def count(self, folded: str, words: list[str]) -> int:
        """How often any of them occurs; overlapping phrases count each."""
        kinds = set(words)
        hits = sum(map(self._single.__contains__, words)) if kinds & self._single else 0
        if kinds & self._longer.keys():
            for i, word in enumerate(words):
                for phrase in self._longer.get(word, ()):
                    hits += tuple(words[i : i + len(phrase)]) == phrase
        return hits + sum(map(folded.count, self._anywhere))


def fold(text: str) -> str:
    """Upper and lower case, and full- and half-width forms, as one."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def lists(config: WordsConfig) -> Iterator[tuple[str, list[str]]]:
    """Each list's language ('' for all) and phrases. Raises DataError when one can't be read or holds nothing."""
    for name in config.files:
        match = LANGUAGE.fullmatch(name)
        language, path = match.groups() if match else ("", name)
        yield language, _read(path)


def _read(path: str) -> list[str]:
    try:
        lines = Path(path).expanduser().read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the word list {path} can't be read",
            why=getattr(error, "strerror", None) or "it is not UTF-8",
            fix="--corpus.filter.words.files=LIST.txt, one word or phrase a line",
        ) from None
    phrases = [line.strip() for line in lines if line.strip()]
    if not phrases:
        raise DataError(
            f"the word list {path} is empty",
            why="a list holds one word or phrase a line",
            fix="--corpus.filter.words.files= (no list)",
        )
    return phrases
