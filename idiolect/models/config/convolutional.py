"""What a convolutional language model is made of; `0` stands for "derive it"."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from idiolect.config import Config, Items, field
from idiolect.errors import RecipeError
from idiolect.models.config.sizes import norm_numbers


class CNNConfig(Config):
    """Gated causal convolutions in residual blocks (arXiv 1612.08083); defaults: normalised, as today's stacks are."""

    reads: ClassVar[str] = "left"
    # AdamW's, the centre of the search that `compare` gives the family. Measured on tiny-shakespeare, 300 k parameters,
    # 598 steps, one seed: 2.90, 2.76, 2.67 and 2.65 bits per byte at 1e-3, 2e-3, 4e-3 and 8e-3.
    usual_learning_rate: ClassVar[float] = 4e-3

    kind: Literal["cnn"] = "cnn"
    context_length: int = field(256, "positions of a training window; it reads texts of any length", gt=0, le=2**20)
    n_layers: int = field(6, "blocks, one after the other", gt=0, le=1024)
    d_model: int = field(384, "width of the residual stream", gt=0, le=2**16)
    kernel_width: int = field(4, "positions a convolution reads, its own included", ge=2, le=256)
    dilations: Items[int] = field(
        (1,), "distance between the positions read, a layer; repeated from the first layer on (arXiv 1609.03499)"
    )
    d_bottleneck: int = field(
        0, "width inside a block, between two convolutions of width 1 (arXiv 1512.03385); 0 = d_model, without them",
        ge=0, le=2**16,
    )  # fmt: skip
    norm: Literal["rms", "layer", "none"] = field(
        "rms", "before each block: rms (arXiv 1910.07467), layer (arXiv 1607.06450), or none, as in the paper"
    )
    norm_scale: bool = field(True, "learn a scale (and, for layer with biases on, a shift) in every norm")
    norm_epsilon: float = field(1e-5, "added to the variance inside a norm", gt=0, le=1)
    weight_norm: bool = field(False, "learn directions and lengths of the filters apart (arXiv 1602.07868)")
    bias: bool = field(False, "biases in convolutions and layer norms (the head never has one)")
    dropout: float = field(0.0, "share of activations dropped in training", ge=0.0, lt=1.0)
    tied_head: bool = field(True, "the head reuses the token embedding (arXiv 1608.05859)")
    init_std: float = field(0.02, "standard deviation of embeddings at the start (GPT-2)", gt=0, le=100)

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> Self:
        """A member of the family of this width; what is further than 19 positions back it leaves to others.

        In those 25 s doubling dilations (1, 2, 4, 8) cost 0.05 nats at either rate, (1, 1, 2, 2, 4, 4) 0.04: near
        positions tell most, and are worth reading in every layer.
        """
        return cls(d_model=d_model, context_length=context_length, n_layers=6)

    @property
    def layer_dilations(self) -> tuple[int, ...]:
        """Each layer's dilation."""
        return tuple(self.dilations[layer % len(self.dilations)] for layer in range(self.n_layers))

    @property
    def receptive_field(self) -> int:
        """Positions that can decide an output, its own included."""
        return 1 + (self.kernel_width - 1) * sum(self.layer_dilations)

    @property
    def filters(self) -> tuple[tuple[int, int, int], ...]:
        """A block's convolutions: width in, width out (each has a gate as wide), positions read."""
        d, narrow = self.d_model, self.d_bottleneck
        if not narrow:
            return ((d, d, self.kernel_width),)
        return ((d, narrow, 1), (narrow, narrow, self.kernel_width), (narrow, d, 1))

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        vectors = self.bias + self.weight_norm
        return {
            "embeddings": vocabulary_size * self.d_model,
            "convolutions": self.n_layers
            * sum(2 * out * (width * d_in + vectors) for d_in, out, width in self.filters),
            "norms": (self.n_layers + 1) * norm_numbers(self, self.d_model),
            "head": 0 if self.tied_head else vocabulary_size * self.d_model,
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token, by part; a convolution's zeros before the text are counted."""
        return {
            "convolutions": self.n_layers * sum(2 * 2 * out * width * d_in for d_in, out, width in self.filters),
            "head": 2 * vocabulary_size * self.d_model,
        }

    @model_validator(mode="after")
    def check_dilations(self):
        if not self.dilations or any(not 1 <= dilation <= 2**16 for dilation in self.dilations):
            raise RecipeError(
                f"model.dilations = {list(self.dilations)} must be one or more whole numbers from 1 to {2**16}",
                why="each is how far apart the positions lie that a layer reads; 1 reads neighbours",
                fix="--model.dilations=[1,2,4,8]",
            )
        return self
