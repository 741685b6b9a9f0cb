"""One long text becomes documents, by a stated rule, while it streams.

`whole`, `size` and `starts` lose nothing: the pieces joined together are the text again. `line`, `blank_lines` and
`separator` leave out what stands between the documents.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import InputFile

END_OF_TEXT = "<|endoftext|>"
SMALLEST, LARGEST, MANY_FILES, WANTED_PIECES = 256, 4096, 100, 100
# In a corpus of many files each file is a document, and only very long ones are cut.
CUT_BEYOND = 32_768


@dataclass(frozen=True)
class Rule:
    """How the text files of one corpus are divided, decided once from all of them."""

    kind: str
    size: int
    separator: str
    start: str


def resolve_rule(config: CorpusConfig, files: list[InputFile]) -> Rule:
    """The rule with its size filled in: about a hundred pieces at least, so that a held-out part exists."""
    texts = [f for f in files if f.format in ("text", "markdown", "rst", "code")]
    total = sum(f.n_bytes * (3 if f.compression else 1) for f in texts)
    size = config.document_characters
    if not size:
        # An archive may hold any number of files, and in a first look none is opened.
        many = len(texts) >= MANY_FILES or any(f.format in ("zip", "tar") for f in files)
        size = CUT_BEYOND if many else min(max(total // WANTED_PIECES, SMALLEST), LARGEST)
    return Rule(config.documents, size, config.separator, config.document_start)


def divide(blocks: Iterable[str], rule: Rule) -> Iterator[str]:
    """The documents of one text, in order. `blocks` is the text in pieces of any size."""
    kind = rule.kind
    blocks = iter(blocks)
    if kind == "auto":
        first = next(blocks, "")
        blocks, kind = _chain(first, blocks), "separator" if END_OF_TEXT in first else "size"
        rule = Rule(kind, rule.size, END_OF_TEXT, "")
    if kind == "whole":
        yield "".join(blocks)
    elif kind == "size":
        yield from by_size(blocks, rule.size)
    elif kind == "separator":
        yield from (piece.strip("\n") for piece in _at_separator(blocks, rule.separator))
    elif kind == "line":
        yield from (line.removesuffix("\r") for line in lines_of(blocks))
    elif kind == "blank_lines":
        yield from _paragraphs(blocks)
    else:
        yield from _at_starts(blocks, rule.start)


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def lines_of(blocks: Iterable[str], *, keep_ends: bool = False, most: int | None = None) -> Iterator[str]:
    """Lines ended by a newline only: U+2028, U+0085 and their like are text, and splitting there breaks JSON.

    Of a line longer than `most` no more is held than shows that it is.
    """
    end = "\n" if keep_ends else ""
    rest: list[str] = []
    size = 0
    for block in blocks:
        head, newline, tail = block.partition("\n")
        if most is None or size <= most:
            rest.append(head)
        size += len(head)
        if not newline:
            continue
        size = 0
        yield "".join(rest) + end
        *lines, last = tail.split("\n")
        yield from (line + end for line in lines)
        rest, size = [last], len(last)
    if last := "".join(rest):
        yield last


def by_size(blocks: Iterable[str], size: int) -> Iterator[str]:
    """Pieces of about `size` characters, cut after a blank line if one is near, else a line, else a space."""
    buffer, start = "", 0
    for block in blocks:
        buffer, start = buffer[start:] + block, 0
        while len(buffer) - start >= 2 * size + 2:
            cut = _best_cut(buffer, start + size // 2, start + size + size // 2, start + size)
            yield buffer[start:cut]
            start = cut
    if buffer[start:]:
        yield buffer[start:]


def _best_cut(text: str, low: int, high: int, middle: int) -> int:
    for mark in ("\n\n", "\n", ". ", " "):
        at = text.rfind(mark, low, middle)
        at = at if at >= 0 else text.find(mark, middle, high)
        if at >= 0:
            return at + len(mark)
    return middle


def _at_separator(blocks: Iterable[str], separator: str) -> Iterator[str]:
    buffer = ""
    for block in blocks:
        seen = max(len(buffer) - len(separator) + 1, 0)
        buffer += block
        while (at := buffer.find(separator, seen)) >= 0:
            yield buffer[:at]
            buffer, seen = buffer[at + len(separator) :], 0
            if separator in buffer:
                *whole, buffer = buffer.split(separator)
                yield from whole
                seen = len(buffer)
    yield buffer


def _paragraphs(blocks: Iterable[str]) -> Iterator[str]:
    lines: list[str] = []
    for line in lines_of(blocks):
        if line.strip():
            lines.append(line.removesuffix("\r"))
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _at_starts(blocks: Iterable[str], pattern: str) -> Iterator[str]:
    """RE2 (through Arrow) matches in linear time: no pattern a recipe may hold can make it hang."""
    held: list[str] = []
    for lines in _batches(lines_of(blocks, keep_ends=True), 10_000):
        bare = pa.array([line.removesuffix("\n") for line in lines], pa.large_string())
        matches = pc.match_substring_regex(bare, pattern).to_pylist()
        for line, begins in zip(lines, matches, strict=True):
            if begins and held:
                yield "".join(held)
                held = []
            held.append(line)
    if held:
        yield "".join(held)


def _batches(items: Iterable[str], n: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == n:
            yield batch
            batch = []
    if batch:
        yield batch
