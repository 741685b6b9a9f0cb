"""What a Mamba-2 is made of; `0` stands for "derive it"."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError
from idiolect.models.config.sizes import norm_numbers, usual_d_ff


class Mamba2Config(Config):
    """A state-space model (arXiv 2405.21060) with an MLP after each mixing layer, as a Transformer has."""

    reads: ClassVar[str] = "left"
    carries_state: ClassVar[bool] = True
    # AdamW's, the centre of the search that `compare` gives the family; twice as much did no better (decision 0006).
    usual_learning_rate: ClassVar[float] = 3e-3

    kind: Literal["mamba2"] = "mamba2"
    context_length: int = field(256, "positions of a training window; it reads texts of any length", gt=0, le=2**20)
    n_layers: int = field(6, "blocks, one after the other", gt=0, le=1024)
    d_model: int = field(384, "width of the residual stream", gt=0, le=2**16)
    d_inner: int = field(0, "channels that carry a state; 0 = d_model, rounded up to whole heads", ge=0, le=2**17)
    d_head: int = field(64, "channels that share a decay", gt=0, le=2**12)
    d_state: int = field(64, "numbers of state a channel", gt=0, le=2**12)
    conv_width: int = field(4, "positions read by the short convolution before the recurrence", gt=0, le=256)
    chunk: int = field(64, "positions the scan treats as one matrix product", gt=0, le=4096)
    d_ff: int = field(0, "width inside the MLP; 0 = 4 x d_model, or 8/3 x d_model when gated", ge=0, le=2**18)
    mlp: Literal["relu2", "gelu", "gelu_tanh", "swiglu", "geglu"] = field(
        "relu2", "relu2 (arXiv 2109.08668), gelu exact or by tanh (GPT-2), or gated: swiglu, geglu (arXiv 2002.05202)"
    )
    norm: Literal["rms", "layer"] = field("rms", "rms (arXiv 1910.07467) or layer (arXiv 1607.06450), always before")
    norm_scale: bool = field(True, "learn a scale (and, for layer with biases on, a shift) in every norm")
    norm_epsilon: float = field(1e-5, "added to the variance inside a norm", gt=0, le=1)
    bias: bool = field(False, "biases in linear layers, convolutions and layer norms (the head never has one)")
    dropout: float = field(0.0, "share of activations dropped in training", ge=0.0, lt=1.0)
    tied_head: bool = field(True, "the head reuses the token embedding (arXiv 1608.05859)")
    zero_init_projections: bool = field(True, "start the last projection of each branch at zero (arXiv 2203.03466)")
    init_std: float = field(0.02, "standard deviation of embeddings and matrices at the start (GPT-2)", gt=0, le=100)
    step_min: float = field(
        0.001, "least step of a head at the start; they are spread evenly in logarithm", gt=0, le=100
    )
    step_max: float = field(0.1, "greatest step of a head at the start", gt=0, le=100)

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> Self:
        """A member of the family of this width, a multiple of 16."""
        d_head = next(width for width in (64, 48, 32, 16) if d_model % width == 0)
        return cls(d_model=d_model, d_head=d_head, context_length=context_length, n_layers=4)

    @property
    def resolved_d_inner(self) -> int:
        return self.d_inner or -(-self.d_model // self.d_head) * self.d_head

    @property
    def n_heads(self) -> int:
        return self.resolved_d_inner // self.d_head

    @property
    def gated_mlp(self) -> bool:
        return self.mlp in ("swiglu", "geglu")

    @property
    def resolved_d_ff(self) -> int:
        return self.d_ff or usual_d_ff(self.d_model, self.gated_mlp)

    @property
    def mixing_rows(self) -> tuple[int, ...]:
        """Rows of a mixing layer's first matrix: gate, signal, and the heads' writing, reading and steps."""
        return (self.resolved_d_inner,) * 2 + (self.d_state,) * 2 + (self.n_heads,)

    @property
    def convolved(self) -> int:
        """Channels that pass the short convolution: signal, writing and reading."""
        return self.resolved_d_inner + 2 * self.d_state

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        d, ff, inner, rows, bias = (
            self.d_model,
            self.resolved_d_ff,
            self.resolved_d_inner,
            sum(self.mixing_rows),
            self.bias,
        )
        up = 2 * ff if self.gated_mlp else ff
        return {
            "embeddings": vocabulary_size * d,
            "mixing": self.n_layers * (d * rows + inner * d + bias * (rows + d)),
            "convolutions": self.n_layers * self.convolved * (self.conv_width + bias),
            "recurrence": self.n_layers * 3 * self.n_heads,
            "mlp": self.n_layers * (d * up + ff * d + bias * (up + d)),
            "norms": self.n_layers * (2 * norm_numbers(self, d) + norm_numbers(self, inner)) + norm_numbers(self, d),
            "head": 0 if self.tied_head else vocabulary_size * d,
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token, by part; the scan's are those of its matrix products."""
        d, ff, inner, R = self.d_model, self.resolved_d_ff, self.resolved_d_inner, self.d_state
        whole, rest = divmod(context_length, self.chunk)
        # Each position meets those of its chunk; the last chunk may be shorter.
        met = (whole * self.chunk**2 + rest**2) / context_length
        return {
            "mixing": self.n_layers * 2 * (d * sum(self.mixing_rows) + inner * d),
            "convolutions": self.n_layers * 2 * self.convolved * self.conv_width,
            "scan": self.n_layers * round(2 * met * (R + inner)) + self.n_layers * 2 * 2 * inner * R,
            "mlp": self.n_layers * 2 * (d * (2 * ff if self.gated_mlp else ff) + ff * d),
            "head": 2 * vocabulary_size * d,
        }

    @model_validator(mode="after")
    def check_heads(self):
        if self.d_inner % self.d_head:
            below = self.d_inner // self.d_head * self.d_head
            fixes = [f"--model.d_inner={width}" for width in (below, below + self.d_head) if width > 0]
            raise RecipeError(
                f"model.d_inner = {self.d_inner} can't be shared by heads of model.d_head = {self.d_head}",
                why=f"every head needs the same number of channels: {self.d_inner} / {self.d_head} is not whole",
                fix=", or ".join(fixes),
            )
        return self

    @model_validator(mode="after")
    def check_steps(self):
        if self.step_min > self.step_max:
            raise RecipeError(
                f"model.step_min = {self.step_min:g} is more than model.step_max = {self.step_max:g}",
                why="the heads' first steps are spread between the two",
                fix=f"--model.step_min={self.step_max:g} --model.step_max={self.step_min:g}",
            )
        return self
