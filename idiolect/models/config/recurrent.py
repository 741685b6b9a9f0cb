"""What the recurrent families are made of: Elman's network, the LSTM, the GRU; one config each, one module for all."""

import math
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError


class RecurrentConfig(Config):
    """What the three kinds share; the separate regularisers are AWD-LSTM's (arXiv 1708.02182), all off by default."""

    reads: ClassVar[str] = "left"
    # AdamW's, the centre of the search that `compare` gives the family. 150 steps of 2,048 characters, width 128: LSTM
    # 1.88 and 1.78 nats at 3e-3 and 6e-3.
    usual_learning_rate: ClassVar[float] = 4e-3
    carries_state: ClassVar[bool] = True
    n_gates: ClassVar[int]  # vectors that a cell computes from its input and its last output
    n_bias: ClassVar[int]  # vectors added to them

    kind: str
    context_length: int = field(64, "tokens through which gradients flow back; texts may be longer", gt=0, le=2**20)
    n_layers: int = field(2, "layers, one upon the other", gt=0, le=1024)
    d_model: int = field(256, "width of the embedding and of the last layer", gt=0, le=2**16)
    d_hidden: int = field(0, "width of the layers before the last; 0 = d_model", ge=0, le=2**16)
    bias: bool = field(True, "vectors added inside the cells (the head never has one)")
    tied_head: bool = field(True, "the head reuses the token embedding (arXiv 1608.05859)")
    dropout: float = field(
        0.0,
        "share dropped of embeddings, between layers, of outputs, anew for each token (arXiv 1409.2329)",
        ge=0,
        lt=1,
    )
    input_dropout: float = field(
        0.0, "share dropped of embeddings, the same along a row (arXiv 1512.05287)", ge=0, lt=1
    )
    hidden_dropout: float = field(0.0, "share dropped between layers, the same along a row", ge=0, lt=1)
    output_dropout: float = field(0.0, "share dropped before the head, the same along a row", ge=0, lt=1)
    word_dropout: float = field(0.0, "share of the vocabulary whose embeddings are dropped whole", ge=0, lt=1)
    weight_dropout: float = field(0.0, "share dropped of the hidden-to-hidden weights (arXiv 1708.02182)", ge=0, lt=1)
    activation_penalty: float = field(
        0.0, "on the mean square of the dropped outputs (AR, arXiv 1708.01009)", ge=0, le=1000
    )
    change_penalty: float = field(
        0.0, "on the mean square of outputs' steps in time (TAR, arXiv 1708.01009)", ge=0, le=1000
    )
    # Adam moves every number by about its rate, whatever the number's size: wide embeddings hardly turn. Cells and
    # logits want them wide all the same, hence a narrow start and a factor. Nats of an LSTM by range, the factor making
    # up for it: 33,281 words, 100 steps 7.42 (1.7), 6.86 (0.3), 6.70 (0.1), 6.57 (0.05); 65 characters, 150 steps 1.88,
    # 1.86, 1.84, 1.84; 2.62 at 0.1 without a factor.
    embedding_range: float = field(0.05, "embeddings start uniform between - and + this", gt=0, le=100)
    embedding_scale: float = field(
        0.0, "factor on embeddings as read, and on outputs before the head; 0 = 1.7 / embedding_range", ge=0, le=1e6
    )
    init_range: float = field(0.0, "cells start uniform between - and + this; 0 = 1 / sqrt(width)", ge=0, le=100)

    @property
    def resolved_embedding_scale(self) -> float:
        """What gives embeddings a variance of 1 at the start: a uniform distribution on +-b has b^2 / 3."""
        return self.embedding_scale or math.sqrt(3) / self.embedding_range

    @property
    def widths(self) -> tuple[tuple[int, int], ...]:
        """(input, output) width of each layer; the last is as wide as the embedding, so that the head can be tied."""
        hidden = self.d_hidden or self.d_model
        edges = (self.d_model, *[hidden] * (self.n_layers - 1), self.d_model)
        return tuple(zip(edges[:-1], edges[1:], strict=True))

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> Self:
        """Two layers of this width: a third helps little below some ten million parameters (arXiv 1707.05589)."""
        return cls(d_model=d_model, context_length=context_length)

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        return {
            "embeddings": vocabulary_size * self.d_model,
            "input_weights": sum(self.n_gates * d_in * d_out for d_in, d_out in self.widths),
            "hidden_weights": sum(self.n_gates * d_out**2 for _, d_out in self.widths),
            "biases": sum(self.n_bias * d_out for _, d_out in self.widths) if self.bias else 0,
            "head": 0 if self.tied_head else vocabulary_size * self.d_model,
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token, by part: the same at every length."""
        return {
            "input_weights": sum(2 * self.n_gates * d_in * d_out for d_in, d_out in self.widths),
            "hidden_weights": sum(2 * self.n_gates * d_out**2 for _, d_out in self.widths),
            "head": 2 * vocabulary_size * self.d_model,
        }

    @model_validator(mode="after")
    def check_dropout(self) -> Self:
        if self.dropout and (self.input_dropout or self.hidden_dropout or self.output_dropout):
            raise RecipeError(
                f"model.dropout = {self.dropout} stands beside input_dropout, hidden_dropout or output_dropout",
                why="both drop from the same places: one anew for each token, the other the same along a row",
                fix="--model.dropout=0, or --model.input_dropout=0 --model.hidden_dropout=0 --model.output_dropout=0",
            )
        return self


class LSTMConfig(RecurrentConfig):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), without peepholes."""

    n_gates: ClassVar[int] = 4
    n_bias: ClassVar[int] = 4

    kind: Literal["lstm"] = "lstm"
    hidden_init: Literal["uniform", "orthogonal"] = field(
        "uniform", "hidden-to-hidden matrices: uniform within init_range, or orthogonal (arXiv 1312.6120)"
    )
    forget_bias: float = field(1.0, "bias of the forget gate at the start (Jozefowicz et al. 2015)", ge=-10, le=10)


class GRUConfig(RecurrentConfig):
    """Gated recurrent unit (arXiv 1406.1078), the reset gate after the product, as in cuDNN and torch."""

    n_gates: ClassVar[int] = 3
    n_bias: ClassVar[int] = 4

    kind: Literal["gru"] = "gru"
    hidden_init: Literal["uniform", "orthogonal"] = field(
        "uniform", "hidden-to-hidden matrices: uniform within init_range, or orthogonal (arXiv 1312.6120)"
    )


class RNNConfig(RecurrentConfig):
    """Elman's network (1990): h = tanh(W x + U h + b)."""

    n_gates: ClassVar[int] = 1
    n_bias: ClassVar[int] = 1
    # Without gates high rates are a gamble: at 4e-3 two runs with other seeds ended at 3.08 and 3.60 bits per byte, at
    # 8e-3 one at 6.76 (tiny-shakespeare, 300 k parameters, 260 steps); at 1e-3 one at 3.38.
    usual_learning_rate: ClassVar[float] = 1e-3

    kind: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu"] = field("tanh", "tanh, or relu (which wants hidden_init = identity)")
    hidden_init: Literal["uniform", "orthogonal", "identity"] = field(
        "orthogonal", "hidden-to-hidden matrices: uniform within init_range, orthogonal, or identity (arXiv 1504.00941)"
    )
