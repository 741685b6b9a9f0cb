"""Source code: one file a document (long ones divided as text is), its language known from its ending.

The language is written `code:python`: filters for natural languages must not take `go` or `lua` for one of theirs.
Licence headers stay. Files that a program wrote are told apart in the worker (`extract/code.py`).
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.encoding import open_text
from idiolect.corpus.endings import CODE
from idiolect.corpus.extract.code import why_generated
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.text import documents


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """The documents of one source file."""
    text = open_text(file.path, file.compression, config)
    yield Opened(text.encoding, text.n_bytes)
    language = language_of(file)
    head = next(text.blocks(unify=True), "")
    if config.formats.generated_code == "drop" and why_generated(head):
        # One document, which the worker drops under its own reason: its pieces would each look like code.
        yield Raw(head, kind="code", language=language)
        return
    yield from documents(text, file, config, rule, language=language)


def language_of(file: InputFile) -> str:
    """`code:` and the language that a file's ending stands for."""
    name = PurePosixPath(file.name.partition("#")[0].lower().removesuffix(file.compression))
    return f"code:{CODE.get(name.suffix, 'other')}"
