"""What a BERT is made of; `0` stands for "derive it": `resolved_*` properties say what it becomes."""

import math
from typing import ClassVar, Literal

from pydantic import model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError
from idiolect.models.config.sizes import norm_numbers, usual_d_ff, windows_of


class BertConfig(Config):
    """A bidirectional Transformer encoder; defaults: today's practice; named ones: `bert_like`, `modernbert_like`."""

    reads: ClassVar[str] = "both"
    # AdamW's, the centre of the search by `compare`: 2.75 nats a masked token after 150 steps at 1e-3, 2.60 at 3e-3.
    usual_learning_rate: ClassVar[float] = 2e-3
    # What the shared attention layer asks of a config, and an encoder has no use for.
    value_embedding_layers: ClassVar[tuple[int, ...]] = ()

    kind: Literal["bert"] = "bert"
    context_length: int = field(256, "the most positions the model reads", gt=0, le=2**20)
    n_layers: int = field(6, "blocks, one after the other", gt=0, le=1024)
    d_model: int = field(384, "width of the residual stream", gt=0, le=2**16)
    n_heads: int = field(6, "heads of a layer", gt=0, le=2**12)
    d_ff: int = field(0, "width inside the MLP; 0 = 4 x d_model, or 8/3 x d_model when gated", ge=0, le=2**18)
    mlp: Literal["gelu", "gelu_tanh", "relu2", "swiglu", "geglu"] = field(
        "geglu", "gelu exact (BERT) or by tanh, relu2 (arXiv 2109.08668), or gated: swiglu, geglu (arXiv 2002.05202)"
    )
    norm: Literal["rms", "layer"] = field("layer", "rms (arXiv 1910.07467) or layer (arXiv 1607.06450)")
    norm_scale: bool = field(True, "learn a scale (and, for layer with biases on, a shift) in every norm")
    norm_epsilon: float = field(1e-5, "added to the variance inside a norm", gt=0, le=1)
    norm_at: Literal["before", "after"] = field(
        "before", "before each branch, and once at the end (arXiv 2002.04745), or after each addition (BERT)"
    )
    embedding_norm: bool = field(True, "normalise the embeddings before the first block")
    qk_norm: bool = field(False, "normalise each head's queries and keys (arXiv 2302.05442)")
    positions: Literal["rotary", "learned", "sinusoidal", "none"] = field(
        "rotary", "rotary (arXiv 2104.09864), learned (BERT), sinusoidal (arXiv 1706.03762), or none"
    )
    rope_theta: float = field(10_000.0, "longest rotary wavelength / 2 pi, in positions", gt=0, le=1e12)
    local_rope_theta: float = field(0.0, "that of S layers; 0 = rope_theta", ge=0, le=1e12)
    sliding_window: int = field(
        0, "an S layer sees half of this to either side (arXiv 2004.05150); 0 = every layer sees all", ge=0, le=2**20
    )
    window_pattern: str = field("LSS", "L (all) and S (sliding) layers, repeated from the first layer on")
    bias: bool = field(False, "biases in linear layers and layer norms")
    head_bias: bool = field(True, "a learned bias for each logit")
    tied_head: bool = field(True, "the head reuses the token embedding (arXiv 1608.05859)")
    dropout: float = field(0.0, "share of activations dropped in training", ge=0.0, lt=1.0)
    init_std: float = field(0.02, "standard deviation of embeddings and matrices at the start", gt=0, le=100)

    @property
    def resolved_n_kv_heads(self) -> int:
        return self.n_heads

    @property
    def resolved_d_head(self) -> int:
        return self.d_model // self.n_heads

    @property
    def resolved_attention_scale(self) -> float:
        return 1 / math.sqrt(self.resolved_d_head)

    @property
    def gated_mlp(self) -> bool:
        return self.mlp in ("swiglu", "geglu")

    @property
    def resolved_d_ff(self) -> int:
        return self.d_ff or usual_d_ff(self.d_model, self.gated_mlp)

    @property
    def windows(self) -> tuple[int, ...]:
        """Per layer: how many positions it sees, half to either side; 0 = all."""
        return windows_of(self.window_pattern, self.sliding_window, self.n_layers)

    def theta_of(self, window: int) -> float:
        """The rotary base of layers with this window."""
        return self.local_rope_theta if window and self.local_rope_theta else self.rope_theta

    @property
    def first_norm(self) -> bool:
        """Whether the first block normalises what it reads: normalised embeddings would be so twice (ModernBERT)."""
        return not (self.norm_at == "before" and self.embedding_norm)

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        d, ff, bias = self.d_model, self.resolved_d_ff, self.bias
        up = 2 * ff if self.gated_mlp else ff
        norm, norm_head = norm_numbers(self, d), norm_numbers(self, self.resolved_d_head) if self.qk_norm else 0
        n_norms = 2 * self.n_layers - (not self.first_norm) + self.embedding_norm + (self.norm_at == "before") + 1
        return {
            "embeddings": vocabulary_size * d,
            "positions": self.context_length * d if self.positions == "learned" else 0,
            "attention": self.n_layers * (4 * d * d + bias * 4 * d),
            "mlp": self.n_layers * (d * up + ff * d + bias * (up + d)),
            "norms": n_norms * norm + self.n_layers * 2 * norm_head,
            "head": d * d + bias * d + vocabulary_size * (self.head_bias + d * (not self.tied_head)),
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token, by part; the head as if every token were predicted."""
        d, ff = self.d_model, self.resolved_d_ff
        return {
            "projections": self.n_layers * 2 * 4 * d * d,
            "scores": self.n_layers * 2 * 2 * d * context_length,
            "mlp": self.n_layers * 2 * (d * (2 * ff if self.gated_mlp else ff) + ff * d),
            "transform": 2 * d * d,
            "head": 2 * vocabulary_size * d,
        }

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> "BertConfig":
        """A member of about this width: heads of 64 channels where they divide it, a layer for each 64 from two on."""
        n_heads = next(d_model // d_head for d_head in (64, 48, 32, 16, d_model) if d_model % d_head == 0)
        return cls(
            d_model=d_model, context_length=context_length, n_heads=n_heads, n_layers=min(24, max(2, d_model // 64))
        )

    @model_validator(mode="after")
    def check_heads(self):
        # Rotary and sinusoidal positions pair channels.
        pair = 2 if self.positions in ("rotary", "sinusoidal") else 1
        multiple = self.n_heads * pair
        if self.d_model % multiple:
            below = self.d_model // multiple * multiple
            widths = [f"--model.d_model={width}" for width in (below, below + multiple) if width]
            raise RecipeError(
                f"model.d_model = {self.d_model} can't be shared by model.n_heads = {self.n_heads}",
                why="every head needs the same number of channels"
                + (f', an even one with model.positions = "{self.positions}"' if pair > 1 else ""),
                fix=" or ".join(widths),
            )
        return self

    @model_validator(mode="after")
    def check_windows(self):
        if not self.window_pattern or set(self.window_pattern) - {"S", "L"}:
            raise RecipeError(
                f'model.window_pattern = "{self.window_pattern}" is not made of S and L',
                why="each letter stands for one layer: S sees model.sliding_window positions around each, L sees all",
                fix="--model.window_pattern=LSS",
            )
        if self.sliding_window == 1:
            raise RecipeError(
                "model.sliding_window = 1 lets a position see no other",
                why="half of it lies to either side",
                fix="--model.sliding_window=128, or 0 for all",
            )
        return self


def bert_like(**changes) -> BertConfig:
    """BERT's settings (arXiv 1810.04805): norms after each addition, learned positions, exact GELU, biases."""
    settings = dict(
        context_length=512, n_layers=12, d_model=768, n_heads=12, mlp="gelu", norm="layer", norm_epsilon=1e-12,
        norm_at="after", embedding_norm=True, positions="learned", bias=True, dropout=0.1,
    )  # fmt: skip
    return BertConfig(**(settings | changes))


def modernbert_like(**changes) -> BertConfig:
    """ModernBERT's settings (arXiv 2412.13663): norms before, rotary, GeGLU, no biases, two layers of three local."""
    settings = dict(
        context_length=8192, n_layers=22, d_model=768, n_heads=12, d_ff=1152, mlp="geglu", norm="layer",
        norm_at="before", embedding_norm=True, positions="rotary", rope_theta=160_000.0, local_rope_theta=10_000.0,
        sliding_window=128, window_pattern="LSS", bias=False,
    )  # fmt: skip
    return BertConfig(**(settings | changes))
