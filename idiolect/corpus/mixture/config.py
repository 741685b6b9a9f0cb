"""One source of a mixture: where its text lies, what it is, how it is read, and how often."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import model_validator

from idiolect.config import Config, Items, field

# What decides how often a source is read, and nothing about its documents.
DOSES = ("weight", "anneal_weight", "tokens", "epochs")


class SourceConfig(Config):
    """A table of `[[corpus.sources]]`; a setting that is left out is the corpus's."""

    name: str = field("", "what the source is called in plans, scores and reports", pattern=r"^[^/\s#][^/\n]*$")
    text: Items[str] = field((), "files, folders, globs or addresses; `default:numpy` is one library of `default`")

    weight: float | None = field(None, "share of the training tokens, relative to other weights; none = its size", ge=0)
    anneal_weight: float | None = field(None, "weight reached at the end of training; none = `weight` to the end", ge=0)
    tokens: int | None = field(None, "tokens drawn from it in a whole run, evenly, instead of a weight", gt=0)
    epochs: float | None = field(None, "passes over it at most; what it no longer takes goes to the others", gt=0)

    licence: str | None = field(None, "its licence, recorded with each document; say unknown when it is unknown")
    origin: str | None = field(None, "where it is from: an address, a book, a crawl")
    language: str | None = field(None, "its language (en, de, ...), recorded with each document")

    first_documents: int | None = field(None, "read only the first so many documents of each of its names", ge=0)
    documents: Literal["auto", "whole", "size", "blank_lines", "line", "separator", "starts"] | None = field(
        None, "how its files become documents"
    )
    document_characters: int | None = field(None, "size of a piece cut from a long file", ge=0)
    separator: str | None = field(None, "the text between its documents", min_length=1)
    document_start: str | None = field(None, "regular expression of a document's first line")
    text_columns: Items[str] | None = field(None, "columns of its tables that hold the text")
    label_column: str | None = field(None, "column kept as the document's label")
    licence_column: str | None = field(None, "column that holds each document's licence")
    column_names: Items[str] | None = field(None, "names for its .csv or .tsv without a header row")
    encoding: str | None = field(None, "encoding of its text files")

    rules: bool | None = field(
        None, "false: no filter rules judge it; they are made for prose and drop code, verse and tables"
    )
    split_by: Literal["hash", "position"] | None = field(None, "how its documents are held out")
    validation_fraction: float | None = field(None, "share of it for validation", ge=0, lt=1)
    test_fraction: float | None = field(None, "share of it for the final test", ge=0, lt=1)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.text:
            raise ValueError(f'source "{self.name}" names no text: a file, a folder, a glob, or "default"')
        if "exact" in self.text:
            raise ValueError(f'source "{self.name}" is exact: mixed with other text its entropy would be unknown')
        if self.tokens is not None and (self.weight is not None or self.anneal_weight is not None):
            raise ValueError(f'source "{self.name}" has tokens and a weight: a quota stands instead of a weight')
        if self.weight == 0 and not self.anneal_weight:
            raise ValueError(f'source "{self.name}" has the weight 0 to the end: leave its table away')
        if self.anneal_weight is not None and self.weight is None:
            raise ValueError(f'source "{self.name}" has an anneal_weight but no weight to come from')
        return self

    @property
    def is_dosed(self) -> bool:
        """Whether anything says how often it is to be read."""
        return any(getattr(self, name) is not None for name in DOSES)


def check_sources(sources: Sequence[SourceConfig], temperature: float) -> None:
    """Raises ValueError when tables contradict each other."""
    twice = [name for name, n in Counter(source.name for source in sources).items() if n > 1]
    if twice:
        raise ValueError(f'two sources are called "{twice[0]}": scores and shares are told apart by name')
    if not sources and temperature != 1:
        raise ValueError(f"temperature = {temperature} evens out sources, and there are none: [[corpus.sources]]")
    shared = [source for source in sources if source.tokens is None]
    weighted = [source.name for source in shared if source.weight is not None]
    if weighted and len(weighted) < len(shared):
        bare = next(source.name for source in shared if source.weight is None)
        raise ValueError(
            f'source "{weighted[0]}" has a weight and "{bare}" has none: shares can\'t be compared with sizes; '
            "give each a weight, or tokens"
        )
    if weighted and temperature != 1:
        raise ValueError(f"temperature = {temperature} evens out sizes, but the sources have weights: keep one of them")
    if shared and not any(source.weight or source.weight is None for source in shared):
        raise ValueError("every weight is 0 at the beginning: one source at least must be read from the start")


def is_mixed(sources: Sequence[SourceConfig], temperature: float) -> bool:
    """Whether sources are read by a schedule of their own, and not each token once an epoch."""
    if len(sources) == 1:
        return sources[0].tokens is not None or sources[0].epochs is not None
    return any(source.is_dosed for source in sources) or (bool(sources) and temperature != 1)
