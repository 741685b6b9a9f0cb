"""Lower-casing, stop words, stems, lemmas, punctuation: what search engines and classifiers were once fed.

Every one throws away what a writer needs, so all are off unless asked for. They come last, after the document's side
of the split was decided, so that with and without them the same documents are held out. Start at `transform`.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Callable

from idiolect.corpus.clean.config import CleanConfig
from idiolect.errors import MissingExtra

# Letters, with the vowel signs and joiners that Python's \w leaves out, and apostrophes inside.
WORD = re.compile(
    "[^\\W\\d_](?:[^\\W\\d_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0900-\u109f\u1780-\u17ff\u200c\u200d]"
    "|['\u2019](?=[^\\W\\d_]))*"
)
DONE = {
    "lemmatise": "lemmatised",
    "remove_stop_words": "without stop words",
    "lowercase": "lower-cased",
    "stem": "stemmed",
    "remove_punctuation": "without punctuation",
}
SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
CACHED_WORDS = 200_000
TURKISH = str.maketrans({"I": "ı", "İ": "i"})


def transform(text: str, language: str, config: CleanConfig) -> str:
    """The text with the config's transforms; what its language has no rules for is left as it is.

    Raises MissingExtra when the library of a transform is not installed.
    """
    code = _code(language)
    for name in config.transforms:
        step = _step(name, code, config.stop_words)
        if step is not None:
            text = step(text)
    return text


def left_out(language: str, config: CleanConfig) -> tuple[str, ...]:
    """The transforms that can't be made in a language, for the books."""
    return tuple(name for name in config.transforms if _step(name, _code(language), config.stop_words) is None)


def described(config: CleanConfig) -> str:
    """What was done to the text, in words; empty when nothing was."""
    return ", ".join(DONE[name] for name in config.transforms)


def _code(language: str) -> str:
    """`en` of `en`, `en-GB` or `EN_us`."""
    return re.split("[-_]", language.casefold())[0]


@functools.cache
def _step(name: str, code: str, own_words: tuple[str, ...]) -> Callable[[str], str] | None:
    """One transform in one language; None where that language has no rules."""
    if name == "lowercase":
        return (lambda text: text.translate(TURKISH).lower()) if code in ("tr", "az") else str.lower
    if name == "remove_punctuation":
        return lambda text: text.translate(_punctuation())
    if name == "remove_stop_words":
        words = frozenset(word.casefold() for word in own_words) or stop_words(code)
        return functools.partial(without, words) if words else None
    change = _stemmer(code) if name == "stem" else _lemmatiser(code)
    return change and (lambda text: WORD.sub(lambda found: change(found[0]), text))


def without(words: frozenset[str], text: str) -> str:
    """The text without these words and the blank behind each."""
    return re.sub(
        WORD.pattern + "[ \t]?", lambda found: "" if found[0].rstrip().casefold() in words else found[0], text
    )


def stop_words(code: str) -> frozenset[str]:
    """The stop words of a language; empty where the library has none."""
    try:
        import stop_words as library
    except ImportError:
        raise MissingExtra("corpus", needs="stop-words") from None
    known = library.LANGUAGE_MAPPING.get("nb" if code in ("no", "nn") else code)
    return frozenset(word.casefold() for word in library.get_stop_words(known)) if known else frozenset()


def _stemmer(code: str) -> Callable[[str], str] | None:
    try:
        import snowballstemmer
    except ImportError:
        raise MissingExtra("corpus", needs="snowballstemmer") from None
    if code not in SNOWBALL or SNOWBALL[code] not in snowballstemmer.algorithms():
        return None
    stemmer = snowballstemmer.stemmer(SNOWBALL[code])

    @functools.lru_cache(CACHED_WORDS)
    def stem(word: str) -> str:
        # Snowball's rules are written for small letters; the word's own capitals are put back.
        stemmed = stemmer.stemWord(word.lower())
        if word.isupper() and len(word) > 1:
            return stemmed.upper()
        return stemmed[:1].upper() + stemmed[1:] if word[:1].isupper() else stemmed

    return stem


def _lemmatiser(code: str) -> Callable[[str], str] | None:
    try:
        import simplemma
    except ImportError:
        raise MissingExtra("corpus", needs="simplemma") from None
    try:
        simplemma.lemmatize("a", lang=code)
    except ValueError:
        return None
    return functools.lru_cache(CACHED_WORDS)(lambda word: simplemma.lemmatize(word, lang=code))


@functools.cache
def _punctuation() -> dict[int, None]:
    """Every character of Unicode's categories P and S."""
    return {n: None for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n))[0] in "PS"}
