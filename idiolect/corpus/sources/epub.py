"""`.epub`: one document a file; its text is found in the worker."""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.extract import as_payload
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import Opened, Raw
from idiolect.corpus.sources.archive import check_members
from idiolect.corpus.sources.held import hold
from idiolect.corpus.streams import Unreadable


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | Opened]:
    """The file's bytes. Raises Unreadable when it is empty, too large, or no archive."""
    content = hold(file, config)
    if not content.startswith(b"PK\x03\x04"):
        raise Unreadable("is no EPUB: it does not begin as a zip archive")
    check_members(content[-(1 << 16) - 64 :])
    yield Opened("epub", len(content))
    yield Raw(as_payload(content), kind="epub")
