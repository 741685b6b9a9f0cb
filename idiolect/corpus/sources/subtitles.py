"""`.srt` and `.vtt`: what is said, without numbers, times and styles; one document a file."""

import html
import re
from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.encoding import open_text
from idiolect.corpus.extract import WHOLE
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import Opened, Raw
from idiolect.corpus.streams import Unreadable

TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}")
# <i>, </c.yellow>, <00:00:01.500> and SubStation's {\an8}.
STYLE = re.compile(r"</?[A-Za-z][^>\n]{0,80}>|<\d[\d:.]{0,20}>|\{\\[^}\n]{0,80}\}")


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | Opened]:
    """The spoken text, a line a cue. Raises Unreadable when no cue is found."""
    text = open_text(file.path, file.compression, config)
    if text.n_bytes > config.formats.max_document_bytes:
        raise Unreadable(f"is larger than max_document_bytes = {config.formats.max_document_bytes:,}")
    yield Opened(text.encoding, text.n_bytes)
    cues = list(spoken("".join(text.blocks(unify=True))))
    if not cues:
        raise Unreadable("holds no cues: no line with times such as 00:00:01,000 --> 00:00:02,000")
    yield Raw("\n".join(cues), kind=WHOLE)


def spoken(text: str) -> Iterator[str]:
    """Each cue's words on one line; a cue that only repeats the one before (rolling captions) is left out."""
    before = ""
    for block in re.split(r"\n(?:[ \t]*\n)+", text.lstrip("\ufeff")):
        lines = block.split("\n")
        at = next((i for i, line in enumerate(lines) if TIMES.match(line)), None)
        if at is None:
            continue
        words = " ".join(html.unescape(" ".join(STYLE.sub("", line) for line in lines[at + 1 :])).split())
        if words and words != before:
            yield words
        before = words or before
