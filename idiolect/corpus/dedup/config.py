"""What counts as a duplicate, what becomes of it, and which evaluation sets must not be in the corpus."""

from typing import Literal, Self

from pydantic import model_validator

from idiolect.config import Config, Items, field


class NearConfig(Config):
    """Near duplicates by MinHash; bands, rows and shingles are FineWeb's (arXiv 2406.17557, appendix E.1)."""

    action: Literal["drop", "keep_together", "off"] = field(
        "drop", "keep only the first of a cluster of near duplicates, or keep all of it on one side of the split"
    )
    shingle_words: int = field(5, "consecutive words that are compared as one", ge=1, le=64)
    min_words: int = field(10, "shorter documents have no near duplicates, only exact ones", ge=1)
    bands: int = field(14, "more bands find less similar documents", ge=1, le=128)
    rows: int = field(8, "hashes in a band; more rows ask for more similar documents", ge=1, le=64)
    min_similarity: float = field(
        0.7, "a found pair whose estimated Jaccard similarity is lower is no pair; 0 trusts the bands alone", ge=0, le=1
    )


class LinesConfig(Config):
    """Lines that come back in many documents: menus, notices, signatures."""

    action: Literal["off", "repeats", "all"] = field(
        "off", "repeats: remove those after the first max_repeats; all: remove each that comes more often"
    )
    max_repeats: int = field(1, "how often a line may stand in the whole corpus", ge=1)
    min_characters: int = field(20, "shorter lines are left alone", ge=1)


class ParagraphsConfig(Config):
    """Paragraphs (between blank lines) that come back."""

    action: Literal["off", "repeats", "all"] = field(
        "off", "repeats: remove those after the first max_repeats; all: remove each that comes more often"
    )
    max_repeats: int = field(1, "how often a paragraph may stand in the whole corpus", ge=1)
    min_characters: int = field(100, "shorter paragraphs are left alone", ge=1)


class SubstringsConfig(Config):
    """Long passages that come back anywhere, in the sense of Lee et al. 2022 (arXiv 2107.06499)."""

    action: Literal["off", "remove"] = field("off", "remove: keep only the first occurrence of a long passage")
    words: int = field(50, "words a passage needs to count as repeated", ge=8, le=10_000)
    max_share: float = field(0.5, "a document of which a larger share would go is dropped instead", gt=0, le=1)


class DedupConfig(Config):
    """What is there more than once."""

    documents: bool = field(True, "keep only the first of documents equal but for white space")
    near: NearConfig = field(NearConfig(), "near duplicates")
    lines: LinesConfig = field(LinesConfig(), "repeated lines")
    paragraphs: ParagraphsConfig = field(ParagraphsConfig(), "repeated paragraphs")
    substrings: SubstringsConfig = field(SubstringsConfig(), "repeated long passages")


class DecontaminateConfig(Config):
    """Evaluation sets that must not be learnt by heart: n-gram overlap as in Brown et al. 2020, appendix C."""

    against: Items[str] = field((), "files of evaluation items to keep out of the corpus (.jsonl .csv .tsv .txt ...)")
    columns: Items[str] = field((), "columns of an item that are looked for; empty takes every one that holds text")
    words: int = field(13, "words in a row that a document and an item must share", ge=2, le=64)
    min_words: int = field(8, "shorter items are looked for whole; below this they are not looked for", ge=2, le=64)
    action: Literal["drop", "remove"] = field("drop", "drop the document, or remove the shared passage from it")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min_words > self.words:
            raise ValueError("min_words is above words: no item is looked for by fewer words than an overlap needs")
        return self
