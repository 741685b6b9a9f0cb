"""A budget in time, money or operations, and a corpus -> model size, tokens, batch, learning rate, steps.

The choice minimises one published formula over a ladder of sizes: the data-constrained law of Muennighoff et al. 2023
(arXiv 2305.16264), which extends Chinchilla's (arXiv 2203.15556) to text that is read more than once:

    loss(N, D) = E + A / N'^a + B / D'^b
    D' = U + U R (1 - exp(-(epochs - 1) / R)),  R = 15.4    repeats count less and less; after ~4 they are nearly
                                                            as good as fresh, near 16 their value is gone
    N' = the same for parameters beyond what U unique tokens support, with R = 5.3

Its constants were fitted to models from 7 M parameters on; below that it only ranks sizes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from idiolect.errors import RecipeError
from idiolect.models import measure
from idiolect.models.config import GPTConfig
from idiolect.optim.config import AdamWConfig, MuonConfig, OptimConfig
from idiolect.plan import count, memory
from idiolect.plan.repetition import Draw, breadth, effective_tokens, one_text, worth
from idiolect.progress import show_seconds

# Tokens per parameter that the law calls balanced at one epoch. Chinchilla's 20 and nanochat's measured 10.5 (Muon,
# ReLU^2) hold for 100 M parameters and more; for runs of minutes nothing is published, and nanoGPT's CPU recipe reads
# 1.9.
# 2 is the house's choice for now: a ladder of runs of our own (docs/log.md) is to replace it.
TOKENS_PER_PARAMETER = 2.0
# Exponent and B from arXiv 2305.16264, appendix A (alpha = beta there, so A follows from the ratio above).
LAW_B, LAW_EXPONENT = 1488.0, 0.353
LAW_A = LAW_B * TOKENS_PER_PARAMETER**-LAW_EXPONENT
# Sizes whose law differs by less than this are not told apart, and the smallest of them is the cheapest to use.
CLOSE = 0.003
REPEAT_PARAMETERS = 5.309743
MOST_EPOCHS = 16.0
LEAST_STEPS = 200
# Unique bytes up to which a vocabulary pays, and bytes per token of byte-level BPE measured on held-out WikiText-2
# (n = 1 text of 1.1 MB, tokenizer trained on its 10.8 MB training split; 512: 2.09, 1,024: 2.59).
VOCABULARIES = ((700_000, 1024, 2.59), (2_500_000, 2048, 3.06), (30_000_000, 4096, 3.49), (150_000_000, 8192, 3.91),
                (1_000_000_000, 16384, 4.23), (math.inf, 32768, 4.4))  # fmt: skip
MEASURED = ((256, 1.0), (512, 2.09), *(pair for _, *pair in VOCABULARIES))
UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
CURRENCIES = ("usd", "eur", "gbp", "chf", "jpy", "inr")


@dataclass(frozen=True)
class Budget:
    """What may be spent: `kind` is seconds, money or flops."""

    kind: str
    amount: float
    currency: str = ""
    text: str = ""


def parse_budget(text: str) -> Budget:
    """`10m`, `2h`, `1.5d`, `50usd`, `1e18flops` as a Budget. Raises RecipeError for anything else."""
    match = re.fullmatch(r"\s*([0-9][0-9_]*\.?[0-9]*(?:e[+-]?[0-9]+)?)\s*([a-z$]+)\s*", str(text).lower())
    unit = match[2] if match else ""
    amount = float(match[1].replace("_", "")) if match else 0.0
    known = {unit: ("seconds", amount * UNITS[unit], "")} if unit in UNITS else {}
    if unit in CURRENCIES or unit == "$":
        known[unit] = ("money", amount, "usd" if unit == "$" else unit)
    if unit in ("flop", "flops"):
        known[unit] = ("flops", amount, "")
    if not match or unit not in known or not 0 < amount < math.inf:
        raise RecipeError(
            f'a budget can\'t be "{text}"',
            why="a budget is a number above zero with a unit: time (s, m, h, d), money (usd, eur, ...) or flops",
            fix="--budget 10m, --budget 2h, --budget 50usd, or --budget 1e18flops",
        )
    kind, value, currency = known[unit]
    return Budget(kind, value, currency, str(text).strip())


def budget_seconds(budget: Budget, flops_per_second: float, price_per_hour: float, currency: str) -> float:
    """The wall time a budget buys on this machine. Raises RecipeError for money without a price."""
    if budget.kind == "seconds":
        return budget.amount
    if budget.kind == "flops":
        return budget.amount / flops_per_second
    if not price_per_hour or budget.currency != currency:
        raise RecipeError(
            f"{budget.text} buys nothing that can be reckoned",
            why=f"no price of an hour of this machine is known in {budget.currency}",
            fix=f"--plan.price_per_hour=2.5 --plan.currency={budget.currency}, or a budget in time",
        )
    return 3600 * budget.amount / price_per_hour


def vocabulary_for(unique_bytes: float) -> tuple[int, float]:
    """(vocabulary size, expected bytes per token) for this much text."""
    return next((size, per_token) for most, size, per_token in VOCABULARIES if unique_bytes <= most)


def bytes_per_token(vocabulary: int) -> float:
    """Expected of byte-level BPE with a vocabulary of this size, read between the measured ones; 1 for bytes alone."""
    sizes, expected = zip(*MEASURED, strict=True)
    return float(np.interp(math.log2(vocabulary), np.log2(sizes), expected))


def effective_parameters(parameters: float, unique: float) -> float:
    """Parameters beyond what the unique tokens support count less and less (the same paper, equation 6)."""
    supported = unique / TOKENS_PER_PARAMETER
    if parameters <= supported:
        return parameters
    return supported * (1 + REPEAT_PARAMETERS * (1 - math.exp(-(parameters / supported - 1) / REPEAT_PARAMETERS)))


def reducible(parameters: float, tokens: float, unique: float) -> float:
    """The part of the law's loss that size and data can lower, in nats per token of its own tokenizer."""
    return law_of(parameters, effective_tokens(tokens, unique), unique)


def law_of(parameters: float, fresh: float, unique: float) -> float:
    """The same of a run whose tokens are worth so many fresh ones, `unique` different ones among them."""
    return LAW_A / effective_parameters(parameters, unique) ** LAW_EXPONENT + LAW_B / fresh**LAW_EXPONENT


@dataclass(frozen=True)
class Choice:
    """One size under the budget: what it would read, and what the law says of it."""

    model: GPTConfig
    parameters: int
    flops_per_token: int
    tokens_per_second: float
    tokens: int
    epochs: float
    batch_tokens: int
    micro_batch_tokens: int
    steps: int
    seconds: float
    memory_bytes: int
    law: float


def optim_for(flops: float) -> OptimConfig:
    """Muon with the usual rate for matrices; AdamW's rate for the rest from arXiv 2401.02954, table 1 (DeepSeek)."""
    rate = float(f"{min(6e-3, max(2e-4, 0.3118 * flops**-0.125)):.1e}")
    return OptimConfig(optimiser=MuonConfig(rest=AdamWConfig(learning_rate=rate, weight_decay=0.0)))


def batch_for(flops: float, tokens: float, context_length: int) -> int:
    """Tokens a step: 0.292 C^0.327 (arXiv 2401.02954), a power of two, small enough for a thousand steps.

    One window at least, so that a long context and little text can leave fewer steps.
    """
    wanted, most = round(math.log2(0.2920 * flops**0.3271)), math.floor(math.log2(max(1.0, tokens / 1000)))
    return max(context_length, 2 ** max(0, min(wanted, most)))


def micro_batch(model: GPTConfig, vocabulary: int, batch: int, optim: OptimConfig, limit: float, device: str,
                dtype: str) -> tuple[int, int]:  # fmt: skip
    """The largest micro-batch under the memory limit, and its bytes; (0, bytes) when not even one row fits."""
    rows = batch // model.context_length
    while True:
        held = memory.training_memory(model, vocabulary, rows * model.context_length, optim, device, dtype)["resident"]
        if held <= limit:
            return rows * model.context_length, held
        if rows == 1:
            return 0, held
        rows = max(1, rows // 2)


def options(
    seconds: float,
    unique_tokens: float,
    vocabulary: int,
    context_length: int,
    flops_per_second: Callable[[GPTConfig], float],
    memory_bytes: float,
    device: str = "cpu",
    dtype: str = "float32",
    draw: Draw | None = None,
    most_tokens: float = math.inf,
) -> list[Choice]:
    """Every size on the ladder that fits time and memory, with what it would reach; deterministic in its arguments.

    `draw` says what a run reads of each source of a mixture, which gives `most_tokens` at most.
    """
    found = []
    for model in count.ladder(context_length):
        parameters = measure.parameters(model, vocabulary)["total"]
        per_token = measure.flops_per_token(model, vocabulary)["training"]
        speed = flops_per_second(model) / per_token
        tokens = min(seconds * speed, MOST_EPOCHS * unique_tokens, most_tokens)
        batch = batch_for(tokens * per_token, tokens, context_length)
        steps = int(tokens // batch)
        if steps < LEAST_STEPS:
            continue
        optim = optim_for(tokens * per_token)
        micro, held = micro_batch(model, vocabulary, batch, optim, memory_bytes, device, dtype)
        if not micro:
            continue
        tokens = steps * batch
        rows = (draw or one_text(unique_tokens))(tokens)
        wide = breadth(rows)
        found.append(Choice(model, parameters, per_token, speed, tokens, tokens / wide, batch, micro, steps,
                            tokens / speed, held, law_of(parameters, worth(rows), wide)))  # fmt: skip
    return found


def choose(found: list[Choice], seconds: float, unique_tokens: float, least_seconds: float = 0.0) -> Choice:
    """The best of the options. Raises RecipeError naming what is too small when there is none.

    `least_seconds` is the training that the smallest model needs.
    """
    if not found and seconds < least_seconds:
        raise RecipeError(
            f"nothing can be trained in {show_seconds(seconds)} here",
            why=f"the smallest model of the ladder needs {show_seconds(least_seconds)} of training for its "
            f"{LEAST_STEPS} steps, as fast as this machine is now",
            fix=f"--budget {math.ceil(1.5 * least_seconds)}s, or a recipe of your own choice with "
            "--train.budget_seconds, or an n-gram model, which only counts: --model.kind=ngram",
        )
    if not found:
        raise RecipeError(
            f"nothing can be trained on {unique_tokens:,.0f} tokens here",
            why=f"{MOST_EPOCHS:.0f} passes over them are fewer than {LEAST_STEPS} steps of the smallest model of the "
            "ladder, or it needs more memory than is free",
            fix="more --text, --plan.context_length=64, or  idiolect finetune  an existing model",
        )
    best = min(one.law for one in found)
    return min((one for one in found if one.law <= best * (1 + CLOSE)), key=lambda one: one.parameters)


def least_seconds(vocabulary: int, context_length: int, flops_per_second: Callable[[GPTConfig], float]) -> float:
    """What the fewest steps of the ladder's smallest model take, a window each."""
    model = count.ladder(context_length)[0]
    flops = LEAST_STEPS * context_length * measure.flops_per_token(model, vocabulary)["training"]
    return flops / flops_per_second(model)
