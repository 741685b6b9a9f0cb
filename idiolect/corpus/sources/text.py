"""`.txt` and `.md`: one text a file, divided into documents by the recipe's rule."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule, divide
from idiolect.corpus.encoding import open_text
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import Opened, Raw
from idiolect.corpus.split import cuts, sections


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | Opened]:
    """The documents of one text file; split by position, each section is divided by itself."""
    text = open_text(file.path, file.compression, config)
    yield Opened(text.encoding, text.n_bytes)
    unify = config.clean.unify_line_ends
    if config.split_by == "hash" or file.split:
        for piece in divide(text.blocks(unify=unify), rule):
            yield Raw(piece)
        return
    n = sum(len(block) for block in text.blocks(unify=unify))
    for split, section in sections(text.blocks(unify=unify), cuts(n, config)):
        for piece in divide(section, rule):
            if piece:
                yield Raw(piece, split=split)
