"""A look into files as the corpus would have them: cleaned documents, without judging, splitting or writing any.

What teaches a judge must look like what it judges, so it comes the same way. The look is bounded, and depends on
names and contents alone.
"""

import dataclasses
import hashlib
from collections.abc import Iterator

from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.find import Found, find
from idiolect.corpus.packs import read_packs
from idiolect.corpus.work import Work

# At most so many files, drawn by their names, and so many characters, the same share of each file, from its start.
MOST_FILES, MOST_CHARACTERS, LEAST_OF_A_FILE = 4096, 256 << 20, 64 << 10


def browse(config: CorpusConfig, names: tuple[str, ...] | None, most: int = MOST_CHARACTERS) -> Iterator[str]:
    """Texts of the files that these names lead to; None means the corpus itself, with all its sources.

    Raises DataError when a name leads nowhere.
    """
    found = find(plain(config, names))
    files = sorted(found.files, key=lambda f: hashlib.blake2b(f.name.encode()).digest())[:MOST_FILES]
    share = max(most // max(len(files), 1), LEAST_OF_A_FILE)
    for file in files:
        yield from _head(dataclasses.replace(found, files=[file], libraries=[], exact=False), share)
    if len(files) == 0:
        yield from _head(found, most)


def plain(config: CorpusConfig, names: tuple[str, ...] | None) -> CorpusConfig:
    """The same reading and cleaning, and nothing that decides about documents."""
    default = CorpusConfig()
    kept = {name: getattr(config, name) for name in ("documents", "document_characters", "separator", "document_start",
            "text_columns", "column_names", "encoding", "max_file_bytes", "max_ratio")}  # fmt: skip
    clean: CleanConfig = config.clean
    texts = {"text": config.text, "sources": config.sources} if names is None else {"text": tuple(names)}
    return default.model_copy(update={**kept, "clean": clean, **texts})


def _head(found: Found, most: int) -> Iterator[str]:
    rules = [resolve_rule(config, found.files) for config in found.settings]
    work, n = Work(found.settings, rules), 0
    for serial, pack in enumerate(read_packs(found, rules)):
        if pack.event:
            continue
        for row in work(pack.table(serial).to_pylist())[0].as_py():
            if not row["reason"]:
                yield row["text"]
                n += len(row["text"])
            if n >= most:
                return
