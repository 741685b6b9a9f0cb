"""Which text is good is the user's to say: by pointing to some, or by labels."""

from typing import Literal, Self

from pydantic import model_validator

from idiolect.config import Config, Items, field


class QualityConfig(Config):
    """A linear classifier over word 1- and 2-grams, taught by examples, judges every document; off without any."""

    good: Items[str] = field((), "files or folders of text as it should be; naming some turns the filter on")
    bad: Items[str] = field((), "files or folders of text as it should not be; empty takes a sample of the corpus")
    labels: str = field("", "a .jsonl of rows with `text` and `label` (good, bad, or 0 to 1); adds to good and bad")
    documents: int = field(20_000, "examples of each side to learn from, at most", ge=10, le=10_000_000)
    document_characters: int = field(5000, "characters of an example that are read", ge=100)
    keep: Literal["threshold", "share", "pareto"] = field(
        "threshold",
        "threshold: scores from `threshold` on; share: the best `share` of the documents; pareto: better ones more "
        "often, as GPT-3 did (arXiv 2005.14165, appendix A)",
    )
    threshold: float = field(0.5, "least probability of being good, for keep = threshold", ge=0, le=1)
    share: float = field(0.5, "share of the documents to keep, for keep = share", gt=0, le=1)
    pareto: float = field(9.0, "steepness for keep = pareto: kept where a Pareto draw is above 1 - score", gt=0)
    calibration: Literal["auto", "platt", "isotonic"] = field(
        "auto", "how scores become probabilities; auto takes isotonic from 1,000 examples on, else Platt's sigmoid"
    )
    folds: int = field(5, "parts that the examples are held out in, to calibrate and to measure", ge=2, le=20)
    hash_bits: int = field(20, "the classifier has 2^hash_bits weights", ge=10, le=26)
    l2: float = field(0.1, "strength of the penalty on weights", gt=0)
    to_label: int = field(
        0,
        "documents written to to_label.jsonl for you to label; once there is a classifier, the least certain",
        ge=0,
        le=10_000_000,
    )
    seed: int = field(0, "decides the examples, the folds and the Pareto draws", ge=0)

    @property
    def on(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.good or self.labels)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.bad and not self.on:
            raise ValueError("bad text alone teaches nothing: name good text, too, or labels")
        return self


class PerplexityConfig(Config):
    """An n-gram model of good text prices every document; what surprises it most is dropped (as CCNet, 1911.00359)."""

    run: str = field("", "a run directory whose model judges; an n-gram model is the fastest")
    good: Items[str] = field((), "files or folders that a Kneser-Ney model of bytes is counted on, without any run")
    order: int = field(5, "bytes in a row that the model of `good` counts", ge=1, le=12)
    good_bytes: int = field(20_000_000, "bytes of `good` that are counted, at most", ge=1000, le=2**40)
    document_characters: int = field(5000, "characters of a document that are priced, from its start", ge=100)
    keep: Literal["percentile", "threshold"] = field(
        "percentile", "percentile: among the documents of each language; threshold: by nats a byte"
    )
    drop_worst: float = field(0.1, "share of each language's documents that surprises most, dropped", ge=0, lt=1)
    drop_best: float = field(0.0, "share that surprises least (boilerplate, lists), dropped", ge=0, lt=1)
    at_most: float = field(3.0, "nats a byte, for keep = threshold", gt=0)
    at_least: float = field(0.0, "nats a byte, for keep = threshold", ge=0)

    @property
    def on(self) -> bool:
        """Whether there is a model to judge by."""
        return bool(self.run or self.good)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.run and self.good:
            raise ValueError("run and good are two ways to name the judge; give one of them")
        if self.drop_worst + self.drop_best >= 1:
            raise ValueError("drop_worst + drop_best leave nothing; their sum must be below 1")
        if self.at_least >= self.at_most:
            raise ValueError("at_least is not below at_most: every document would be dropped")
        return self
