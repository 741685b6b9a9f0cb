"""Models: token ids become logits.

Start at `gpt.py`; `contract.py` says what every family owes the rooms to its right; `FAMILIES` below is the whole list.
A family is a config class and a module class; adding one is one file and one row here.

The letters in tensor names, for the whole project:

    B rows                 D model width (d_model)        H query heads
    T target positions     F feed-forward width (d_ff)    G key/value heads
    S source positions     V vocabulary                   K channels of a head
    C classes              N flattened B * T              L layers
"""

from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from typing import Annotated

from pydantic import Field

from idiolect.errors import RecipeError
from idiolect.models.config import (
    BertConfig,
    CNNConfig,
    GPTConfig,
    GRUConfig,
    LSTMConfig,
    Mamba2Config,
    NGramConfig,
    RNNConfig,
    Seq2SeqConfig,
    T5Config,
)

__all__ = ["FAMILIES", "Family", "ModelConfig", "family", "register"]


@dataclass(frozen=True)
class Family:
    """One architecture: the class of its config, and where its module lives ("package.module:Class")."""

    config: type
    module: str

    def load(self) -> type:
        """Import the module class; torch is first touched here."""
        path, _, name = self.module.partition(":")
        return getattr(import_module(path), name)


FAMILIES: dict[str, Family] = {
    "bert": Family(BertConfig, "idiolect.models.bert:Bert"),
    "cnn": Family(CNNConfig, "idiolect.models.convolutional:CNN"),
    "gpt": Family(GPTConfig, "idiolect.models.gpt:GPT"),
    "gru": Family(GRUConfig, "idiolect.models.recurrent:Recurrent"),
    "lstm": Family(LSTMConfig, "idiolect.models.recurrent:Recurrent"),
    "mamba2": Family(Mamba2Config, "idiolect.models.linear_recurrent:Mamba2"),
    "ngram": Family(NGramConfig, "idiolect.models.ngram:NGram"),
    "rnn": Family(RNNConfig, "idiolect.models.recurrent:Recurrent"),
    "seq2seq": Family(Seq2SeqConfig, "idiolect.models.seq2seq:Seq2Seq"),
    "t5": Family(T5Config, "idiolect.models.t5:T5"),
}

# What `model` in a recipe may be; kinds registered from outside are built from Python, with their own config.
ModelConfig = Annotated[reduce(or_, (row.config for row in FAMILIES.values())), Field(discriminator="kind")]


def register(kind: str, family: Family) -> None:
    """Add a family from outside; its module class is called as `Class(config, vocabulary_size)`. Raises RecipeError."""
    if kind in FAMILIES and FAMILIES[kind] != family:
        raise RecipeError(
            f'model.kind = "{kind}" is already taken by {FAMILIES[kind].module}',
            why="a kind names one architecture, or a recipe would mean two things",
            fix=f'register it under another name, such as "my-{kind}"',
        )
    FAMILIES[kind] = family


def family(kind: str) -> Family:
    """The family called `kind`. Raises RecipeError."""
    if kind not in FAMILIES:
        raise RecipeError(
            f'model.kind = "{kind}" is not a family we know',
            why=f"known families: {', '.join(sorted(FAMILIES))}",
            fix=f'--model.kind={sorted(FAMILIES)[0]}, or models.register("{kind}", ...) before building',
        )
    return FAMILIES[kind]
