"""What a GPT is made of; `0` stands for "derive it": `resolved_*` properties say what it becomes."""

import math
from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import model_validator

from idiolect.config import Config, Items, field
from idiolect.errors import RecipeError
from idiolect.models.config.ngram_orders import check_orders, rows_of
from idiolect.models.config.sizes import norm_numbers, usual_d_ff, windows_of


class GPTConfig(Config):
    """A decoder-only Transformer; defaults: today's small-model practice; classics: `gpt2_like`, `llama_like`."""

    reads: ClassVar[str] = "left"
    # AdamW's, the centre of the search that `compare` gives the family; that of recipes/shakespeare.toml.
    usual_learning_rate: ClassVar[float] = 2e-3

    kind: Literal["gpt"] = "gpt"
    context_length: int = field(256, "the most positions the model reads", gt=0, le=2**20)
    n_layers: int = field(6, "blocks, one after the other", gt=0, le=1024)
    d_model: int = field(384, "width of the residual stream", gt=0, le=2**16)
    n_heads: int = field(6, "query heads of a layer", gt=0, le=2**12)
    n_kv_heads: int = field(
        0, "key/value heads, shared by groups of query heads (arXiv 2305.13245); 0 = n_heads", ge=0, le=2**12
    )
    d_head: int = field(0, "channels of a head; 0 = d_model / n_heads", ge=0, le=2**12)
    d_ff: int = field(0, "width inside the MLP; 0 = 4 x d_model, or 8/3 x d_model when gated", ge=0, le=2**18)
    mlp: Literal["relu2", "gelu", "gelu_tanh", "swiglu", "geglu"] = field(
        "relu2", "relu2 (arXiv 2109.08668), gelu exact or by tanh (GPT-2), or gated: swiglu, geglu (arXiv 2002.05202)"
    )
    n_experts: int = field(0, "MLPs of a layer, a few of which each token goes through; 0 = one for all", ge=0, le=4096)
    experts_per_token: int = field(2, "experts that each token goes through", gt=0, le=64)
    expert_layers: Literal["all", "alternate"] = field(
        "all", "layers with experts: every one, or every second, the last among them; the others keep one MLP"
    )
    expert_d_ff: int = field(0, "width inside an expert; 0 = that of the MLP it stands for", ge=0, le=2**18)
    shared_d_ff: int = field(
        0, "width of one more expert that every token goes through (arXiv 2401.06066); 0 = none", ge=0, le=2**18
    )
    expert_gate: Literal["chosen", "all"] = field(
        "chosen", "an expert's weight: softmax over the chosen (Mixtral, arXiv 2401.04088), or over all (Switch)"
    )
    balance_loss: float = field(
        0.01, "pull towards equal loads of the experts, times their unevenness (arXiv 2101.03961)", ge=0, le=100
    )
    router_z_loss: float = field(
        0.001, "pull on the router's logits, squared logarithm of their sum (arXiv 2202.08906)", ge=0, le=100
    )
    norm: Literal["rms", "layer"] = field("rms", "rms (arXiv 1910.07467) or layer (arXiv 1607.06450), always before")
    norm_scale: bool = field(True, "learn a scale (and, for layer with biases on, a shift) in every norm")
    norm_epsilon: float = field(1e-5, "added to the variance inside a norm", gt=0, le=1)
    embedding_norm: bool = field(False, "normalise the embeddings before the first block")
    qk_norm: bool = field(True, "normalise each head's queries and keys (arXiv 2302.05442)")
    attention_scale: float = field(
        0.0, "factor on the products of queries and keys; 0 = 1 / sqrt(d_head)", ge=0.0, le=1000
    )
    positions: Literal["rotary", "learned", "sinusoidal", "none"] = field(
        "rotary", "rotary (arXiv 2104.09864), learned (GPT-2), sinusoidal (arXiv 1706.03762), or none"
    )
    rope_theta: float = field(10_000.0, "longest rotary wavelength / 2 pi, in positions", gt=0, le=1e12)
    sliding_window: int = field(
        0, "tokens an S layer sees, the current one included; 0 = every layer sees all", ge=0, le=2**20
    )
    window_pattern: str = field("S", "S (sliding) and L (all) layers, repeated from the first layer on")
    bias: bool = field(False, "biases in linear layers and layer norms (the head never has one)")
    dropout: float = field(0.0, "share of activations dropped in training", ge=0.0, lt=1.0)
    tied_head: bool = field(True, "the head reuses the token embedding (arXiv 1608.05859)")
    logit_softcap: float = field(0.0, "bound logits smoothly to +- this (arXiv 2408.00118); 0 = off", ge=0.0, le=1e6)
    zero_init_projections: bool = field(True, "start the last projection of each branch at zero (arXiv 2203.03466)")
    zero_init_head: bool = field(False, "start an untied head at zero: the first guess is then uniform")
    init_std: float = field(0.02, "standard deviation of embeddings and matrices at the start (GPT-2)", gt=0, le=100)
    embedding_std: float = field(0.0, "that of the token embedding alone; 0 = init_std", ge=0, le=100)
    matrix_init: Literal["normal", "fan_in"] = field(
        "normal", "hidden matrices: normal with init_std, or uniform with standard deviation 1 / sqrt(columns)"
    )
    ngram_orders: Items[int] = field((), "add hashed embeddings of the last n token ids, for each n here")
    ngram_buckets: int = field(65_536, "most rows of each hashed n-gram table", gt=0, le=2**28)
    ngram_head_orders: Items[int] = field((), "add to the logits a hashed row of the last n ids, for each n here")
    ngram_head_buckets: int = field(65_536, "most rows, of a logit a word, of each of these tables", gt=0, le=2**28)
    value_embeddings: Literal["none", "alternate", "all"] = field(
        "none", "layers that add an embedding of the token to their values (arXiv 2410.17897): every second, or all"
    )

    @classmethod
    def sized(cls, d_model: int, context_length: int) -> "GPTConfig":
        """The GPT of about this width, a multiple of 16: a layer for 64 channels and at least four, heads of 32."""
        d_head = 32 if d_model % 32 == 0 else 16
        return cls(n_layers=max(4, round(d_model / 64)), d_model=d_model, n_heads=max(1, d_model // d_head),
                   context_length=context_length)  # fmt: skip

    @property
    def resolved_n_kv_heads(self) -> int:
        return self.n_kv_heads or self.n_heads

    @property
    def resolved_d_head(self) -> int:
        return self.d_head or self.d_model // self.n_heads

    @property
    def resolved_attention_scale(self) -> float:
        return self.attention_scale or 1 / math.sqrt(self.resolved_d_head)

    @property
    def gated_mlp(self) -> bool:
        return self.mlp in ("swiglu", "geglu")

    @property
    def resolved_d_ff(self) -> int:
        return self.d_ff or usual_d_ff(self.d_model, self.gated_mlp)

    @property
    def resolved_expert_d_ff(self) -> int:
        return self.expert_d_ff or self.resolved_d_ff

    @property
    def expert_layer_numbers(self) -> tuple[int, ...]:
        """Layers whose MLP is a choice of experts."""
        if not self.n_experts:
            return ()
        step = 1 if self.expert_layers == "all" else 2
        return tuple(range((self.n_layers - 1) % step, self.n_layers, step))

    @property
    def windows(self) -> tuple[int, ...]:
        """Per layer: how many tokens it sees, itself included; 0 = all."""
        return windows_of(self.window_pattern, self.sliding_window, self.n_layers)

    @property
    def value_embedding_layers(self) -> tuple[int, ...]:
        """Layers with a value embedding; `alternate` always includes the last (measured to matter most in nanochat)."""
        if self.value_embeddings == "none":
            return ()
        step = 1 if self.value_embeddings == "all" else 2
        return tuple(range((self.n_layers - 1) % step, self.n_layers, step))

    def count_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers by part."""
        return self._count_parameters(vocabulary_size, self.n_experts)

    def count_active_parameters(self, vocabulary_size: int) -> dict[str, int]:
        """Learned numbers that one token meets, by part: of the experts, those that it goes through."""
        return self._count_parameters(vocabulary_size, min(self.experts_per_token, self.n_experts))

    def _count_parameters(self, vocabulary_size: int, n_counted: int) -> dict[str, int]:
        d, bias = self.d_model, self.bias
        q, kv = self.n_heads * self.resolved_d_head, self.resolved_n_kv_heads * self.resolved_d_head
        norm = norm_numbers(self, d)
        qk_norm = 2 * norm_numbers(self, self.resolved_d_head) if self.qk_norm else 0
        input_rows = rows_of(self.ngram_orders, self.ngram_buckets, vocabulary_size)
        head_rows = rows_of(self.ngram_head_orders, self.ngram_head_buckets, vocabulary_size)
        return {
            "embeddings": vocabulary_size * d,
            "positions": self.context_length * d if self.positions == "learned" else 0,
            "ngram_tables": d * input_rows,
            "value_embeddings": len(self.value_embedding_layers) * (vocabulary_size * kv + 2),
            "attention": self.n_layers * (d * (q + 2 * kv) + q * d + bias * (q + 2 * kv + d)),
            "mlp": self._over_layers(self._mlp_parameters, n_counted, d * self.n_experts),
            "norms": self.n_layers * (2 * norm + qk_norm) + norm * (2 if self.embedding_norm else 1),
            "head": 0 if self.tied_head else vocabulary_size * d,
            "ngram_head_tables": vocabulary_size * head_rows,
        }

    def count_flops(self, vocabulary_size: int, context_length: int) -> dict[str, int]:
        """Operations of the forward pass per token, by part."""
        d = self.d_model
        q, kv = self.n_heads * self.resolved_d_head, self.resolved_n_kv_heads * self.resolved_d_head
        return {
            "projections": self.n_layers * 2 * (d * (q + 2 * kv) + q * d),
            "scores": self.n_layers * 2 * 2 * q * context_length,
            "mlp": 2 * self._over_layers(self._mlp_products, self.experts_per_token, d * self.n_experts),
            "head": 2 * vocabulary_size * d,
        }

    def _mlp_products(self, ff: int) -> int:
        """Multiplications of an MLP of this width for a token, as many as its matrices hold numbers."""
        return self.d_model * ff * (3 if self.gated_mlp else 2)

    def _mlp_parameters(self, ff: int) -> int:
        return self._mlp_products(ff) + self.bias * (ff * (2 if self.gated_mlp else 1) + self.d_model)

    def _over_layers(self, of_width: Callable[[int], int], n_counted: int, router: int) -> int:
        """A count over all layers' MLPs, `n_counted` of a layer's experts among them."""
        n_with = len(self.expert_layer_numbers)
        experts = n_counted * of_width(self.resolved_expert_d_ff) + router
        shared = of_width(self.shared_d_ff) if self.shared_d_ff else 0
        return (self.n_layers - n_with) * of_width(self.resolved_d_ff) + n_with * (experts + shared)

    @model_validator(mode="after")
    def check_heads(self):
        if not self.d_head and self.d_model % self.n_heads:
            # Rotary and sinusoidal positions pair channels: a fix that leads to the next error is none.
            pair = 2 if self.positions in ("rotary", "sinusoidal") else 1
            fixes = _widths(self.d_model, self.n_heads * pair)
            if self.d_model % pair == 0:
                heads = _nearest_divisor(self.d_model // pair, self.n_heads)
                fixes += f", or --model.n_heads={heads}"
            raise RecipeError(
                f"model.d_model = {self.d_model} can't be shared by model.n_heads = {self.n_heads}",
                why=f"every head needs the same number of channels: {self.d_model} / {self.n_heads} is not whole",
                fix=fixes,
            )
        if self.n_heads % self.resolved_n_kv_heads:
            raise RecipeError(
                f"model.n_kv_heads = {self.n_kv_heads} can't serve model.n_heads = {self.n_heads}",
                why="each key/value head serves the same number of query heads",
                fix=f"--model.n_kv_heads={_nearest_divisor(self.n_heads, self.n_kv_heads)}",
            )
        if self.positions == "rotary" and self.resolved_d_head % 2:
            key = "d_head" if self.d_head else "d_model"
            raise RecipeError(
                f"model.{key} = {getattr(self, key)} gives heads of {self.resolved_d_head} channels, "
                f'which model.positions = "rotary" can\'t turn',
                why="rotary positions turn channels in pairs, so a head needs an even number",
                fix=f"--model.d_head={self.resolved_d_head + 1}, or --model.positions=learned",
            )
        return self

    @model_validator(mode="after")
    def check_widths(self):
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise RecipeError(
                f'model.d_model = {self.d_model} is odd, and model.positions = "sinusoidal" needs it even',
                why="a sinusoidal position is a sine and a cosine for each wavelength",
                fix=_widths(self.d_model, 2 if self.d_head else 2 * self.n_heads),
            )
        wrong = set(self.window_pattern) - {"S", "L"}
        if wrong or not self.window_pattern:
            raise RecipeError(
                f'model.window_pattern = "{self.window_pattern}" is not made of S and L',
                why="each letter stands for one layer: S sees the last model.sliding_window tokens, L sees all",
                fix="--model.window_pattern=SSSL",
            )
        return self

    @model_validator(mode="after")
    def check_head(self):
        if self.zero_init_head and self.tied_head:
            raise RecipeError(
                "model.zero_init_head needs model.tied_head = false",
                why="a tied head is the token embedding, which can't start at zero: every token would be the same",
                fix="--model.tied_head=false",
            )
        return self

    @model_validator(mode="after")
    def check_experts(self):
        if 0 < self.n_experts < self.experts_per_token:
            raise RecipeError(
                f"model.experts_per_token = {self.experts_per_token} is more than model.n_experts = {self.n_experts}",
                why="a token can go through each expert only once",
                fix=f"--model.experts_per_token={self.n_experts}, or --model.n_experts={self.experts_per_token}",
            )
        if self.n_experts and self.experts_per_token == 1 and self.expert_gate == "chosen":
            raise RecipeError(
                'model.expert_gate = "chosen" teaches the router nothing with model.experts_per_token = 1',
                why="a softmax over one expert is 1 whatever the router says, so no gradient reaches it",
                fix="--model.expert_gate=all, or --model.experts_per_token=2",
            )
        return self

    @model_validator(mode="after")
    def check_ngrams(self):
        # Order 1 at the head is a table of which token follows which.
        check_orders("ngram_orders", self.ngram_orders, 2, self.context_length)
        check_orders("ngram_head_orders", self.ngram_head_orders, 1, self.context_length)
        return self


def _widths(value: int, multiple: int) -> str:
    """The nearest widths below and above that are whole multiples, as flags."""
    below = value // multiple * multiple
    return ", ".join(f"--model.d_model={width}" for width in (below, below + multiple) if width > 0)


def _nearest_divisor(value: int, near: int) -> int:
    return min((d for d in range(1, value + 1) if value % d == 0), key=lambda d: (abs(d - near), d))
