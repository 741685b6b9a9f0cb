"""One long text becomes documents, by a stated rule, while it streams.

`whole`, `size` and `starts` lose nothing: the pieces joined together are the text again. `line`, `blank_lines` and
`separator` leave out what stands between the documents. Of a document longer than `Rule.most` no more is held than
shows that it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import InputFile

END_OF_TEXT = "<|endoftext|>"
SMALLEST, LARGEST, MANY_FILES, WANTED_PIECES = 256, 4096, 100, 100
# In a corpus of many files each file is a document, and only very long ones are cut.
CUT_BEYOND = 32_768
ONE_TEXT = ("text", "markdown", "rst", "code", "html", "pdf", "epub", "subtitles")  # formats of one text a file
ANY_NUMBER = ("zip", "tar", "warc", "xml", "mail")  # these may hold any number, and in a first look none is opened


@dataclass(frozen=True)
class Rule:
    """How the text files of one corpus are divided, decided once from all of them."""

    kind: str
    size: int
    separator: str
    start: str
    most: int = 64 << 20


def resolve_rule(config: CorpusConfig, files: list[InputFile]) -> Rule:
    """The rule with its size filled in: about a hundred pieces at least, so that a held-out part exists."""
    texts = [f for f in files if f.format in ONE_TEXT]
    total = sum(f.n_bytes * (3 if f.compression else 1) for f in texts)
    size = config.document_characters
    if not size:
        many = len(texts) >= MANY_FILES or any(f.format in ANY_NUMBER for f in files)
        size = CUT_BEYOND if many else min(max(total // WANTED_PIECES, SMALLEST), LARGEST)
    most = config.formats.max_document_bytes
    return Rule(config.documents, min(size, most // 2), config.separator, config.document_start, most)


def divide(blocks: Iterable[str], rule: Rule) -> Iterator[str]:
    """The documents of one text, in order. `blocks` is the text in pieces of any size."""
    kind = rule.kind
    blocks = iter(blocks)
    if kind == "auto":
        first = next(blocks, "")
        blocks, kind = _chain(first, blocks), "separator" if END_OF_TEXT in first else "size"
        rule = replace(rule, kind=kind, separator=END_OF_TEXT)
    if kind == "whole":
        held = _Held(rule.most)
        for block in blocks:
            held.add(block)
        yield held.taken("")
    elif kind == "size":
        yield from by_size(blocks, rule.size)
    elif kind == "separator":
        for piece in _at_separator(blocks, rule.separator, rule.most):
            yield piece if len(piece) > rule.most else piece.strip("\n")
    elif kind == "line":
        yield from (line.removesuffix("\r") for line in lines_of(blocks, most=rule.most))
    elif kind == "blank_lines":
        yield from _paragraphs(blocks, rule.most)
    else:
        yield from _at_starts(blocks, rule.start, rule.most)


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


class _Held:
    """Pieces of one document, of which no more is held than shows that it is longer than `most`."""

    def __init__(self, most: int):
        self._pieces: list[str] = []
        self._size, self._most = 0, most

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, piece: str) -> None:
        if self._size <= self._most:
            self._pieces.append(piece)
            self._size += len(piece)

    def taken(self, between: str) -> str:
        """What is held, joined; nothing is held from then on."""
        text = between.join(self._pieces)
        self._pieces, self._size = [], 0
        return text


def _at_separator(blocks: Iterable[str], separator: str, most: int) -> Iterator[str]:
    buffer = ""
    for block in blocks:
        if len(buffer) > most + len(separator):
            # Its beginning shows that it is too long; its end may be the beginning of a separator.
            buffer = buffer[: most + 1] + buffer[len(buffer) - len(separator) + 1 :]
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


def _paragraphs(blocks: Iterable[str], most: int) -> Iterator[str]:
    lines = _Held(most)
    for line in lines_of(blocks, most=most):
        if line.strip():
            lines.add(line.removesuffix("\r"))
        elif lines:
            yield lines.taken("\n")
    if lines:
        yield lines.taken("\n")


def _at_starts(blocks: Iterable[str], pattern: str, most: int) -> Iterator[str]:
    """RE2 (through Arrow) matches in linear time: no pattern a recipe may hold can make it hang."""
    held = _Held(most)
    for lines in _batches(lines_of(blocks, keep_ends=True, most=most), 10_000):
        bare = pa.array([line.removesuffix("\n") for line in lines], pa.large_string())
        matches = pc.match_substring_regex(bare, pattern).to_pylist()
        for line, begins in zip(lines, matches, strict=True):
            if begins and held:
                yield held.taken("")
            held.add(line)
    if held:
        yield held.taken("")


def _batches(items: Iterable[str], n: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == n:
            yield batch
            batch = []
    if batch:
        yield batch
