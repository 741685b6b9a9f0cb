"""`.md` and `.rst`: text as a person wrote it, Markdown without the fields that some programs put in front.

With `formats.markup = "plain"` a file is one document, and the marks go in the worker.
"""

import re
from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.encoding import open_text
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.text import documents
from idiolect.corpus.streams import Unreadable

# YAML between dashes, or TOML between pluses, at the very start; the first line inside must look like a field.
FRONT = re.compile(r"(---|\+\+\+)[ \t]*\r?\n(?=[\w\"'-]+[ \t]*[:=]|\1)(?:.*\r?\n){0,200}?\1[ \t]*(?:\r?\n)*")


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """The documents of one file. Raises Unreadable for a file too large to be stripped of its marks."""
    text = open_text(file.path, file.compression, config)
    plain, most = config.formats.markup == "plain", config.formats.max_document_bytes
    if plain and text.n_bytes > most:
        raise Unreadable(f"is larger than max_document_bytes = {most:,}, and its marks have to go")
    yield Opened(text.encoding, text.n_bytes)
    front = None
    if file.format == "markdown":
        front = FRONT.match(next(text.blocks(unify=config.clean.unify_line_ends), ""))
    skip = front.end() if front else 0
    if plain:
        yield Raw("".join(text.blocks(unify=True))[skip:], kind=file.format)
        return
    yield from documents(text, file, config, rule, skip)
