"""What a T5 is made of; `0` stands for "derive it": `resolved_*` properties say what it becomes."""

import math
from functools import partial
from typing import ClassVar, Literal

from pydantic import model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError
from idiolect.models.config.sizes import flops_of_halves, usual_d_ff


class T5Config(Config):
    """An encoder-decoder Transformer; defaults: T5's shape with today's start; classics: `t5_like`, `t5_v1_1_like`."""

    reads: ClassVar[str] = "source"
    # AdamW's, the centre of the search by `compare`: 2.48 nats after 150 steps at 1e-3, 2.43 at 3e-3.
    usual_learning_rate: ClassVar[float] = 2e-3
    # What T5 has no setting for, under the names by which the shared layers ask (arXiv 1910.10683, section 2.1).
    norm: ClassVar[str] = "rms"
    norm_scale: ClassVar[bool] = True
    bias: ClassVar[bool] = False

    kind: Literal["t5"] = "t5"
    context_length: int = field(
        256, "tokens of a window, which its objective parts into source and target", gt=0, le=2**20
    )
    n_layers: int = field(3, "blocks of the encoder", gt=0, le=1024)
    n_decoder_layers: int = field(0, "blocks of the decoder; 0 = n_layers", ge=0, le=1024)
    d_model: int = field(384, "width of the residual stream", gt=0, le=2**16)
    n_heads: int = field(6, "heads of each attention", gt=0, le=2**12)
    d_head: int = field(0, "channels of a head; 0 = d_model / n_heads", ge=0, le=2**12)
    d_ff: int = field(0, "width inside the MLP; 0 = 4 x d_model, or 8/3 x d_model when gated", ge=0, le=2**18)
    mlp: Literal["relu", "relu2", "gelu", "gelu_tanh", "swiglu", "geglu", "geglu_tanh"] = field(
        "geglu_tanh", "relu (T5), geglu_tanh (T5 v1.1, arXiv 2002.05202), or one of a GPT's"
    )
    norm_epsilon: float = field(1e-6, "added to the mean square inside a norm", gt=0, le=1)
    positions: Literal["relative", "rotary"] = field(
        "relative", "relative: a learned bias a head and a distance (T5), or rotary (arXiv 2104.09864)"
    )
    n_buckets: int = field(32, "biases a head learns, each for a range of distances", ge=4, le=2**12)
    max_distance: int = field(128, "distances from here on share one bias", gt=0, le=2**20)
    rope_theta: float = field(10_000.0, "longest rotary wavelength / 2 pi, in positions", gt=0, le=1e12)
    qk_norm: bool = field(False, "normalise each head's queries and keys (arXiv 2302.05442)")
    attention_scale: float = field(
        1.0,
        "factor on the products of queries and keys: 1 (T5, whose start makes up for it); 0 = 1 / sqrt(d_head)",
        ge=0,
        le=1000,
    )
    dropout: float = field(0.0, "share of activations dropped in training", ge=0.0, lt=1.0)
    tied_head: bool = field(
        True, "the head reuses the token embedding, on hidden states divided by sqrt(d_model) (T5; v1.1 has its own)"
    )
    # With T5's own start every key is alike until the biases have grown. 150 steps of 2,048 characters, 0.8 M
    # parameters, one seed: 2.43 nats from T5's start, 2.34 at 1, 2.23 at 4 (rotary 2.21).
    bias_slope: float = field(
        4.0, "relative biases start falling with distance: ALiBi's slopes (arXiv 2108.12409) times this; 0: as T5",
        ge=0, le=1000,
    )  # fmt: skip
    init_scale: float = field(1.0, "factor on every standard deviation at the start", gt=0, le=100)

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> "T5Config":
        """A member of about this width, with heads of 32 to 64 channels."""
        return cls(context_length=context_length, d_model=d_model, n_heads=_heads(d_model))

    @property
    def resolved_n_decoder_layers(self) -> int:
        return self.n_decoder_layers or self.n_layers

    @property
    def resolved_d_head(self) -> int:
        return self.d_head or self.d_model // self.n_heads

    @property
    def resolved_attention_scale(self) -> float:
        return self.attention_scale or 1 / math.sqrt(self.resolved_d_head)

    @property
    def gated_mlp(self) -> bool:
        return self.mlp in ("swiglu", "geglu", "geglu_tanh")

    @property
    def resolved_d_ff(self) -> int:
        return self.d_ff or usual_d_ff(self.d_model, self.gated_mlp)

    @property
    def most_positions(self) -> int:
        """Positions that a source or a target may have: a window's, a sentinel for each, and what surrounds them."""
        return 2 * self.context_length + 2

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        d, width, ff = self.d_model, self.n_heads * self.resolved_d_head, self.resolved_d_ff
        encoders, decoders = self.n_layers, self.resolved_n_decoder_layers
        attention, qk_norm = 4 * d * width, 2 * self.resolved_d_head if self.qk_norm else 0
        return {
            "embeddings": vocabulary_size * d,
            "positions": 2 * self.n_buckets * self.n_heads if self.positions == "relative" else 0,
            "attention": (encoders + decoders) * attention,
            "cross_attention": decoders * attention,
            "mlp": (encoders + decoders) * d * ff * (3 if self.gated_mlp else 2),
            "norms": d * (2 * encoders + 3 * decoders + 2) + qk_norm * (encoders + 2 * decoders),
            "head": 0 if self.tied_head else vocabulary_size * d,
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token of a window, by part: one half is the source, the other the target.

        An objective may part it otherwise: `count_sample_flops`.
        """
        return flops_of_halves(partial(self.count_sample_flops, vocabulary_size), context_length)

    def count_sample_flops(self, vocabulary_size: int, n_source: int, n_target: int) -> dict[str, int]:
        """Operations of the forward pass for one source and its targets, by part."""
        d, width, ff = self.d_model, self.n_heads * self.resolved_d_head, self.resolved_d_ff
        encoders, decoders = self.n_layers * n_source, self.resolved_n_decoder_layers * n_target
        cross_memory = self.resolved_n_decoder_layers * n_source
        return {
            "projections": 2 * d * width * (4 * encoders + 6 * decoders + 2 * cross_memory),
            "scores": 2 * 2 * width * (encoders * n_source + decoders * (n_target + n_source)),
            "mlp": 2 * d * ff * (3 if self.gated_mlp else 2) * (encoders + decoders),
            "head": 2 * vocabulary_size * d * n_target,
        }

    @model_validator(mode="after")
    def check_heads(self):
        if not self.d_head and self.d_model % self.n_heads:
            raise RecipeError(
                f"model.d_model = {self.d_model} can't be shared by model.n_heads = {self.n_heads}",
                why=f"every head needs the same number of channels: {self.d_model} / {self.n_heads} is not whole",
                fix=f"--model.n_heads={_heads(self.d_model)}, or --model.d_head=64",
            )
        if self.positions == "rotary" and self.resolved_d_head % 2:
            raise RecipeError(
                f'heads of {self.resolved_d_head} channels can\'t be turned by model.positions = "rotary"',
                why="rotary positions turn channels in pairs, so a head needs an even number",
                fix=f"--model.d_head={self.resolved_d_head + 1}, or --model.positions=relative",
            )
        return self

    @model_validator(mode="after")
    def check_buckets(self):
        # Half of the encoder's biases are for either side, and half of those for a distance each.
        if self.n_buckets % 4 or self.max_distance <= self.n_buckets // 2:
            least = 4 * -(-self.n_buckets // 4)
            raise RecipeError(
                f"model.n_buckets = {self.n_buckets} and model.max_distance = {self.max_distance} don't go together",
                why="a quarter of the biases is for single distances to one side, so it must be a whole number, and "
                "the rest reaches from half of them to the largest distance",
                fix=f"--model.n_buckets={least} --model.max_distance={max(self.max_distance, 4 * least)}",
            )
        return self


def _heads(d_model: int) -> int:
    """Heads of 64 channels where they divide the width, else of 32 or 16."""
    return next((d_model // d_head for d_head in (64, 32, 16) if d_model % d_head == 0), 1)


def t5_like(**changes) -> T5Config:
    """T5 small's settings (arXiv 1910.10683): ReLU, a tied head; heads of 64 channels, whatever the width."""
    settings = dict(
        bias_slope=0.0,
        context_length=512, n_layers=6, d_model=512, n_heads=8, d_head=64, d_ff=2048, mlp="relu", dropout=0.1,
        tied_head=True,
    )  # fmt: skip
    return T5Config(**(settings | changes))


def t5_v1_1_like(**changes) -> T5Config:
    """T5 v1.1 small's settings (released 2020): gated GELU, a head of its own, no dropout in pre-training."""
    settings = dict(
        bias_slope=0.0,
        context_length=512, n_layers=8, d_model=512, n_heads=6, d_head=64, d_ff=1024, mlp="geglu_tanh", dropout=0.0,
        tied_head=False,
    )  # fmt: skip
    return T5Config(**(settings | changes))
