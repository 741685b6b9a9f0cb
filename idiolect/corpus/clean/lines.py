"""White space, invisible characters and lines that belong to a page or an edition, not to its text.

Start at `tidy`. Every step has its switch in CleanConfig and counts the places it changed.
"""

import functools
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.clean.gutenberg import without_licence
from idiolect.corpus.clean.pages import without_repeated

# Soft hyphen, combining grapheme joiner, zero-width space to right-to-left mark, embeddings and overrides, word joiner
# to invisible plus, isolates, and the Arabic letter mark.
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069]")
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
DIRECTION_MARKS = "\u061c\u200e\u200f"
# Scripts whose letters join or stack: Arabic to Sinhala, Tibetan and Burmese, Khmer and Mongolian.
JOINING = re.compile("[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc]")
EMOJI = re.compile("[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]")
# Scripts written without spaces, where a zero-width space parts words: Thai, Lao, Tibetan, Burmese, Khmer.
UNSPACED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")
ODD_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
TRAILING = re.compile(r"[^\S\n\f]+(?=\n|\f|\Z)")
RUNS = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
CUT_WORD = re.compile(r"([^\W\d_]{2,})[-\u2010][ \t]*\n[ \t]*([^\W\d_]+)")


def tidy(text: str, config: CleanConfig) -> tuple[str, dict[str, int]]:
    """The text with what the config asks for taken out, and how many places of each step were changed."""
    counts: dict[str, int] = {}
    for name, step in _steps(config):
        text, n = step(text)
        if n:
            counts[name] = n
    return text, counts


@functools.cache
def _steps(config: CleanConfig) -> tuple[tuple[str, Callable[[str], tuple[str, int]]], ...]:
    """The steps that are on, in the order in which each helps the next."""
    steps = (
        ("invisible_characters", config.invisible_characters == "remove", without_invisible),
        ("odd_spaces", config.odd_spaces, _plain_spaces),
        ("gutenberg_licence", config.gutenberg_licence, without_licence),
        ("repeated_lines", config.repeated_lines, lambda text: without_repeated(text, config.repeated_on_pages)),
        ("boilerplate_lines", config.boilerplate_lines,
         lambda text: without_boilerplate(text, config.boilerplate_characters)),
        ("join_hyphens", config.join_hyphens, joined),
        ("trailing_space", config.trailing_space, lambda text: TRAILING.subn("", text)),
        ("space_runs", config.space_runs, lambda text: RUNS.subn(" ", text)),
        ("blank_lines", bool(config.blank_lines), lambda text: _fewer_blank_lines(text, config.blank_lines)),
    )  # fmt: skip
    return tuple((name, step) for name, on, step in steps if on)


def without_invisible(text: str) -> tuple[str, int]:
    """The text without invisible characters; joiners stay between emoji and in the scripts that need them."""
    if text.isascii() or not INVISIBLE.search(text):
        return text, 0
    right_to_left = bool(RIGHT_TO_LEFT.search(text))
    removed = 0

    def judged(found: re.Match) -> str:
        nonlocal removed
        kept = _is_needed(found[0], text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1])
        if kept or (right_to_left and found[0] in DIRECTION_MARKS):
            return found[0]
        removed += 1
        return ""

    return INVISIBLE.sub(judged, text), removed


def _is_needed(character: str, before: str, after: str) -> bool:
    """Whether an invisible character means something between these two."""
    if character == "\u200d":
        return bool(JOINING.match(before) or (EMOJI.match(before) and EMOJI.match(after)))
    if character == "\u200c":
        return bool(JOINING.match(before))
    return character == "\u200b" and bool(UNSPACED.match(before) and UNSPACED.match(after))


def _plain_spaces(text: str) -> tuple[str, int]:
    return (text, 0) if text.isascii() else ODD_SPACES.subn(" ", text)


def _fewer_blank_lines(text: str, most: int) -> tuple[str, int]:
    return re.subn(rf"\n(?:[^\S\n]*\n){{{most + 1},}}", "\n" * (most + 1), text)


def joined(text: str) -> tuple[str, int]:
    """Words cut at a line's end made whole; the rest of the line that followed stays where it was.

    A hyphen that the word has elsewhere in the same document stays (`well-known`), and so does one before a capital.
    """
    if "-\n" not in text and not CUT_WORD.search(text):
        return text, 0
    words = set(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.casefold()))

    def whole(found: re.Match) -> str:
        first, second = found[1], found[2]
        compound = f"{first}-{second}".casefold()
        if compound in words and (first + second).casefold() not in words:
            return f"{first}-{second}"
        return f"{first}{'' if second[0].islower() else '-'}{second}"

    return CUT_WORD.subn(whole, text)


def without_boilerplate(text: str, most_characters: int) -> tuple[str, int]:
    """The text without the lines of boilerplate.toml."""
    lines, parts = _boilerplate()
    kept, removed = [], 0
    for line in text.split("\n"):
        plain = line.strip().casefold() if len(line) <= most_characters else ""
        if plain and (plain.strip(" \t.:!?…»›>|«‹<→←*#-–—[]()") in lines or parts.search(plain)):
            removed += 1
        else:
            kept.append(line)
    return ("\n".join(kept), removed) if removed else (text, 0)


@functools.cache
def _boilerplate() -> tuple[frozenset[str], re.Pattern]:
    lists = tomllib.loads(Path(__file__).with_name("boilerplate.toml").read_text(encoding="utf-8"))
    lines = frozenset(line for one in lists.values() for line in one["lines"])
    parts = sorted({part for one in lists.values() for part in one["parts"]})
    return lines, re.compile("|".join(map(re.escape, parts)))
