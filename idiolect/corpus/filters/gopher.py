"""MassiveText's rules, for many texts at once (Rae et al. 2021, arXiv 2112.11446, appendix A.1 and table A1).

Where the paper leaves something open, this is what datatrove 0.10.1 does (gopher_quality_filter.py and
gopher_repetition_filter.py), and its published defaults are ours. Two things differ on purpose: the length of words is
not judged in languages written without spaces, and stop words are those of the document's own language.
"""

import re
from collections.abc import Iterator

import numpy as np

from idiolect.corpus.filters.characters import LETTER, SENSE, UNSPACED_LANGUAGES
from idiolect.corpus.filters.config import GopherConfig
from idiolect.corpus.filters.ngrams import repeatable, repeated_share, top_characters
from idiolect.corpus.filters.stop_words import STOP_WORDS
from idiolect.corpus.filters.tokens import Lines, Tokens, hash_of

PARAGRAPHS = re.compile(r"\n{2,}")
Measures = Iterator[tuple[str, np.ndarray]]


def measures(texts: list[str], languages: list[str], tokens: Tokens, config: GopherConfig) -> Measures:
    """Each rule's name and what it is asked about each text, in the order of `reasons.REASONS`; NaN: not asked."""
    yield from _words(languages, tokens, config)
    yield from _symbols(texts, tokens, config)
    yield from _lines(tokens, config)
    yield from _kinds_of_words(languages, tokens, config)
    yield from _repeated_pieces(texts, config)
    yield from _repeated_words(tokens, config)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nothing of nothing is no share, and fails no rule."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _words(languages: list[str], tokens: Tokens, config: GopherConfig) -> Measures:
    words = (tokens.token_flags & SENSE) != 0
    n = tokens.per_text(words)
    if config.min_words:
        yield "gopher_few_words", n
    if config.max_words:
        yield "gopher_many_words", n
    spaced = np.array([language not in UNSPACED_LANGUAGES for language in languages], bool)
    mean = _share(tokens.per_text(np.where(words, tokens.ends - tokens.starts, 0)), np.where(spaced, n, 0))
    if config.min_mean_word_length:
        yield "gopher_short_words", mean
    if config.max_mean_word_length:
        yield "gopher_long_words", mean


def _symbols(texts: list[str], tokens: Tokens, config: GopherConfig) -> Measures:
    def count(of: str) -> np.ndarray:
        return np.fromiter((text.count(of) for text in texts), np.int64, len(texts))

    if config.max_hashes:
        yield "gopher_hashes", _share(count("#"), tokens.counts)
    if config.max_ellipses:
        yield "gopher_ellipses", _share(count("...") + count("…"), tokens.counts)


def _lines(tokens: Tokens, config: GopherConfig) -> Measures:
    if not config.max_bullet_lines and not config.max_ellipsis_lines:
        return
    lines = tokens.lines
    n = lines.per_text(np.ones(len(lines.starts), bool))
    if config.max_bullet_lines:
        bullets = lines.filled.copy()
        begin = tokens.codes[tokens.starts[lines.first_token[bullets]]]
        bullets[bullets] = (begin == ord("-")) | (begin == ord("•"))
        yield "gopher_bullets", _share(lines.per_text(bullets), n)
    if config.max_ellipsis_lines:
        ellipses = _end_in_ellipsis(tokens, lines)
        yield "gopher_ellipsis_lines", _share(lines.per_text(ellipses), n)


def _end_in_ellipsis(tokens: Tokens, lines: Lines) -> np.ndarray:
    ends = lines.filled.copy()
    last = lines.last_token[ends]
    at, room = tokens.ends[last] - 1, tokens.ends[last] - tokens.starts[last]
    codes, dot = tokens.codes, ord(".")
    dots = (room >= 3) & (codes[at] == dot) & (codes[at - 1] == dot) & (codes[at - 2] == dot)
    ends[ends] = dots | (codes[at] == ord("…"))
    return ends


def _kinds_of_words(languages: list[str], tokens: Tokens, config: GopherConfig) -> Measures:
    if config.min_alphabetic_words:
        letters = tokens.per_text((tokens.token_flags & LETTER) != 0)
        yield "gopher_few_letters", _share(letters, tokens.counts)
    if config.min_stop_words:
        yield "gopher_few_stop_words", _stop_words(languages, tokens)


def _stop_words(languages: list[str], tokens: Tokens) -> np.ndarray:
    """How many different stop words a text has; NaN for a language whose stop words we don't know."""
    found = np.full(len(languages), np.nan)
    of_language = np.array(languages, object)
    for language in set(languages) & STOP_WORDS.keys():
        n = np.zeros(len(languages), np.int64)
        for word in STOP_WORDS[language]:
            here = np.flatnonzero(tokens.hashes == np.uint64(hash_of(word)))
            n[np.unique(tokens.owner[here])] += 1
        chosen = of_language == language
        found[chosen] = n[chosen]
    return found


def _repeated_pieces(texts: list[str], config: GopherConfig) -> Measures:
    pieces = (
        ("paragraph", _paragraphs, config.max_repeated_paragraphs, config.max_repeated_paragraph_characters),
        ("line", _pieces_of_lines, config.max_repeated_lines, config.max_repeated_line_characters),
    )
    for name, cut, share, share_of_characters in pieces:
        if not share and not share_of_characters:
            continue
        found = [repeated(cut(text)) for text in texts]
        n, again, characters = np.array(found, np.int64).reshape(-1, 3).T
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        if share:
            yield f"gopher_repeated_{name}s", _share(again, n)
        if share_of_characters:
            yield f"gopher_repeated_{name}_characters", _share(characters, lengths)


def _paragraphs(text: str) -> list[str]:
    text = text.strip()
    return PARAGRAPHS.split(text) if "\n\n" in text else [text]


def _pieces_of_lines(text: str) -> list[str]:
    """`re.split("\\n+", text)`, faster: an empty piece before leading and after trailing line ends is one, too."""
    pieces = [piece for piece in text.split("\n") if piece]
    return [""] * text.startswith("\n") + pieces + [""] * text.endswith("\n")


def repeated(pieces: list[str]) -> tuple[int, int, int]:
    """How many pieces, how many of them came before, and the characters in those."""
    kinds = set(pieces)
    n, again = len(pieces), len(pieces) - len(kinds)
    return n, again, sum(map(len, pieces)) - sum(map(len, kinds)) if again else 0


def _repeated_words(tokens: Tokens, config: GopherConfig) -> Measures:
    tops = [n for n in (2, 3, 4) if getattr(config, f"max_top_{n}_gram")]
    if tops:
        filled = top_characters(tokens, max(tops))
        for n in tops:
            yield f"gopher_top_{n}_gram", _share(filled[n], tokens.lengths)
    runs = {n: limit for n in range(5, 11) if (limit := getattr(config, f"max_repeated_{n}_grams"))}
    if runs:
        twice = repeatable(tokens)
        for n, limit in runs.items():
            yield f"gopher_repeated_{n}_grams", repeated_share(tokens, twice, n, limit)
