"""What was decided, done to one text: lines, paragraphs and passages come out, and what is left is joined cleanly."""

import numpy as np

from idiolect.corpus.dedup.decisions import Cut
from idiolect.corpus.dedup.lines import line_spans, paragraph_spans
from idiolect.corpus.dedup.words import places_of


def take_out(text: str, cut: Cut) -> tuple[str, dict[str, int]]:
    """The text without what is cut, and the bytes taken out as line, paragraph and passage."""
    if not cut:
        return text, {}
    spans = {
        "line": [line_spans(text)[i] for i in cut.lines] if len(cut.lines) else [],
        "paragraph": [paragraph_spans(text)[i] for i in cut.paragraphs] if len(cut.paragraphs) else [],
        "passage": passage_spans(text, cut.words) if len(cut.words) else [],
    }
    counts = {
        kind: sum(len(text[start:end].encode()) for start, end in found) for kind, found in spans.items() if found
    }
    return without(text, [span for found in spans.values() for span in found]), counts


def passage_spans(text: str, words: np.ndarray) -> list[tuple[int, int]]:
    """[start, end) in characters of runs of words, each with the punctuation that clings to its last word."""
    starts, ends = places_of(text)
    spans = []
    for first, last in words.tolist():
        end = int(ends[last - 1])
        limit = int(starts[last]) if last < len(starts) else len(text)
        while end < limit and not text[end].isspace():
            end += 1
        spans.append((int(starts[first]), end))
    return spans


def without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with these spans removed and no scars: at each joint stays the widest of the gaps around it."""
    united = _united(spans)
    begins, ends = [0, *(end for _, end in united)], [*(start for start, _ in united), len(text)]
    out: list[str] = []
    gaps: list[str] = []
    for begin, end in zip(begins, ends, strict=True):
        piece = text[begin:end]
        core = piece.strip()
        lead = piece[: len(piece) - len(piece.lstrip())]
        gaps.append(lead)
        if not core:
            continue
        if begin == 0:
            out.append(lead)
        elif out:
            out.append(_gap(gaps))
        out.append(core)
        gaps = [piece[len(lead) + len(core) :]]
    # White space at the very end is the text's own, unless what stood before it is gone.
    return "".join(out) + (gaps[0] if len(gaps) == 1 and out else "")


def _united(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _gap(gaps: list[str]) -> str:
    ends = min(max(gap.count("\n") for gap in gaps), 2)
    # A line keeps its indentation.
    return "\n" * ends + gaps[-1].rpartition("\n")[2] if ends else " "
