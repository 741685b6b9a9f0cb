"""FineWeb's own rules, for many texts at once (Penedo et al. 2024, arXiv 2406.17557, section 3.5).

What they count is what datatrove 0.10.1 counts (fineweb_quality_filter.py), and its published defaults are ours.
"""

from collections.abc import Iterator

import numpy as np

from idiolect.corpus.filters.characters import TERMINAL
from idiolect.corpus.filters.config import FineWebConfig
from idiolect.corpus.filters.gopher import repeated
from idiolect.corpus.filters.tokens import Tokens


def measures(texts: list[str], tokens: Tokens, config: FineWebConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Each rule's name and what it is asked about each text, in the order of `reasons.REASONS`; NaN: not asked."""
    lines = tokens.newline_lines
    n = lines.per_text(lines.filled)
    some = np.maximum(n, 1)
    if config.min_punctuated_lines:
        punctuated = lines.filled & ((tokens.flags[lines.ends - 1] & TERMINAL) != 0)
        yield "fineweb_line_ends", np.where(n > 0, lines.per_text(punctuated) / some, np.nan)
    if config.max_short_lines:
        short = lines.filled & (lines.ends - lines.starts <= config.short_line_characters)
        yield "fineweb_short_lines", lines.per_text(short) / some
    newlines = lines.per_text(np.ones(len(lines.starts), bool)) - 1
    if config.max_repeated_characters:
        again = np.fromiter((_repeated_characters(text) for text in texts), np.int64, len(texts))
        written = np.maximum(tokens.lengths - newlines, 1)
        yield "fineweb_repeated_lines", again / written
    if config.max_newlines:
        yield "fineweb_newlines", newlines / np.maximum(tokens.counts, 1)


def _repeated_characters(text: str) -> int:
    lines = text.split("\n")
    if len(set(lines)) == len(lines):
        return 0
    return repeated([line for line in lines if line and not line.isspace()])[2]
