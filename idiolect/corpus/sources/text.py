"""`.txt`, and with other names `.rst` and source code: one text a file, divided by the recipe's rule."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule, divide
from idiolect.corpus.encoding import Text, open_text
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.split import cuts, sections


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """The documents of one text file; split by position, each section is divided by itself."""
    text = open_text(file.path, file.compression, config)
    yield Opened(text.encoding, text.n_bytes)
    yield from documents(text, file, config, rule)


def documents(
    text: Text, file: InputFile, config: CorpusConfig, rule: Rule, skip: int = 0, language: str = ""
) -> Iterator[Raw | BadRow]:
    """The documents of a text without its first `skip` characters, and those that are too long to be held."""
    for number, (piece, split) in enumerate(_pieces(text, file, config, rule, skip), 1):
        if len(piece) > rule.most:
            why = f"it is longer than max_document_bytes = {rule.most:,}; documents = size would divide it"
            yield BadRow(f"document {number:,}", why, piece[:300])
        else:
            yield Raw(piece, split=split, language=language)


def _pieces(text: Text, file: InputFile, config: CorpusConfig, rule: Rule, skip: int) -> Iterator[tuple[str, str]]:
    """(piece, split); the split is empty unless position decides."""
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
