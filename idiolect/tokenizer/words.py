"""Text to words: the GPT-2 cut, as a compiled standard-library pattern that agrees with the library's own.

    "It's 42 degrees\n\n outside"  ->  It | 's |  42 |  degrees | \n\n |  outside

Why a second cutter: the library cuts and merges every occurrence of every word; with the words at hand, each
distinct word is merged once and looked up ever after (engines.py). What counts as a letter, a number or a space is
asked of the library itself, so no difference of Unicode versions can come between the two.
"""

import functools
import re
from collections.abc import Callable

import numpy as np
from tokenizers import Regex, pre_tokenizers

_CODE_POINTS = 0x40000  # every letter, number and space of Unicode lies in the first four planes


def gpt2_pre_tokenizer(split_digits: bool) -> pre_tokenizers.PreTokenizer:
    """The library's form of the cut (with single digits: SmolLM's), known to transformers and llama.cpp alike."""
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words]) if split_digits else words


# A word keeps the space before it, a line end the one before it too: joined, the tokens are the text again.
_BETWEEN_SPACES = " ?[^ \\n]+| ?\\n| "


def space_pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    """The library's form of the cut at spaces and line ends alone."""
    cut = pre_tokenizers.Split(Regex(_BETWEEN_SPACES), "isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def space_cutter() -> Callable[[str], list[str]]:
    """The same as a function text -> words."""
    return re.compile(_BETWEEN_SPACES).findall


def word_cutter(split_digits: bool) -> Callable[[str], list[str]]:
    """The function text -> words; joined, the words are the text again."""
    letters, numbers, spaces = "A-Za-z", "0-9", r" \t\n\r\f\v"
    ascii_words = re.compile(_pattern(letters, *(("", numbers) if split_digits else (numbers, "")), spaces)).findall
    beyond = re.compile("[\U00010000-\U0010ffff]").search

    def cut(text: str) -> list[str]:
        if text.isascii():
            return ascii_words(text)
        # The table of the upper planes costs time in every negated class, so it waits until it is needed.
        limit = _CODE_POINTS if beyond(text) else 0x10000
        return _unicode_words(limit, split_digits)(text)

    return cut


def _pattern(letters: str, numbers: str, lone: str, spaces: str) -> str:
    """GPT-2's pattern; a `lone` character stands alone and ends a run of spaces as the text's end does."""
    return "|".join(
        [
            "'(?:[stmd]|re|ve|ll)",
            f" ?[{letters}]+",
            *([f"[{lone}]"] if lone else []),
            *([f" ?[{numbers}]+"] if numbers else []),
            f" ?[^{spaces}{letters}{numbers}{lone}]+",
            f"[{spaces}]+(?![^{spaces}{lone}])",
            f"[{spaces}]+",
        ]
    )


@functools.lru_cache(maxsize=4)
def _unicode_words(limit: int, split_digits: bool) -> Callable[[str], list[str]]:
    letters, numbers, spaces = (
        _matched(pre_tokenizers.Split(Regex(f"{name}+"), "removed"), limit) for name in (r"\p{L}", r"\p{N}", r"\s")
    )
    lone = np.zeros(limit, bool)
    if split_digits:
        # Digits are not \p{N}: they are Rust's, and \p{N} is Oniguruma's, of an older Unicode.
        lone = _lone_digits(limit)
    classes = (letters & ~lone, numbers & ~lone, lone, spaces)
    return re.compile(_pattern(*map(_character_class, classes))).findall


def _matched(remove: pre_tokenizers.PreTokenizer, limit: int) -> np.ndarray:
    """(limit,) bool: the code points that the library's rule removes."""
    matched = np.ones(limit, bool)
    for first, last in ((0, 0xD800), (0xE000, limit)):  # surrogates are no characters
        for _, (a, b) in remove.pre_tokenize_str("".join(map(chr, range(first, last)))):
            matched[first + a : first + b] = False
    matched[0xD800:0xE000] = False
    return matched


def _lone_digits(limit: int) -> np.ndarray:
    """(limit,) bool: the code points that the library isolates as digits."""
    lone = np.zeros(limit, bool)
    for first, last in ((0, 0xD800), (0xE000, limit)):
        text = "".join(f"a{chr(c)}" for c in range(first, last))
        for _, (a, b) in pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(text):
            if b - a == 1 and a % 2:
                lone[first + a // 2] = True
    return lone


def _character_class(matched: np.ndarray) -> str:
    """The inside of a `[...]` with these code points."""
    edges = np.flatnonzero(np.diff(matched, prepend=False, append=False))
    return "".join(f"\\U{a:08x}-\\U{b - 1:08x}" for a, b in edges.reshape(-1, 2).tolist())
