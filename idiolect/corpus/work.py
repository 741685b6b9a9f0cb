"""What is done to each pack, in whatever process it lands: clean, measure, hash, decide the side, judge the length.

Nothing here looks at another document, so the result is the same for any number of workers; duplicates are found
where all documents come together again (`ledger.py`).
"""

from pathlib import Path

import pyarrow as pa

from idiolect.corpus.clean.text import clean
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.sources import default
from idiolect.corpus.split import digest_of, side_of

FIELDS = {
    "position": pa.int64(),
    "name": pa.large_string(),
    "text": pa.large_string(),
    "label": pa.large_string(),
    "licence": pa.large_string(),
    "split": pa.large_string(),
    "digest": pa.large_binary(),
    "reason": pa.large_string(),
    "changed": pa.bool_(),
}
RESULT = pa.large_list(pa.struct(list(FIELDS.items())))


class Work:
    """The work on one pack: a picklable callable that carries the corpus settings into other processes."""

    def __init__(self, config: CorpusConfig, default_split: str):
        self.config, self.default_split = config, default_split

    def __call__(self, packs: list[dict]) -> pa.Array:
        """One list of documents for each pack, as an Arrow array."""
        columns: dict[str, list] = {name: [] for name in FIELDS}
        offsets = [0]
        for pack in packs:
            if pack["kind"].startswith("default:"):
                self._default(pack, columns)
            elif pack["kind"] == "exact":
                self._exact(pack, columns)
            else:
                for i, text in enumerate(pack["texts"]):
                    self._document(
                        columns, pack["first"] + i, "", text, pack["labels"][i], pack["licences"][i], pack["splits"][i]
                    )
            offsets.append(len(columns["text"]))
        arrays = [pa.array(columns[name], kind) for name, kind in FIELDS.items()]
        rows = pa.StructArray.from_arrays(arrays, fields=[pa.field(n, t) for n, t in FIELDS.items()])
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), rows).cast(RESULT)

    def _default(self, pack: dict, columns: dict[str, list]) -> None:
        library = next(lib for lib in default.libraries() if pack["kind"] == f"default:{lib.name}")
        for i, module in enumerate(pack["texts"]):
            try:
                passages = list(default.passages(library.root, Path(module)))
            except (SyntaxError, ValueError, RecursionError):
                # Deliberately broken examples and templates of source files; they document nothing.
                continue
            for name, prose in passages:
                self._document(
                    columns, pack["first"] + i, name, prose, library.name, library.licence, self.default_split
                )

    def _exact(self, pack: dict, columns: dict[str, list]) -> None:
        """Generated texts stay as they are, and none is dropped: what is left would follow another law."""
        for i, (text, licence, split) in enumerate(zip(pack["texts"], pack["licences"], pack["splits"], strict=True)):
            row = (pack["first"] + i, "", text, "", licence, split, digest_of(text), "", False)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)

    def _document(
        self, columns: dict[str, list], position: int, name: str, text: str, label: str, licence: str, split: str
    ) -> None:
        config = self.config
        cleaned = clean(text, config.clean)
        n = len(cleaned)
        reason = ""
        if not cleaned.strip():
            reason = "empty"
        elif n < config.min_characters:
            reason = "too_short"
        elif n > config.max_characters:
            reason = "too_long"
        digest = digest_of(cleaned)
        row = (position, name, cleaned, label, licence, split or side_of(digest, config), digest, reason)
        for column, value in zip(columns.values(), (*row, cleaned != text), strict=True):
            column.append(value)
