"""Files or prepared documents become labelled examples, and a hash of the text decides what is held out.

Start at `read_splits`. Nothing is dropped in silence: what is left out is counted by reason in `Splits.report`, and a
row that can't be understood stops the reading with its file and line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from idiolect.corpus import documents
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.encoding import open_text
from idiolect.corpus.endings import COMPRESSED
from idiolect.corpus.streams import Unreadable
from idiolect.errors import DataError
from idiolect.tasks.config import ClassificationConfig

SPLITS = ("train", "validation", "test")
FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Examples:
    """Texts and their labels, the labels as positions in the split's list of names."""

    texts: tuple[str, ...]
    labels_N: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Splits:
    """Three splits of labelled examples, the names of the labels, and the account of what was read and left out."""

    names: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    report: dict


@dataclass
class Account:
    """What was read, and what was left out and why."""

    read: Counter = field(default_factory=Counter)
    left_out: Counter = field(default_factory=Counter)
    encodings: dict[str, str] = field(default_factory=dict)


def read_splits(config: ClassificationConfig, corpus_folder: Path | None = None) -> Splits:
    """The examples a config asks for. Raises DataError for unreadable files, and for labels that can't be learned."""
    account = Account()
    if config.train:
        rows = {name: list(read_files(getattr(config, name), config, account)) for name in SPLITS}
        if not rows["validation"]:
            rows["train"], rows["validation"] = hold_out(rows["train"], config.validation_share)
    else:
        rows = {name: list(read_documents(corpus_folder, name, account)) for name in SPLITS}
    # Without a test of its own the validation split is scored; the caller says so (`test_is_validation`).
    shared = not rows["test"]
    rows["test"] = rows["test"] or rows["validation"]
    names = learnable_labels(rows["train"], config.min_examples, account)
    number = {name: i for i, name in enumerate(names)}
    splits = {split: number_labels(split, rows[split], number, config, account) for split in rows}
    seen = {text.strip() for text in splits["train"].texts}
    report = {
        "read": dict(account.read), "left_out": dict(account.left_out), "encodings": account.encodings,
        "examples": {split: len(examples) for split, examples in splits.items()},
        "labels": {split: dict(zip(names, np.bincount(examples.labels_N, minlength=len(names)).tolist(), strict=True))
                   for split, examples in splits.items()},
        "test_is_validation": shared,
        "test_texts_also_in_train": sum(text.strip() in seen for text in splits["test"].texts),
    }  # fmt: skip
    return Splits(names, **splits, report=report)


def learnable_labels(rows: list[tuple[str, str]], min_examples: int, account: Account) -> tuple[str, ...]:
    """Labels with enough training examples, in order; the rest are counted out by name."""
    counts = Counter(label for _, label in rows)
    names = tuple(sorted(label for label, count in counts.items() if count >= min_examples))
    for label in sorted(set(counts) - set(names)):
        account.left_out[f"label {label!r} has under {min_examples} training examples"] += counts[label]
    if len(names) < 2:
        raise DataError(
            f"there is nothing to tell apart: {len(names)} labels with {min_examples} or more examples",
            why=f"the {len(rows):,} training examples have the labels {sorted(counts)[:8]}",
            fix="check --task.label_field and --task.format, or lower --task.min_examples",
        )
    return names


def number_labels(split: str, rows, number: dict[str, int], config, account: Account) -> Examples:
    """Rows as Examples; a label that training never met can't be answered and is an error outside the corpus."""
    kept = [(text, label) for text, label in rows if label in number]
    unknown = Counter(label for _, label in rows if label not in number)
    if unknown and split != "train":
        account.left_out[f"{split}: labels not learned: {', '.join(sorted(unknown)[:5])}"] += unknown.total()
    if not kept:
        raise DataError(
            f"no {split} example is left",
            fix=f"check the files of --task.{split}",
            why=f"{len(rows):,} were read, labelled {sorted(unknown)[:8]}; learned are {list(number)[:8]}",
        )
    return Examples(tuple(text for text, _ in kept), np.array([number[label] for _, label in kept], np.int64))


def hold_out(rows: list[tuple[str, str]], share: float) -> tuple[list, list]:
    """Two parts by the hash of the text: equal texts stay on one side, and adding examples moves none."""
    held = [
        int.from_bytes(hashlib.blake2b(text.strip().encode("utf-8", "replace"), digest_size=8).digest()) < share * 2**64
        for text, _ in rows
    ]
    return (
        [row for row, out in zip(rows, held, strict=True) if not out],
        [row for row, out in zip(rows, held, strict=True) if out],
    )


def read_documents(folder: Path | None, split: str, account: Account) -> Iterator[tuple[str, str]]:
    """(text, label) of prepared documents; without a label of its own, a document's label is its library."""
    if folder is None:
        raise DataError(
            "there are no labelled examples",
            why="task.train is empty and no prepared corpus was given",
            fix="--task.train=PATH, or fine-tune from a run whose corpus has several sources",
        )
    for document in documents.read(folder, split):
        account.read[split] += 1
        yield document.text, document.label or document.library


def read_files(paths, config: ClassificationConfig, account: Account) -> Iterator[tuple[str, str]]:
    """(text, label) of every row of the files; empty texts are counted out."""
    for name in paths:
        path = Path(name)
        if not path.is_file():
            raise DataError(
                f"{name} is not a file",
                why="labelled examples are read from files",
                fix="check the path; it is taken from the folder you are in",
            )
        for text, label in read_rows(path, config, account):
            account.read[path.name] += 1
            if text.strip():
                yield text, label
            else:
                account.left_out["empty text"] += 1


def read_rows(path: Path, config: ClassificationConfig, account: Account) -> Iterator[tuple[str, str]]:
    """(text, label) of each row of one file, in its order."""
    compression = path.suffix if path.suffix in COMPRESSED else ""
    ending = Path(path.stem).suffix if compression else path.suffix
    kind = FORMATS.get(ending, "lines") if config.format == "auto" else config.format
    if kind == "parquet":
        return read_parquet(path, config)
    try:
        opened = open_text(path, compression, CorpusConfig(encoding=config.encoding))
        text = "".join(opened.blocks(unify=True)).removeprefix("\ufeff")
    except Unreadable as error:
        fix = "repair the file, or set --task.encoding"
        raise DataError(f"{path} can't be read", why=str(error), fix=fix) from None
    account.encodings[path.name] = opened.encoding
    return {"lines": read_lines, "jsonl": read_jsonl, "csv": read_table, "tsv": read_table}[kind](
        path, text, layout_of(config, kind)
    )


@dataclass(frozen=True)
class Layout:
    """Where a row's text and label stand."""

    text: str
    label: str
    columns: tuple[str, ...]
    delimiter: str


def layout_of(config: ClassificationConfig, kind: str) -> Layout:
    """The layout of one file."""
    return Layout(config.text_field, config.label_field, config.columns, "\t" if kind == "tsv" else ",")


def read_lines(path: Path, text: str, layout: Layout) -> Iterator[tuple[str, str]]:
    """`label text`, one example a line."""
    # Not splitlines(): it also cuts at U+0085 and U+2028, which stand inside real sentences.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            label, space, rest = line.partition(" ")
            if not space:
                raise bad_row(path, number, f"{line[:40]!r} has no space between a label and a text")
            yield rest.strip(), label


def read_jsonl(path: Path, text: str, layout: Layout) -> Iterator[tuple[str, str]]:
    """One JSON object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise bad_row(path, number, f"not JSON: {error}") from None
            if not isinstance(row, dict):
                raise bad_row(path, number, "not a JSON object")
            yield take(row, path, number, layout)


def read_table(path: Path, text: str, layout: Layout) -> Iterator[tuple[str, str]]:
    """Comma- or tab-separated rows, under a header line or under `columns`."""
    names = list(layout.columns) or None
    # A tab-separated file has no quoting rule of its own: a lone quote in a sentence would swallow the next rows.
    quoting = csv.QUOTE_NONE if layout.delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.DictReader(io.StringIO(text), fieldnames=names, delimiter=layout.delimiter, quoting=quoting)
    try:
        for row in reader:
            yield take(row, path, reader.line_num, layout)
    except csv.Error as error:
        raise bad_row(path, reader.line_num, str(error)) from None


def read_parquet(path: Path, config: ClassificationConfig) -> Iterator[tuple[str, str]]:
    """Rows of a Parquet file, a batch at a time."""
    import pyarrow
    from pyarrow import parquet

    layout = layout_of(config, "parquet")
    try:
        with parquet.ParquetFile(path) as file:
            for name in (layout.text, layout.label):
                if name not in file.schema_arrow.names:
                    raise no_column(path, name, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(columns=[layout.text, layout.label]):
                for row in batch.to_pylist():
                    number += 1
                    yield take(row, path, number, layout)
    except (pyarrow.ArrowInvalid, OSError) as error:
        fix = "check the file, or --task.format"
        raise DataError(f"{path} can't be read as Parquet", why=str(error), fix=fix) from None


def take(row: dict, path: Path, number: int, layout: Layout) -> tuple[str, str]:
    """A row's text and label. Labels may be numbers; a missing or empty one is an error, since no one can learn it."""
    for name in (layout.text, layout.label):
        if name not in row:
            raise no_column(path, name, [str(key) for key in row], number)
    text, label = row[layout.text], row[layout.label]
    if label is None or str(label).strip() == "":
        raise bad_row(path, number, f'its "{layout.label}" is empty')
    if text is not None and not isinstance(text, str):
        raise bad_row(path, number, f'its "{layout.text}" is a {type(text).__name__}, not text')
    return text or "", str(label).strip()


def bad_row(path: Path, number: int, why: str) -> DataError:
    """What to say of a row that can't be understood."""
    return DataError(
        f"{path}, row {number}, is not a labelled example",
        why=why,
        fix="repair or remove the row, or check --task.format",
    )


def no_column(path: Path, name: str, names, number: int = 1) -> DataError:
    """What to say when a column is not there."""
    return DataError(
        f'{path}, row {number}, has no "{name}"',
        why=f"it has {', '.join(list(names)[:10])}",
        fix="--task.text_field and --task.label_field (and --task.columns for a table without a header)",
    )
