"""What a recurrent sequence-to-sequence model is made of: an encoder from both sides, a decoder, attention between."""

from functools import partial
from typing import ClassVar, Literal

from pydantic import model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError
from idiolect.models.config.recurrent import GRUConfig, LSTMConfig
from idiolect.models.config.sizes import flops_of_halves


class Seq2SeqConfig(Config):
    """A recurrent encoder-decoder with attention (arXiv 1409.0473, 1508.04025).

    What the decoder has attended to can be fed to its upper layers (arXiv 1609.08144, section 3), which costs nothing,
    or into its own next step (Luong et al., section 3.3), which makes training go token by token. Both are off.
    """

    reads: ClassVar[str] = "source"
    # AdamW's, the centre of the search by `compare`: 1.97 nats after 150 steps at 6e-3, 2.02 at 3e-3.
    usual_learning_rate: ClassVar[float] = 4e-3

    kind: Literal["seq2seq"] = "seq2seq"
    context_length: int = field(
        64, "tokens of a window, which its objective parts into source and target", gt=0, le=2**20
    )
    cell: Literal["gru", "lstm"] = field("lstm", "lstm, or gru (arXiv 1406.1078)")
    n_layers: int = field(1, "layers of the encoder, each in both directions", gt=0, le=1024)
    n_decoder_layers: int = field(0, "layers of the decoder; 0 = n_layers", ge=0, le=1024)
    d_model: int = field(256, "width of embeddings, of the decoder, and of both directions together", gt=0, le=2**16)
    attention: Literal["bahdanau", "dot", "general", "concat"] = field(
        "general",
        "score of a source position: additive, from the state before the token (bahdanau) or after it (concat), or a "
        "product, plain (dot) or with a matrix (general)",
    )
    feed_context: bool = field(
        False, "the first decoder layer attends, and the others read what it found; false: the last one attends"
    )
    input_feeding: bool = field(
        False,
        "each step of the decoder reads what was found for the target before it (Luong et al., section 3.3); off, "
        "since no fused kernel can then run over the targets",
    )
    bias: bool = field(True, "vectors added inside the cells (the head never has one)")
    dropout: float = field(0.0, "share of activations dropped between layers and before the head", ge=0.0, lt=1.0)
    tied_head: bool = field(True, "the head reuses the token embedding (arXiv 1608.05859)")
    # Nats after 150 steps at 3e-3, by range: 3.3 (0.1), 2.14 (0.5), 2.02 (1.7); Luong's 0.1 goes with SGD.
    embedding_range: float = field(
        1.7, "embeddings start uniform between - and + this; 1.7 is a variance of 1; Luong: 0.1", gt=0, le=100
    )

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> "Seq2SeqConfig":
        """One layer either side, of this width."""
        return cls(d_model=d_model, context_length=context_length)

    @property
    def resolved_n_decoder_layers(self) -> int:
        return self.n_decoder_layers or self.n_layers

    @property
    def cells(self) -> GRUConfig | LSTMConfig:
        """The settings by which a recurrent layer is built."""
        kind = LSTMConfig if self.cell == "lstm" else GRUConfig
        return kind(d_model=self.d_model, bias=self.bias)

    @property
    def is_additive(self) -> bool:
        return self.attention in ("bahdanau", "concat")

    @property
    def attends_after(self) -> int:
        """The decoder layer after which the source is looked at."""
        return 0 if self.feed_context else self.resolved_n_decoder_layers - 1

    @property
    def layer_widths(self) -> dict[str, list[tuple[int, int]]]:
        """(input, output) width of every layer of cells; the encoder's two directions stand one after the other."""
        d = self.d_model
        first = (2 * d if self.input_feeding else d, d)
        return {
            "encoder": [(d, d // 2)] * (2 * self.n_layers),
            "decoder": [first] + [(d, d)] * (self.resolved_n_decoder_layers - 1),
        }

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        d, cells = self.d_model, self.cells
        weights = {
            part: sum(cells.n_gates * (d_in * d_out + d_out**2) + self.bias * cells.n_bias * d_out for d_in, d_out in w)
            for part, w in self.layer_widths.items()
        }
        score = {"dot": 0, "general": d * d}.get(self.attention, 2 * d * d + d)
        return {
            "embeddings": vocabulary_size * d,
            **weights,
            "attention": d * d + score + 2 * d * d,
            "head": 0 if self.tied_head else vocabulary_size * d,
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token of a window, by part: one half is the source, the other the target.

        An objective may part it otherwise: `count_sample_flops`.
        """
        return flops_of_halves(partial(self.count_sample_flops, vocabulary_size), context_length)

    def count_sample_flops(self, vocabulary_size: int, n_source: int, n_target: int) -> dict[str, int]:
        """Operations of the forward pass for one source and its targets, by part."""
        d, pairs = self.d_model, n_source * n_target
        cells = {
            part: sum(2 * self.cells.n_gates * (d_in * d_out + d_out**2) for d_in, d_out in widths)
            for part, widths in self.layer_widths.items()
        }
        score = {"dot": 0, "general": 2 * d * d * n_target}.get(self.attention, 2 * d * d * (n_source + n_target))
        return {
            "encoder": cells["encoder"] * n_source,
            "decoder": cells["decoder"] * n_target,
            "attention": score + 2 * 2 * pairs * d + 2 * 2 * d * d * n_target,
            "summary": 2 * d * d,
            "head": 2 * vocabulary_size * d * n_target,
        }

    @model_validator(mode="after")
    def check_shape(self):
        if self.d_model % 2:
            raise RecipeError(
                f"model.d_model = {self.d_model} is odd",
                why="the encoder's two directions share it equally",
                fix=f"--model.d_model={self.d_model + 1}",
            )
        if self.feed_context and self.resolved_n_decoder_layers < 2:
            raise RecipeError(
                "model.feed_context needs a decoder of two layers or more",
                why="what the first layer attends to is read by the layers above it",
                fix="--model.n_decoder_layers=2, or --model.feed_context=false",
            )
        return self
