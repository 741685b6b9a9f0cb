"""Objectives: what is to be predicted from what. Targets and masks are decided here and nowhere else.

One file an objective, one row in `OBJECTIVES`. An objective is built once a run and knows how many tokens it wants:

    window          tokens it is given for each sample
    stride          how many of them are new: where the next window begins
    scored_share    without a source: of the places in a row, how many have a target that counts, on average
    source_length, target_length      with one: the places of each in a row
    batch(window_BW, sample_B) -> Batch      its random choices are a pure function of (seed, sample)

Ids of its own, masks and sentinels, stand after the tokenizer's: its config's `n_extra_ids` says how many.
"""

from importlib import import_module
from typing import Protocol

import numpy as np
from torch import Tensor

from idiolect.config import Config
from idiolect.data.batch import Batch

OBJECTIVES = {
    "causal": "causal:Causal",
    "denoising": "denoising:Denoising",
    "fill_in_the_middle": "fill_in_the_middle:FillInTheMiddle",
    "masked": "masked:Masked",
    "prefix_lm": "prefix:Prefix",
    "span_corruption": "span_corruption:SpanCorruption",
}


class Objective(Protocol):
    """What the windows ask of an objective."""

    window: int
    stride: int

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        """Windows of tokens (int64), and the global index of each sample, as a batch."""
        ...


def build_objective(
    config: Config,
    *,
    context_length: int,
    vocabulary_size: int,
    end_id: int,
    boundaries: str,
    seed: int,
    tokenizer=None,
    reads: str = "left",
) -> Objective:
    """The objective a (resolved) config asks for; `vocabulary_size` is the tokenizer's, before any extra ids.

    `reads` is how the model reads: a prefix is a source to an encoder-decoder, and unscored tokens to a left reader.
    """
    module, _, name = OBJECTIVES[config.kind].partition(":")
    make = getattr(import_module(f"{__name__}.{module}"), name)
    return make(
        config, context_length=context_length, vocabulary_size=vocabulary_size, end_id=end_id, boundaries=boundaries,
        seed=seed, tokenizer=tokenizer, reads=reads,
    )  # fmt: skip
