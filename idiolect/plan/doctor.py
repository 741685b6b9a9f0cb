"""Reads a whole recipe's numbers before an hour is spent on them: findings with a severity and what to type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from idiolect.config import Config
from idiolect.models.config import GPTConfig, NGramConfig
from idiolect.models.measure import parameters
from idiolect.optim.config import OptimConfig, advice
from idiolect.plan import memory
from idiolect.plan.smaller import smaller
from idiolect.progress import show_count
from idiolect.train.config import TrainConfig

# Rates beyond which training diverged or crawled in published small-model sweeps; a wide band on purpose.
RATES = {
    "adamw": (3e-5, 2e-2),
    "adam": (3e-5, 2e-2),
    "muon": (2e-3, 1e-1),
    "lion": (5e-6, 2e-3),
    "sgd": (1e-3, 1.0),
    "rmsprop": (1e-5, 1e-2),
    "adafactor": (1e-4, 1e-1),
}

# nanoGPT's recipe for tiny-shakespeare has 10 parameters a token, and is over-sized; the law's own count saturates at 3
# (equation 6 of arXiv 2305.16264, at the planner's two tokens a parameter).
MOST_PARAMETERS_A_TOKEN = 15


@dataclass(frozen=True)
class Finding:
    """`stop` will fail, `warn` will disappoint, `note` is worth knowing."""

    severity: Literal["stop", "warn", "note"]
    about: str
    says: str
    try_: str = ""

    def line(self) -> str:
        return f"{self.severity}: {self.says}" + (f"\n  try: {self.try_}" if self.try_ else "")


def examine(
    model: Config,
    train: TrainConfig,
    optim: OptimConfig,
    vocabulary_size: int,
    unique_tokens: float,
    free_memory_bytes: float,
    free_disk_bytes: float,
    device: str = "cpu",
    dtype: str = "float32",
    objective: Config | None = None,
) -> list[Finding]:
    """Every finding, the gravest first; an empty list means nothing to say."""
    if isinstance(model, NGramConfig):  # counts its text once: batches, rates and steps are nothing to it
        return sightings(vocabulary_size, unique_tokens)
    found = [
        *windows(model, train),
        *(proportions(model) if isinstance(model, GPTConfig) else []),
        *rates(optim),
        *data(model, train, vocabulary_size, unique_tokens),
        *resources(model, train, optim, vocabulary_size, free_memory_bytes, free_disk_bytes, device, dtype, objective),
    ]
    order = {"stop": 0, "warn": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def windows(model: Config, train: TrainConfig) -> list[Finding]:
    """Whether batches are whole windows."""
    found = []
    if train.batch_tokens < model.context_length:
        found.append(
            Finding(
                "stop",
                "train.batch_tokens",
                f"a batch of {train.batch_tokens:,} tokens can't hold one window of {model.context_length:,}",
                f"--train.batch_tokens={model.context_length}",
            )
        )
    elif train.batch_tokens % model.context_length:
        whole = train.batch_tokens // model.context_length * model.context_length
        found.append(
            Finding(
                "warn",
                "train.batch_tokens",
                f"{train.batch_tokens:,} tokens are not whole windows of {model.context_length:,}",
                f"--train.batch_tokens={whole}",
            )
        )
    return found


def proportions(model: GPTConfig) -> list[Finding]:
    """A GPT's depth against its width, and the width of its heads."""
    found = []
    aspect = model.d_model / model.n_layers
    if aspect < 16 or aspect > 256:
        found.append(
            Finding(
                "warn",
                "model.n_layers",
                f"{model.n_layers} layers of {model.d_model} channels are far from the "
                "usual 32 to 128 channels a layer (arXiv 2001.08361: shape matters little in between)",
                f"--model.n_layers={max(3, round(model.d_model / 64))}",
            )
        )
    if model.resolved_d_head < 16 or model.resolved_d_head > 256:
        heads = max(1, model.d_model // 64)
        while model.d_model % heads:
            heads -= 1
        found.append(
            Finding(
                "warn",
                "model.n_heads",
                f"heads of {model.resolved_d_head} channels are unusual: below 16 they "
                "can't tell positions apart, above 256 kernels slow down",
                f"--model.n_heads={heads}",
            )
        )
    return found


def rates(optim: OptimConfig) -> list[Finding]:
    """Learning rates out of any known range, and what the optimiser's own room advises."""
    low, high = RATES[optim.optimiser.kind]
    rate, found = optim.optimiser.learning_rate, []
    if not low <= rate <= high:
        what = "likely to diverge" if rate > high else "likely to crawl"
        found.append(
            Finding(
                "warn",
                "optim.optimiser.learning_rate",
                f"{optim.optimiser.kind} at {rate:g} is {what}: {low:g} to {high:g} is usual",
                f"--optim.optimiser.learning_rate={(low * high) ** 0.5:.1g}",
            )
        )
    return found + [Finding("note", "optim", said) for said in advice(optim)]


def data(model: Config, train: TrainConfig, vocabulary_size: int, unique_tokens: float) -> list[Finding]:
    """Epochs, vocabulary and dropout against the amount of text."""
    found = []
    if unique_tokens < model.context_length:
        return [
            Finding(
                "stop",
                "corpus",
                f"the training split has {unique_tokens:,.0f} tokens, less than one window of {model.context_length:,}",
                "more --text, or a smaller --model.context_length",
            )
        ]
    found += size(model, vocabulary_size, unique_tokens)
    epochs = train.steps * train.batch_tokens / unique_tokens
    if epochs > 16:
        steps = max(1, int(16 * unique_tokens / train.batch_tokens))
        found.append(
            Finding(
                "warn",
                "train.steps",
                f"the text will be read {epochs:.0f} times; after about 16 nothing is gained (arXiv 2305.16264)",
                f"--train.steps={steps}, more text, or --train.patience=3",
            )
        )
    elif epochs > 4:
        found.append(
            Finding(
                "note",
                "train.steps",
                f"the text will be read {epochs:.1f} times; up to about 4 is nearly as "
                "good as fresh text (arXiv 2305.16264)",
            )
        )
    if epochs > 8 and not _drops(model):
        found.append(
            Finding(
                "note", "model.dropout", f"{epochs:.0f} epochs without dropout invite memorising", "--model.dropout=0.1"
            )
        )
    return found + sightings(vocabulary_size, unique_tokens)


def size(model: Config, vocabulary_size: int, unique_tokens: float) -> list[Finding]:
    """Whether the text is far too little for so many parameters."""
    n = parameters(model, vocabulary_size)["total"]
    if n <= MOST_PARAMETERS_A_TOKEN * unique_tokens:
        return []
    return [
        Finding(
            "warn",
            "model.d_model",
            f"{show_count(n)} parameters are {n / unique_tokens:.0f} for each token of the text: a smaller model "
            "learns as much from it, in a fraction of the time (arXiv 2305.16264, equation 6)",
            smaller(model, vocabulary_size, unique_tokens),
        )
    ]


def sightings(vocabulary_size: int, unique_tokens: float) -> list[Finding]:
    """Whether the text shows each entry of the vocabulary often enough."""
    found = []
    if unique_tokens < 100 * vocabulary_size:
        size = max(256, 2 ** int(unique_tokens / 100).bit_length() // 2)
        found.append(
            Finding(
                "warn",
                "tokenizer.vocabulary_size",
                f"{unique_tokens:,.0f} tokens show each of {vocabulary_size:,} "
                f"entries {unique_tokens / vocabulary_size:.0f} times on average: too few to learn them",
                f"--tokenizer.vocabulary_size={size}",
            )
        )
    return found


def _drops(model: Config) -> bool:
    """Whether any kind of dropout is on, or the family has none (an n-gram model)."""
    shares = [getattr(model, name) for name in type(model).model_fields if "dropout" in name]
    return any(shares) or not shares


def resources(
    model: Config,
    train: TrainConfig,
    optim: OptimConfig,
    vocabulary_size: int,
    free_memory: float,
    free_disk: float,
    device: str,
    dtype: str,
    objective: Config | None = None,
) -> list[Finding]:
    """Memory and disk against what is free."""
    found = []
    at_once = train.micro_batch_tokens or train.batch_tokens
    if model.kind == "ngram":
        return []  # it counts, and refuses by itself what doesn't fit
    held = memory.training_memory(model, vocabulary_size, at_once, optim, device, dtype, objective)
    if held["resident"] > free_memory:
        fix = (
            "a smaller --model.d_model"
            if at_once <= model.context_length
            else (f"--train.micro_batch_tokens={max(model.context_length, at_once // 4)}")
        )
        found.append(
            Finding(
                "stop",
                "memory",
                f"training needs about {held['resident'] / 1e9:.1f} GB and {free_memory / 1e9:.1f} GB are free",
                fix,
            )
        )
    elif held["resident"] > 0.8 * free_memory:
        found.append(
            Finding(
                "warn",
                "memory",
                f"training needs about {held['resident'] / 1e9:.1f} GB of the {free_memory / 1e9:.1f} GB free",
                "--train.micro_batch_tokens, half of what it is",
            )
        )
    # The newest ones, the best, and the one being written beside them.
    checkpoints = (train.keep + 2) * (held["weights"] + held["moments"])
    if checkpoints > free_disk:
        found.append(
            Finding(
                "stop",
                "disk",
                f"{train.keep + 2} checkpoints take {checkpoints / 1e9:.1f} GB and {free_disk / 1e9:.1f} GB are free",
                "--train.keep=1, or --runs=/another/disk/runs",
            )
        )
    return found


def as_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings for `--json`."""
    return [{key.rstrip("_"): value for key, value in asdict(finding).items()} for finding in findings]
