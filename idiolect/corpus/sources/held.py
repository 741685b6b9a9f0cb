"""A file held whole, within the limit on one document: pages, books and messages are read from memory."""

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import InputFile
from idiolect.corpus.streams import Unreadable, byte_blocks


def hold(file: InputFile, config: CorpusConfig) -> bytes:
    """The unpacked bytes. Raises Unreadable when there are none, or more than one document may have."""
    most = config.formats.max_document_bytes
    parts, total = [], 0
    for block in byte_blocks(file.path, file.compression, config):
        total += len(block)
        if total > most:
            raise Unreadable(f"is larger than max_document_bytes = {most:,}, and its format has to be held whole")
        parts.append(block)
    if not total:
        raise Unreadable("is empty")
    return b"".join(parts)
