"""What a model scores on a split: nats per token, perplexity, bits per byte, token accuracy, each with its interval.

    model, shards -> token_scores (each token once) -> summarise -> {"bits_per_byte": {value, low, high, n}, ...}

Start at `score`. Windows are read in order and every token is scored exactly once, the first one after an
end-of-document id. Tokens of one text rise and fall together, so standard errors are clustered (statistics.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from idiolect.data.batch import Batch
from idiolect.data.objectives.framing import Framing, plain_framing
from idiolect.data.windows import SequentialWindows
from idiolect.errors import DataError, NumericsError, RecipeError
from idiolect.evaluate.by_source import by_source
from idiolect.evaluate.figures import TokenScores, summarise
from idiolect.models.contract import place_of
from idiolect.progress import Progress

# Logits held at once: 2^24 float32 are 64 MB, however large the vocabulary or the batch.
HEAD_ENTRIES = 1 << 24

# Parts of a split as they are scored: positions, nats and hits of the same tokens.
Passes = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]


def score(
    model,
    shards,
    context_length: int,
    *,
    bytes_per_token=None,
    stride: int = 0,
    batch_tokens: int = 16_384,
    limit_tokens: int = 0,
    boundaries: str = "open",
    device=None,
    against: dict[str, np.ndarray] | None = None,
    progress: Progress | None = None,
    masks_per_pass: int = 1,
    carry_state: bool = False,
    framing: Framing | None = None,
    each: Callable[[TokenScores], None] | None = None,
) -> dict:
    """Score a model on a split's shards.

    `bytes_per_token` is the tokenizer's (V,) table; without it every token counts the split's mean bytes.
    `against` maps a floor's name to its nats of the whole split: each adds a paired difference and a verdict.
    `device` is an idiolect Device; None computes in float32 where the model is. What reads both sides is scored by
    pseudo-likelihood (pseudo.py), `masks_per_pass` tokens at a time: marked so, and not compared with any floor.
    `carry_state`: the model's state goes on from window to window, along a few streams (streams.py). `framing`: how a
    text is put to a model that reads a source (sources.py); None: the text is the source as it stands. `each` is given
    every token's price, for paired comparisons.
    Raises RecipeError for an impossible stride or model, NumericsError when a score is not finite.
    """
    scores = token_scores(
        model, shards, context_length, stride=stride, batch_tokens=batch_tokens, limit_tokens=limit_tokens,
        boundaries=boundaries, device=device, progress=progress, masks_per_pass=masks_per_pass,
        carry_state=carry_state, framing=framing,
    )  # fmt: skip
    if each is not None:
        each(scores)
    both, stride = model.reads == "both", stride or _overlapping(model, context_length)
    result = summarise(scores, shards, context_length, bytes_per_token, None if both else against)
    # Streams don't overlap: what a window would read twice, the state has read.
    stride = 0 if carry_state else stride
    if found := by_source(scores, shards, context_length, bytes_per_token):
        result["sources"] = found
    result["about"] |= {"context_length": context_length, "stride": stride or context_length}
    if model.reads == "source":
        framing = framing or plain_framing(context_length, shards.end_id)
        result["about"] |= {"stride": stride or framing.target_length, "source_length": framing.source_length}
    if both:
        result["about"] |= {"kind": "pseudo-likelihood", "masks_per_pass": masks_per_pass}
    if carry_state:
        result["about"]["state"] = "carried along streams, each begun one window early, unscored"
    return result


def token_scores(
    model,
    shards,
    context_length: int,
    *,
    stride: int = 0,
    batch_tokens: int = 16_384,
    limit_tokens: int = 0,
    boundaries: str = "open",
    device=None,
    progress: Progress | None = None,
    masks_per_pass: int = 1,
    carry_state: bool = False,
    framing: Framing | None = None,
) -> TokenScores:
    """Nats and hits of every token of the split (or of evenly spaced windows up to `limit_tokens`)."""
    check_request(model, shards, context_length, stride)
    where = device.torch if device is not None else place_of(model)
    n_rows = max(1, batch_tokens // context_length)
    if model.reads == "both":
        from idiolect.evaluate import pseudo  # it builds on this module

        windows = pseudo.PseudoWindows(shards, context_length, stride)
        samples = samples_of(windows, limit_tokens)
        passes = pseudo.pseudo_passes(model, windows, samples, n_rows, masks_per_pass, boundaries, where, device)
    elif model.reads == "source":
        from idiolect.evaluate import sources  # it builds on this module

        framing = framing or plain_framing(context_length, shards.end_id)
        windows = sources.SourceWindows(shards, framing, boundaries, stride)
        samples = samples_of(windows, limit_tokens)
        passes = sources.source_passes(model, windows, samples, n_rows, where, device)
    elif carry_state:
        from idiolect.evaluate import streams  # it builds on this module

        windows = SequentialWindows(shards, context_length, boundaries)
        samples = samples_of(windows, limit_tokens)
        passes = streams.stream_passes(model, windows, limit_tokens, where, device)
    else:
        windows = SequentialWindows(
            shards, context_length, boundaries, stride or _overlapping(model, context_length) or None
        )
        samples = samples_of(windows, limit_tokens)
        passes = window_passes(model, windows, samples, n_rows, where, device)
    total = min(shards.n_tokens, len(samples) * windows.stride)
    position, nats, right = [], [], []
    with evaluating(model), (progress or Progress.silent()).bar("scoring", total, "tokens") as bar:
        for position_N, nats_N, right_N in passes:
            for values, found in ((position, position_N), (nats, nats_N), (right, right_N)):
                values.append(found)
            bar.advance(len(nats_N))
    position_N, nats_N, right_N = (np.concatenate(parts) for parts in (position, nats, right))
    if carry_state:
        in_order = position_N.argsort()
        position_N, nats_N, right_N = position_N[in_order], nats_N[in_order], right_N[in_order]
    if not np.isfinite(nats_N).all():
        bad = position_N[~np.isfinite(nats_N)]
        raise NumericsError(
            f"{len(bad):,} of {len(nats_N):,} tokens have no finite loss, the first at {bad[0]:,}",
            why="the weights hold NaN or infinity, or the logits overflowed",
            fix="use an earlier checkpoint, or lower the learning rate",
        )
    return TokenScores(position_N, nats_N, right_N, model.vocabulary_size)


def _overlapping(model, context_length: int) -> int:
    """The stride at which an n-gram model sees all it can of what stands before each target; 0 for other families.

    Windows that begin from nothing cost a 5-gram 0.065 bits per byte of tiny-shakespeare at 64 characters each.
    """
    looks_back = getattr(model, "n_context", 0)
    return max(1, context_length + 1 - looks_back) if looks_back else 0


def window_passes(model, windows: SequentialWindows, samples: np.ndarray, n_rows: int, where, device) -> Passes:
    """Windows in order, each read from nothing."""
    for first in range(0, len(samples), n_rows):
        batch, position_N = read(windows, samples[first : first + n_rows])
        yield position_N, *score_batch(model, batch.to(where), device)


def check_request(model, shards, context_length: int, stride: int) -> None:
    """Raise RecipeError unless this model can be scored with these windows, DataError when there is nothing to."""
    if not shards.n_tokens:
        raise DataError(
            "the split has no tokens to score",
            why="no document fell into it",
            fix="give it a larger share of the documents, or add text",
        )
    if not 1 <= context_length <= model.context_length:
        raise RecipeError(
            f"windows of {context_length} tokens do not fit this model",
            why=f"it reads at most {model.context_length} positions",
            fix=f"--model.context_length={model.context_length}",
        )
    if not 0 <= stride <= context_length:
        raise RecipeError(
            f"evaluate.stride = {stride} is not between 0 and the context_length, {context_length}",
            why="a window cannot score more new tokens than it reads",
            fix=f"--evaluate.stride={context_length // 2}, or 0 for no overlap",
        )


def samples_of(windows: SequentialWindows, limit_tokens: int) -> np.ndarray:
    """Which windows are scored: all, or enough evenly spaced ones, the same at every call."""
    if not 0 < limit_tokens < windows.shards.n_tokens:
        return np.arange(windows.n_samples)
    n_kept = min(windows.n_samples, -(-limit_tokens // windows.stride))
    return np.linspace(0, windows.n_samples - 1, n_kept).round().astype(np.int64)


def read(windows: SequentialWindows, samples_B: np.ndarray) -> tuple[Batch, np.ndarray]:
    """The samples as one batch, and the position in the split of each scored target."""
    if samples_B[-1] - samples_B[0] == len(samples_B) - 1:
        batch = windows.batch(int(samples_B[0]), len(samples_B))
    else:
        rows = [windows.batch(int(sample), 1) for sample in samples_B]
        names = ("tokens_BT", "targets_BT", "loss_mask_BT", "document_BT")
        columns = {name: [getattr(row, name) for row in rows] for name in names}
        batch = Batch(**{name: None if parts[0] is None else torch.cat(parts) for name, parts in columns.items()})
    position_BT = samples_B[:, None] * windows.stride + np.arange(windows.context_length)
    return batch, position_BT[batch.loss_mask_BT.numpy()]


def score_batch(model, batch: Batch, device) -> tuple[np.ndarray, np.ndarray]:
    """Nats (float64) and hits of the scored targets, row by row; logits are made for a bounded slice at a time."""
    precision = device.autocast() if device is not None else contextlib.nullcontext()
    with torch.no_grad(), precision:
        hidden_ND = model(**batch.inputs())[0][batch.loss_mask_BT]
        targets_N = batch.targets_BT[batch.loss_mask_BT]
        if hasattr(model, "price"):
            nats_N, right_N = model.price(hidden_ND, targets_N)
            return nats_N.double().numpy(), right_N.numpy()
        nats, right = [], []
        for start in range(0, len(targets_N), max(1, HEAD_ENTRIES // model.vocabulary_size)):
            part = slice(start, start + max(1, HEAD_ENTRIES // model.vocabulary_size))
            logits_NV = model.head(hidden_ND[part]).float()
            nats.append(F.cross_entropy(logits_NV, targets_N[part], reduction="none").cpu())
            right.append((logits_NV.argmax(-1) == targets_N[part]).cpu())
    return torch.cat(nats).double().numpy(), torch.cat(right).numpy()


@contextlib.contextmanager
def evaluating(model) -> Iterator[None]:
    """Dropout off inside; every module's own mode back afterwards, also after an error."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
