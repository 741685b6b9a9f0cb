"""`.txt`, and with other names `.rst` and source code: one text a file, divided by the recipe's rule."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule, divide
from idiolect.corpus.encoding import Text, open_text
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import Opened, Raw
from idiolect.corpus.split import cuts, sections


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | Opened]:
    """The documents of one text file; split by position, each section is divided by itself."""
    text = open_text(file.path, file.compression, config)
    yield Opened(text.encoding, text.n_bytes)
    for piece, split in pieces(text, file, config, rule):
        yield Raw(piece, split=split)


def pieces(text: Text, file: InputFile, config: CorpusConfig, rule: Rule, skip: int = 0) -> Iterator[tuple[str, str]]:
    """(piece, split) of a text without its first `skip` characters; the split is empty unless position decides."""
    if config.split_by == "hash" or file.split:
        for piece in divide(_blocks(text, config, skip), rule):
            yield piece, ""
        return
    n = sum(len(block) for block in _blocks(text, config, skip))
    for split, section in sections(_blocks(text, config, skip), cuts(n, config)):
        for piece in divide(section, rule):
            if piece:
                yield piece, split


def _blocks(text: Text, config: CorpusConfig, skip: int) -> Iterator[str]:
    for block in text.blocks(unify=config.clean.unify_line_ends):
        if skip < len(block):
            yield block[skip:]
        skip = max(skip - len(block), 0)
