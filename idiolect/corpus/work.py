"""What is done to each pack, in whatever process it lands: extract, clean, measure, judge, decide the side.

Nothing here looks at another document, so the result is the same for any number of workers. What needs all documents
together (duplicates above all) is decided from the small features that each row carries (`settle.py`).
"""

import functools
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from idiolect.corpus.clean.lines import tidy
from idiolect.corpus.clean.pii import mask
from idiolect.corpus.clean.text import clean
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup import features
from idiolect.corpus.dedup.cuts import without
from idiolect.corpus.dedup.decontaminate import Finder
from idiolect.corpus.divide import Rule, by_size
from idiolect.corpus.extract import BYTES, DIVIDED, BadDocument, text_of
from idiolect.corpus.extract.pdf import flowing
from idiolect.corpus.filters.steps import Filters
from idiolect.corpus.packs import BAD, COLUMNS
from idiolect.corpus.sources import default
from idiolect.corpus.split import cuts, digest_of, sections, side_of


@dataclass(slots=True)
class Row:
    """One document on its way; `reason` is empty while it is kept."""

    position: int
    id: str
    text: str
    source: str
    licence: str
    language: str
    label: str
    origin: str
    split: str
    kind: str
    reason: str = ""
    note: str = ""  # why a row is no document
    changed: bool = False  # whether cleaning changed it
    tidied: str = ""  # what was taken out of it, counted by step, as JSON
    failed: str = ""  # every filter rule that it fails, between spaces
    measures: bytes = b""  # float32 of `reasons.MEASURES`: what each rule measured; empty where none was asked
    pii: str = ""  # what was found in it, counted by kind, as JSON
    leaked: str = ""  # the evaluation items in it, by number, between spaces
    passage: str = ""  # the first passage that it shares with one
    digest: bytes = bytes(16)
    quality: float = math.nan  # as judged; NaN: not
    nats_per_byte: float = math.nan


TYPES = {str: pa.large_string(), int: pa.int64(), bool: pa.bool_(), float: pa.float32(), bytes: pa.large_binary()}
ROW = {f.name: TYPES[f.type] for f in fields(Row)}
FIELDS = {**ROW, **features.FIELDS}
RESULT = pa.large_list(pa.struct(list(FIELDS.items())))


class Work:
    """The work on packs: a picklable callable that carries every source's settings into other processes."""

    def __init__(
        self,
        settings: Sequence[CorpusConfig],
        rules: Sequence[Rule],
        judges: Any = None,
        finder: Finder | None = None,
    ):
        self.settings, self.rules, self.judges, self.finder = tuple(settings), tuple(rules), judges, finder
        self.measure = features.Measure(settings[0].dedup)

    def __call__(self, packs: list[dict]) -> pa.Array:
        """One list of documents for each pack, as an Arrow array."""
        rows: list[Row] = []
        offsets = [0]
        for pack in packs:
            rows += self._rows(pack)
            offsets.append(len(rows))
        arrays = [pa.array([getattr(row, name) for row in rows], kind) for name, kind in ROW.items()]
        measured = self.measure.columns(["" if row.reason else row.text for row in rows])
        arrays += [measured[name] for name in features.FIELDS]
        structs = pa.StructArray.from_arrays(arrays, fields=[pa.field(n, t) for n, t in FIELDS.items()])
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), structs).cast(RESULT)

    def _rows(self, pack: dict) -> list[Row]:
        steps = _steps(self.settings[pack["settings"]], self.rules[pack["settings"]], self.judges, self.finder)
        if pack["kind"] == "default":
            rows = _default_rows(pack)
        else:
            rows = _rows_of(pack)
        if pack["kind"] == "exact":
            # Generated texts stay as they are, and none is dropped: what is left would follow another law.
            for row in rows:
                row.digest = digest_of(row.text)
            return rows
        return steps(rows)


def _rows_of(pack: dict) -> list[Row]:
    name = pack["name"]
    return [
        Row(at, id_of(name, at), text, name, licence, language, label, origin, split, kind, note=note)
        for at, (text, kind, label, licence, language, origin, split, note) in enumerate(
            zip(*(pack[column] for column in COLUMNS), strict=True), pack["first"]
        )
    ]


def _default_rows(pack: dict) -> list[Row]:
    library = default.library(pack["name"])
    rows = []
    told = zip(pack["texts"], pack["splits"], pack["origins"], strict=True)
    for at, (module, split, origin) in enumerate(told, pack["first"]):
        try:
            passages = list(default.passages(library.root, Path(module)))
        except (SyntaxError, ValueError, RecursionError):
            # Deliberately broken examples and templates of source files; they document nothing.
            continue
        for name, prose in passages:
            source = f"{pack['name']}/{name}"
            rows.append(
                Row(
                    at, id_of(source, at), prose, source, library.licence, default.LANGUAGE, library.name, origin,
                    split, "text",
                )
            )  # fmt: skip
    return rows


def id_of(source: str, position: int | str) -> str:
    """A document's name for ever: a hash of where it came from."""
    return hashlib.blake2b(f"{source}\0{position}".encode(), digest_size=8).hexdigest()


@functools.lru_cache(maxsize=64)
def _steps(config: CorpusConfig, rule: Rule, judges: Any, finder: Finder | None) -> "Steps":
    return Steps(config, rule, judges, finder)


class Steps:
    """The steps of one source's settings, in order; each sees the rows that no step before it has dropped."""

    def __init__(self, config: CorpusConfig, rule: Rule, judges: Any = None, finder: Finder | None = None):
        self.config, self.rule, self.judges, self.finder = config, rule, judges, finder
        self._filters = Filters(config.filter)

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The same rows, cleaned and judged; long texts out of other formats as several."""
        for row in rows:
            if row.kind == BAD:
                row.reason = "bad_row"
        for step in (self._extract, self._clean):
            step([row for row in rows if not row.reason])
        rows = [piece for row in rows for piece in self._divided(row)]
        before = (self._measure, self._filter, self._judge)
        for step in (*before, self._decontaminate, self._hide, self._decide):
            step([row for row in rows if not row.reason])
        for row in rows:
            row.split = row.split or "train"
        return rows

    def _extract(self, rows: list[Row]) -> None:
        for row in rows:
            try:
                row.text = text_of(row.kind, row.text, self.config.formats)
            except BadDocument as error:
                row.reason, row.note = error.reason, f"{row.origin}: {error}" if "://" in row.origin else str(error)
                # What is left in the books is how it begins; of bytes there is nothing that a person could read.
                row.text = "" if row.kind in BYTES else row.text[:300]

    def _clean(self, rows: list[Row]) -> None:
        for row in rows:
            text, counts = tidy(clean(row.text, self.config.clean), self.config.clean)
            row.changed, row.tidied = text != row.text, _noted(counts)
            row.text = flowing(text) if row.kind == "pdf" else text

    def _divided(self, row: Row) -> list[Row]:
        """The row, or its pieces: what was inside another format is divided as text files are, once it is clean."""
        if row.reason or row.kind not in DIVIDED:
            return [row]
        by_place = self.config.split_by == "position" and not row.split
        parts = sections([row.text], cuts(len(row.text), self.config)) if by_place else [(row.split, [row.text])]
        cut = self.rule.kind in ("auto", "size")
        pieces = [
            (piece, split)
            for split, part in parts
            for piece in (by_size(part, self.rule.size) if cut else ["".join(part)])
            if piece
        ]
        if len(pieces) < 2:
            row.split = pieces[0][1] if pieces else row.split
            return [row]
        rows = [
            replace(row, id=id_of(row.source, f"{row.position}#{n}"), text=piece, split=split)
            for n, (piece, split) in enumerate(pieces)
        ]
        for later in rows[1:]:
            # What was changed in the whole is counted once.
            later.changed, later.tidied = False, ""
        return rows

    def _measure(self, rows: list[Row]) -> None:
        for row in rows:
            row.reason = length_reason(row.text, self.config)

    def _filter(self, rows: list[Row]) -> None:
        self._filters(rows)
        for row in rows:
            # Lines may have gone since the length was measured.
            row.reason = row.reason or length_reason(row.text, self.config)

    def _judge(self, rows: list[Row]) -> None:
        texts = [row.text for row in rows]
        if self.judges is None or not texts:
            return
        for name, values in (("quality", self.judges.scores(texts)), ("nats_per_byte", self.judges.nats(texts))):
            for row, value in zip(rows, () if values is None else values, strict=values is not None):
                setattr(row, name, float(value))

    def _decontaminate(self, rows: list[Row]) -> None:
        if self.finder is None or not rows:
            return
        for row, leak in zip(rows, self.finder.find([row.text for row in rows]), strict=True):
            if leak is None:
                continue
            row.leaked = " ".join(map(str, leak.items.tolist()))
            start, end = leak.spans(row.text)[0]
            row.passage = row.text[start:end]
            if self.config.decontaminate.action == "drop":
                row.reason = "contaminated"
            else:
                row.text = without(row.text, leak.spans(row.text))
                row.reason = length_reason(row.text, self.config)

    def _hide(self, rows: list[Row]) -> None:
        for row in rows:
            row.text, counts, drop = mask(row.text, self.config.pii)
            row.pii, row.reason = _noted(counts), "pii" if drop else ""

    def _decide(self, rows: list[Row]) -> None:
        for row in rows:
            row.digest = digest_of(row.text)
            row.split = row.split or side_of(row.digest, self.config)


def _noted(counts: dict[str, int]) -> str:
    return json.dumps(counts, sort_keys=True) if counts else ""


def length_reason(text: str, config: CorpusConfig) -> str:
    """Why a text's length rules it out, or ""."""
    if not text.strip():
        return "empty"
    if len(text) < config.min_characters:
        return "too_short"
    return "too_long" if len(text) > config.max_characters else ""
