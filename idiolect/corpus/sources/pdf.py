"""`.pdf`: one document a file; its text is found in the worker."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.extract import as_payload
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import Opened, Raw
from idiolect.corpus.sources.held import hold
from idiolect.corpus.streams import Unreadable

# Acrobat itself looks for the mark in the first kilobyte (PDF 1.7, appendix H, note 13).
MARK, WITHIN = b"%PDF-", 1024


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | Opened]:
    """The file's bytes. Raises Unreadable when it is empty, too large, or no PDF."""
    content = hold(file, config)
    if MARK not in content[:WITHIN]:
        raise Unreadable("is no PDF: its first kilobyte lacks the mark %PDF-")
    yield Opened("pdf", len(content))
    yield Raw(as_payload(content), kind="pdf")
