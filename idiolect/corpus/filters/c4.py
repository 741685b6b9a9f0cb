"""C4's rules: lines that are not prose are removed, then pages are judged (Raffel et al. 2020, arXiv 1910.10683, 2.2).

The order and the details are those of datatrove 0.10.1 (c4_filters.py, C4QualityFilter), which follows the code that
made the corpus; its list of unwanted words is the business of `words.py`.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from idiolect.corpus.filters.config import C4Config

CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
LINE_ENDS = (".", "?", "!", '"', "'")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
# A sentence ends at its punctuation, closing quotes and brackets included, where white space or the line's end
# follows; the full-width marks of Chinese and Japanese need no space.
SENTENCE_END = re.compile(r"[.!?…؟।॥։።]+[\"'”’»)\]]*(?=\s|$)|[。！？｡]+[\"'”’」』）》]*")


def edit(text: str, config: C4Config) -> tuple[str, Counter[str]]:
    """The text without the lines that C4 removes, and how many were removed by which rule.

    A line for which the whole page is to be dropped stays: the page is judged by it afterwards (`measures`).
    """
    small = text.lower()
    # What the page does not hold, no line of it does.
    phrases = config.javascript and "javascript" in small or config.policy and _mentions_policy(small)
    citations = config.citations and "[" in text
    kept: list[str] = []
    removed: Counter[str] = Counter()
    for raw in text.splitlines():
        line = written = raw.strip()
        if citations:
            line = CITATION.sub("", line)
        why = _no_prose(written, line, config) or (phrases and _no_content(line, config))
        if why:
            removed[why] += 1
        else:
            kept.append(line)
    return "\n".join(kept).strip(), removed


def _no_prose(written: str, line: str, config: C4Config) -> str:
    """Which rule removes a line for its form; its words are judged as they were `written`, with citations."""
    longest = config.max_word_length
    if longest and len(written) > longest and max(map(len, written.split())) > longest:
        return "max_word_length"
    if config.terminal_punctuation and (not line.endswith(LINE_ENDS) or line.endswith("...")):
        return "terminal_punctuation"
    fewest = config.min_line_words
    return "min_line_words" if fewest and len(written.split(None, fewest - 1)) < fewest else ""


def _no_content(line: str, config: C4Config) -> str:
    """Which rule removes a line for what it speaks of, unless it speaks for dropping the page first."""
    small = line.lower()
    if config.lorem_ipsum and "lorem ipsum" in small:
        return ""
    if config.javascript and "javascript" in small:
        return "javascript"
    if config.curly_bracket and "{" in line:
        return ""
    return "policy" if config.policy and _mentions_policy(small) else ""


def _mentions_policy(small: str) -> bool:
    return any(phrase in small for phrase in POLICY)


def measures(texts: list[str], config: C4Config) -> Iterator[tuple[str, np.ndarray]]:
    """Each rule's name and what it is asked about each edited text, in the order of `reasons.REASONS`."""
    if config.min_sentences:
        yield "c4_few_sentences", _each(texts, lambda text: _n_sentences(text, 2 * config.min_sentences))
    if config.lorem_ipsum:
        yield "c4_lorem_ipsum", _each(texts, lambda text: text.lower().count("lorem ipsum"))
    if config.curly_bracket:
        yield "c4_curly_bracket", _each(texts, lambda text: text.count("{"))


def _each(texts: list[str], measure: Callable[[str], float]) -> np.ndarray:
    return np.fromiter(map(measure, texts), float, len(texts))


def _n_sentences(text: str, most: int) -> float:
    """Sentences; NaN from `most` on, where counting would only cost time."""
    # Each of these ends a sentence; for most pages that is enough, at a tenth of the time.
    if text.count(". ") + text.count("? ") + text.count("! ") >= most:
        return math.nan
    n = 0
    for line in text.split("\n"):
        n += len(sentences(line))
        if n >= most:
            return math.nan
    return n


def sentences(line: str) -> list[tuple[int, int]]:
    """Where each sentence of a line begins and ends; what follows the last full stop is one, too."""
    ends = [match.end() for match in SENTENCE_END.finditer(line)]
    if line[ends[-1] if ends else 0 :].strip():
        ends.append(len(line))
    return list(zip([0, *ends], ends, strict=False))
