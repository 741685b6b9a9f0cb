"""What to learn from, how its files become documents, what is cleaned or dropped, and how a part is held out."""

import codecs
from typing import Literal, Self

from pydantic import model_validator

from idiolect.config import Config, Items, field
from idiolect.corpus.audit.config import AuditConfig
from idiolect.corpus.clean.config import CleanConfig, PiiConfig
from idiolect.corpus.dedup.config import DecontaminateConfig, DedupConfig
from idiolect.corpus.exact.config import ExactConfig, MarkovConfig
from idiolect.corpus.extract.config import FormatsConfig
from idiolect.corpus.filters.config import FilterConfig
from idiolect.corpus.filters.quality_config import PerplexityConfig, QualityConfig
from idiolect.corpus.mixture.config import SourceConfig, check_sources
from idiolect.corpus.mixture.settings import settings_of
from idiolect.corpus.remote.config import FetchConfig

NOT_STATED = "not stated"


class CorpusConfig(Config):
    """Files in, cleaned and split documents out."""

    text: Items[str] = field(
        ("default",),
        "files, folders or globs to learn from; `default` is the documentation embedded in this install, `exact` text "
        "whose entropy is known",
    )
    validation_text: Items[str] = field((), "files kept for validation; with these, nothing of `text` is held out")
    test_text: Items[str] = field((), "files kept for the final test; with these, nothing of `text` is held out")

    sources: Items[SourceConfig] = field((), "tables, [[corpus.sources]], instead of `text`: texts mixed by weight")
    temperature: float = field(
        1.0, "sources without weights count by size to this power; 0.7 reads small ones more often", ge=0, le=1
    )
    anneal_fraction: float = field(
        0.1, "last part of the training over which weights move to each source's anneal_weight", gt=0, le=1
    )

    first_documents: int = field(
        0, "read only the first so many documents of each name in `text`, of each split of it; 0 reads them all", ge=0
    )
    documents: Literal["auto", "whole", "size", "blank_lines", "line", "separator", "starts"] = field(
        "auto",
        "how a .txt or .md becomes documents: auto (at <|endoftext|> if there is one, else long files by size), whole, "
        "size, blank_lines, line, separator, or starts (a line matching `document_start` begins one)",
    )
    document_characters: int = field(0, "size of a piece cut from a long file; 0 picks it from the corpus size", ge=0)
    separator: str = field("<|endoftext|>", "the text between documents when documents = separator", min_length=1)
    document_start: str = field("", "regular expression (RE2) of a document's first line, for documents = starts")

    text_columns: Items[str] = field((), "columns of tables that hold the text; empty looks for text, content, body")
    label_column: str = field("", "column kept as the document's label, for classification")
    licence_column: str = field("", "column that holds each document's licence")
    column_names: Items[str] = field((), "names for a .csv or .tsv without a header row; empty reads its first row")
    encoding: str = field("auto", "encoding of text files; auto takes a BOM, else UTF-8 if valid, else detects")
    licence: str = field(
        NOT_STATED, "licence of your own files, recorded with each document; say `unknown` when you don't know it"
    )
    language: str = field("", "language of your own files (en, de, ...), recorded with each document")
    about: str = field("", "a TOML file of what only its author knows, for the datasheet and the public summary")

    fetch: FetchConfig = field(FetchConfig(), "how text is fetched from elsewhere")
    formats: FormatsConfig = field(FormatsConfig(), "how pages, mark-up, mail, code and archives are read")
    clean: CleanConfig = field(CleanConfig(), "what is mended in each text")
    filter: FilterConfig = field(FilterConfig(), "which documents are worth learning from")
    pii: PiiConfig = field(PiiConfig(), "what becomes of addresses, numbers and keys of persons")

    quality: QualityConfig = field(QualityConfig(), "a classifier that your examples teach, and what it drops")
    perplexity: PerplexityConfig = field(PerplexityConfig(), "a language model of good text, and what it drops")
    dedup: DedupConfig = field(DedupConfig(), "what is there more than once")
    decontaminate: DecontaminateConfig = field(DecontaminateConfig(), "evaluation sets to keep out of the corpus")
    min_characters: int = field(1, "shorter documents are dropped", ge=1)
    max_characters: int = field(10_000_000, "longer documents are dropped", ge=1)

    split_by: Literal["hash", "position"] = field(
        "hash",
        "hash: each document's text decides its side, for ever; position: the first part of each file trains, "
        "the last is held out",
    )
    validation_fraction: float = field(0.05, "share of the documents (or of each file) for validation", ge=0, lt=1)
    test_fraction: float = field(0.05, "share of the documents (or of each file) for the final test", ge=0, lt=1)

    exact: ExactConfig = field(MarkovConfig(), 'the process that writes the text when text = ["exact"]')

    on_unreadable: Literal["skip", "refuse"] = field(
        "skip", "a broken, binary or empty file or row is named and skipped, or stops the preparation"
    )
    max_file_bytes: int = field(64 * 2**30, "a file that unpacks to more is refused as unreadable", gt=0)
    max_ratio: int = field(200, "a file that unpacks to more than this many times its size is a bomb", gt=1)
    audit: AuditConfig = field(AuditConfig(), "what is counted for the audit page")
    dropped_samples: int = field(20, "dropped documents kept for inspection, for each reason", ge=0)
    engine: Literal["native", "ray"] = field("native", "who does the work: this machine's cores, or a Ray cluster")
    workers: int = field(0, "processes that clean; 0 uses every core; never changes the result", ge=0, le=1024)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.text:
            raise ValueError('text is empty: name a file, a folder, a glob, or "default"')
        if "exact" in self.text and (len(self.text) > 1 or self.validation_text or self.test_text):
            raise ValueError('text = ["exact"] must stand alone: mixed with other text its entropy would be unknown')
        if self.sources and self.text != ("default",):
            raise ValueError("text and sources both say what to learn from: move text into a table of its own")
        check_sources(self.sources, self.temperature)
        for source in self.sources:
            settings_of(self, source)
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction + test_fraction leave nothing to train on; their sum must be below 1")
        if self.documents == "starts" and not self.document_start:
            raise ValueError('documents = "starts" needs document_start, such as "^ = [^=].* = $" for WikiText')
        if self.min_characters > self.max_characters:
            raise ValueError("min_characters is above max_characters: every document would be dropped")
        if self.encoding != "auto":
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ValueError(f"encoding {self.encoding!r} is unknown; try auto, utf-8 or cp1252") from None
        return self
