"""Which optimiser, which schedule, how much decay: frozen values, torch-free."""

from typing import Annotated, Literal

from pydantic import Field

from idiolect.config import Config, field


class SGDConfig(Config):
    """Stochastic gradient descent, with momentum, Nesterov's if asked."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = field(0.1, "at the schedule's peak", gt=0)
    momentum: float = field(0.9, "share of the last direction kept", ge=0, lt=1)
    nesterov: bool = field(True, "look ahead along the momentum")
    weight_decay: float = field(0.0, "pull towards zero, added to the gradient", ge=0)


class AdamConfig(Config):
    """Adam (arXiv 1412.6980); its decay is added to the gradient, which AdamW puts right."""

    kind: Literal["adam"] = "adam"
    learning_rate: float = field(1e-3, "at the schedule's peak", gt=0)
    beta1: float = field(0.9, "memory of the mean of gradients", ge=0, lt=1)
    beta2: float = field(0.99, "memory of their squares", ge=0, lt=1)
    epsilon: float = field(1e-8, "added to the root of the squares", gt=0)
    weight_decay: float = field(0.0, "pull towards zero, added to the gradient", ge=0)


class AdamWConfig(Config):
    """Adam with decay apart from the gradient (arXiv 1711.05101)."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: float = field(1e-3, "at the schedule's peak", gt=0)
    beta1: float = field(0.9, "memory of the mean of gradients", ge=0, lt=1)
    beta2: float = field(0.99, "memory of their squares", ge=0, lt=1)
    epsilon: float = field(1e-8, "added to the root of the squares", gt=0)
    weight_decay: float = field(0.1, "pull towards zero, times the learning rate", ge=0)


class AdafactorConfig(Config):
    """Adafactor (arXiv 1804.04235): second moments by rows and columns, a fraction of Adam's memory."""

    kind: Literal["adafactor"] = "adafactor"
    learning_rate: float = field(1e-2, "at the schedule's peak; relative to each parameter's own size", gt=0)
    beta2_decay: float = field(-0.8, "the memory of squares grows as 1 - step^this", lt=0)
    clip_threshold: float = field(1.0, "the most an update's root mean square may be", gt=0)
    weight_decay: float = field(0.0, "pull towards zero, times the learning rate", ge=0)


class RMSpropConfig(Config):
    """RMSprop (Tieleman and Hinton 2012)."""

    kind: Literal["rmsprop"] = "rmsprop"
    learning_rate: float = field(1e-3, "at the schedule's peak", gt=0)
    alpha: float = field(0.99, "memory of squared gradients", ge=0, lt=1)
    epsilon: float = field(1e-8, "added to the root of the squares", gt=0)
    momentum: float = field(0.0, "share of the last update kept", ge=0, lt=1)
    weight_decay: float = field(0.0, "pull towards zero, added to the gradient", ge=0)


class LionConfig(Config):
    """Lion (arXiv 2302.06675): the sign of a momentum; wants 1/3 to 1/10 of AdamW's rate, 3 to 10 times its decay."""

    kind: Literal["lion"] = "lion"
    learning_rate: float = field(1e-4, "at the schedule's peak", gt=0)
    beta1: float = field(0.9, "weight of the momentum in the update", ge=0, lt=1)
    beta2: float = field(0.99, "memory of the momentum", ge=0, lt=1)
    weight_decay: float = field(1.0, "pull towards zero, times the learning rate", ge=0)


class MuonConfig(Config):
    """Muon (Jordan 2024; arXiv 2502.16982) for the hidden matrices, AdamW for everything else."""

    kind: Literal["muon"] = "muon"
    learning_rate: float = field(0.02, "of the matrices, at the schedule's peak", gt=0)
    momentum: float = field(0.95, "share of the last direction kept", ge=0, lt=1)
    nesterov: bool = field(True, "look ahead along the momentum")
    momentum_start: float = field(0.85, "momentum of the first update, if it warms up", ge=0, lt=1)
    momentum_warmup_steps: int = field(0, "updates over which momentum rises from its start; 0 = at once", ge=0)
    newton_schulz_steps: int = field(5, "iterations that make a matrix orthogonal", ge=1, le=12)
    coefficients: Literal["jordan", "polar_express"] = field(
        "jordan", "of each iteration: the same (Jordan 2024), or the best for its place (arXiv 2505.16932)"
    )
    newton_schulz_dtype: Literal["auto", "float32", "bfloat16"] = field(
        "auto", "precision of the iterations; auto: bfloat16 on a GPU, float32 elsewhere"
    )
    scale: Literal["spectral", "adamw"] = field(
        "spectral", "size of an update: sqrt(max(1, rows / columns)), or as large as AdamW's (0.2 x sqrt(larger side))"
    )
    weight_decay: float = field(0.0, "of the matrices: pull towards zero, times the learning rate", ge=0)
    rest: AdamWConfig = field(
        AdamWConfig(learning_rate=3e-3, weight_decay=0.0), "embeddings, head, norms, biases and scalars"
    )


class RateMultipliers(Config):
    """Factors on the learning rate by group of parameters."""

    matrices: float = field(1.0, "hidden matrices", ge=0)
    embeddings: float = field(1.0, "token, position and value embeddings (a tied head is the token embedding)", ge=0)
    tables: float = field(1.0, "hashed n-gram tables at the input", ge=0)
    head: float = field(1.0, "an untied head", ge=0)
    head_tables: float = field(1.0, "hashed n-gram tables at the head", ge=0)
    norms: float = field(1.0, "scales of norms", ge=0)
    biases: float = field(1.0, "biases", ge=0)
    scalars: float = field(1.0, "single learned numbers and vectors", ge=0)


class RowAdamConfig(Config):
    """Adam on the rows of a table that a step touched."""

    kind: Literal["adam"] = "adam"
    learning_rate: float = field(0.01, "at the schedule's peak", gt=0)
    beta1: float = field(0.0, "memory of the mean of gradients; 0 keeps no such memory", ge=0, lt=1)
    beta2: float = field(0.99, "memory of their squares", ge=0, lt=1)
    epsilon: float = field(1e-8, "added to the root of the squares", gt=0)


class RowAdagradConfig(Config):
    """Adagrad (Duchi et al. 2011) on the rows that a step touched: a row's rate falls with what it has learned."""

    kind: Literal["adagrad"] = "adagrad"
    learning_rate: float = field(0.1, "at the schedule's peak", gt=0)
    squares: Literal["row", "weight"] = field("row", "one sum of squares a row (their mean), or one a weight")
    epsilon: float = field(1e-10, "added to the root of the sum of squares", gt=0)


class ConstantConfig(Config):
    """Warm up, then stay."""

    kind: Literal["constant"] = "constant"
    warmup_share: float = field(0.02, "share of all steps the rate rises from nothing", ge=0, le=1)


class LinearConfig(Config):
    """Warm up, then fall in a straight line."""

    kind: Literal["linear"] = "linear"
    warmup_share: float = field(0.02, "share of all steps the rate rises from nothing", ge=0, le=1)
    floor: float = field(0.0, "the end, as a share of the peak", ge=0, le=1)


class CosineConfig(Config):
    """Warm up, then fall along half a cosine (arXiv 1608.03983)."""

    kind: Literal["cosine"] = "cosine"
    warmup_share: float = field(0.02, "share of all steps the rate rises from nothing", ge=0, le=1)
    floor: float = field(0.1, "the end, as a share of the peak", ge=0, le=1)


class WSDConfig(Config):
    """Warm up, stay, then fall in the last part: a run can be prolonged from its stable part (arXiv 2404.06395)."""

    kind: Literal["wsd"] = "wsd"
    warmup_share: float = field(0.02, "share of all steps the rate rises from nothing", ge=0, le=1)
    decay_share: float = field(0.3, "share of all steps, the last ones, in which it falls", ge=0, le=1)
    floor: float = field(0.0, "the end, as a share of the peak", ge=0, le=1)
    shape: Literal["linear", "sqrt"] = field("linear", "how it falls: straight, or 1 - sqrt (arXiv 2405.18392)")


OptimiserKind = Annotated[
    SGDConfig | AdamConfig | AdamWConfig | AdafactorConfig | RMSpropConfig | LionConfig | MuonConfig,
    Field(discriminator="kind"),
]
RowsKind = Annotated[RowAdamConfig | RowAdagradConfig, Field(discriminator="kind")]
ScheduleKind = Annotated[ConstantConfig | LinearConfig | CosineConfig | WSDConfig, Field(discriminator="kind")]


class OptimConfig(Config):
    """How weights move."""

    optimiser: OptimiserKind = field(AdamWConfig(), "the rule")
    schedule: ScheduleKind = field(CosineConfig(), "how the learning rate moves over the run")
    multipliers: RateMultipliers = field(RateMultipliers(), "learning rate by group of parameters")
    tables: RowsKind = field(RowAdamConfig(), "the rule for hashed n-gram tables at the input")
    head_tables: RowsKind = field(
        RowAdagradConfig(learning_rate=0.2, squares="weight"), "the rule for hashed n-gram tables at the head"
    )
    decay_embeddings: bool = field(False, "let weight decay pull on embeddings and an untied head too")
    clip_norm: float = field(1.0, "scale gradients down to this global norm; 0 = off", ge=0)
    average_decay: float = field(0.0, "memory of an exponential average of the weights; 0 = none", ge=0, lt=1)


def advice(config: OptimConfig) -> list[str]:
    """Warnings in plain words about choices that are legal and seldom wise."""
    said = []
    optimiser = config.optimiser
    if optimiser.kind == "sgd":
        said.append(
            "SGD trains Transformers badly: their parameters' gradients differ too much in scale for one learning "
            "rate (arXiv 2402.16788). It is here to be compared; adamw or muon is what you want."
        )
    if optimiser.kind in ("adam", "rmsprop") and optimiser.weight_decay:
        said.append(
            f"{optimiser.kind} adds weight decay to the gradient and then divides it by the gradient's size, so large "
            "gradients are hardly decayed (arXiv 1711.05101); adamw keeps the two apart."
        )
    if optimiser.kind == "lion" and optimiser.learning_rate > 1e-3:
        said.append(
            f"lion moves every weight by the full rate of {optimiser.learning_rate:g} at each step; "
            "it usually wants a third to a tenth of AdamW's rate (arXiv 2302.06675)."
        )
    if optimiser.kind == "muon" and optimiser.scale == "adamw" and optimiser.learning_rate > 5e-3:
        said.append(
            f'muon with scale = "adamw" takes rates as AdamW does; {optimiser.learning_rate:g} is meant for "spectral".'
        )
    if config.clip_norm == 0:
        said.append("clip_norm = 0: one bad batch can throw the weights far away.")
    return said
