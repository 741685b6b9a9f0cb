"""Settings of the tasks a model can be fine-tuned for; torch-free."""

from typing import Literal

from pydantic import model_validator

from idiolect.config import Config, Items, field
from idiolect.errors import RecipeError


class ClassificationConfig(Config):
    """One label for each text: a sentiment, a topic, or which library a passage documents."""

    kind: Literal["classification"] = "classification"
    train: Items[str] = field(
        (), "labelled files to learn from; empty: the prepared corpus, each document labelled by its library"
    )
    validation: Items[str] = field((), "labelled files that pick the best checkpoint; empty: a share of `train`")
    test: Items[str] = field((), "labelled files for the final score; empty: the validation examples are scored")
    validation_share: float = field(
        0.1, "share of `train` held out when there are no validation files, by the text's hash", gt=0, lt=1
    )
    format: Literal["auto", "lines", "jsonl", "csv", "tsv", "parquet"] = field(
        "auto", "how labelled files are written; lines: `label text`, one example a line; auto: by the file's ending"
    )
    text_field: str = field("text", "column or key that holds the text")
    label_field: str = field("label", "column or key that holds the label")
    columns: Items[str] = field((), "names of the columns of a csv or tsv that has no header line")
    encoding: str = field("auto", "encoding of the files; auto takes a BOM, else UTF-8 if valid, else detects")
    min_examples: int = field(2, "labels with fewer training examples are left out, counted and named", ge=1)
    max_tokens: int = field(0, "longer texts are cut, and counted; 0 = the model's context_length", ge=0)
    start: Literal["parent", "random"] = field(
        "parent", "begin with the parent run's weights, or with random ones: the difference is what pre-training gave"
    )
    head: Literal["linear", "convolution"] = field(
        "linear", "linear: a matrix on pooled hidden states; convolution: filters over the token embeddings alone "
        "(arXiv 1408.5882)"
    )  # fmt: skip
    filter_widths: Items[int] = field((3, 4, 5), "convolution: tokens a filter reads")
    n_filters: int = field(100, "convolution: filters of each width", gt=0, le=2**16)
    max_norm: float = field(0.0, "convolution: longest row of the last matrix (3 in the paper); 0 = no limit", ge=0)
    pool: Literal["last", "mean"] = field(
        "last", "what a linear head reads: the last token's hidden state, or the mean of all tokens' hidden states"
    )
    head_init: Literal["zero", "small"] = field(
        "zero", "zero: every label is equally likely at first; small: normal with standard deviation 0.02"
    )
    dropout: float | None = field(
        None, "share of what the last matrix reads dropped in training; none = 0.1, under a convolution 0.5",
        ge=0.0, lt=1.0,
    )  # fmt: skip
    freeze: bool = field(False, "train only the head: fast, and a measure of what the hidden states already know")
    seed: int = field(0, "decides the order of the examples and a small head's weights", ge=0)

    @property
    def resolved_dropout(self) -> float:
        if self.dropout is not None:
            return self.dropout
        return 0.5 if self.head == "convolution" else 0.1

    @model_validator(mode="after")
    def check_filters(self):
        if not self.filter_widths or any(not 1 <= width <= 256 for width in self.filter_widths):
            raise RecipeError(
                f"task.filter_widths = {list(self.filter_widths)} must be one or more whole numbers from 1 to 256",
                why="each is how many neighbouring tokens a filter reads",
                fix="--task.filter_widths=[3,4,5]",
            )
        return self

    @model_validator(mode="after")
    def check_fields(self):
        if self.text_field == self.label_field:
            raise RecipeError(
                f'task.text_field and task.label_field are both "{self.text_field}"',
                why="the label would be the text itself",
                fix="--task.label_field=label (or the name of the column that holds the labels)",
            )
        if not self.train and (self.validation or self.test):
            raise RecipeError(
                "task.validation or task.test is given without task.train",
                why="without labelled training files the prepared corpus is the source of all three splits",
                fix="--task.train=PATH, or leave out the other two",
            )
        return self
