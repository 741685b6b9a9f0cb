"""From files to documents: found, decoded, cleaned, de-duplicated, split, and accounted for.

    find → sources/ → packs → engine + work → parts → pieces → {train,validation,test}.parquet, audit.json

Start at `prepare.prepare`; then `sources/text.py`, the simplest format, and `work.py`, what is done to each document.
Skip `engine.py` the first time: it only spreads the work over processes. Others read the result with `documents.read`.
"""

from idiolect.corpus.config import CorpusConfig
from idiolect.progress import Progress

__all__ = ["CorpusConfig", "fingerprint_of"]


def fingerprint_of(config: CorpusConfig, progress: Progress | None = None) -> dict:
    """What the prepared corpus depends on, as JSON (see `fingerprint.py`)."""
    from idiolect.corpus import fingerprint

    return fingerprint.fingerprint_of(config, progress)
