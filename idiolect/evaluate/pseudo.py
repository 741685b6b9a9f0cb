"""What a model that reads both sides makes of a text: each token hidden in turn and guessed from all the others.

    ids      a b c d e f     scored with one mask a pass, exactly      _ b c d e f    a _ c d e f    ...   six passes
                             or with two far apart, nearly             _ b c _ e f    a _ c d _ f    ...   three

The sum is the pseudo-log-likelihood (Salazar et al. 2020, arXiv 1910.14659). It is no probability of the text: every
token is told what follows it, so its bits per byte are lower than any left reader's and must not be compared with
them, nor with floors. End tokens are never hidden in training and not scored here.

During training there is no time for that: `masked_score` takes the training objective itself on fixed masks.
"""

from __future__ import annotations

import numpy as np
import torch

from idiolect.data.batch import Batch
from idiolect.data.objectives import Objective
from idiolect.evaluate.figures import TokenScores, summarise
from idiolect.evaluate.score import Passes, evaluating, score_batch
from idiolect.models.contract import place_of

PSEUDO, MASKED = "pseudo-likelihood", "masked tokens"


class PseudoWindows:
    """Windows whose middle `stride` tokens are scored, each token of the split in one of them.

    With a stride below the context length every scored token has (context_length - stride) / 2 tokens or more on either
    side, where the split has them.
    """

    def __init__(self, shards, context_length: int, stride: int = 0):
        self.shards, self.stride = shards, stride or context_length
        self.width = min(context_length, shards.n_tokens)
        self.margin = (context_length - self.stride) // 2
        self.n_samples = -(-shards.n_tokens // self.stride)

    def read(self, samples_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids of each window (B, T), and the position in the split of its first token (B,)."""
        starts_B = np.clip(samples_B * self.stride - self.margin, 0, self.shards.n_tokens - self.width)
        ids_BT = np.empty((len(samples_B), self.width), np.int64)
        self.shards.rows(starts_B, self.width, ids_BT)
        return ids_BT, starts_B

    def scored(self, sample: int) -> tuple[int, int]:
        """First and last + 1 position in the split that a window scores."""
        return sample * self.stride, min((sample + 1) * self.stride, self.shards.n_tokens)


def pseudo_passes(
    model, windows: PseudoWindows, samples: np.ndarray, n_rows: int, masks_per_pass: int, boundaries: str, where, device
) -> Passes:
    """Each window's passes together, in the order of the text."""
    for sample in samples:
        batch, position_N = hidden_in_turn(model, windows, int(sample), masks_per_pass, boundaries)
        nats, right = [], []
        for first in range(0, len(batch), n_rows):
            part = score_batch(model, batch.slice(first, first + n_rows).to(where), device)
            nats.append(part[0])
            right.append(part[1])
        if len(position_N):
            order_N = np.argsort(position_N)
            yield position_N[order_N], np.concatenate(nats)[order_N], np.concatenate(right)[order_N]


def hidden_in_turn(
    model, windows: PseudoWindows, sample: int, masks_per_pass: int, boundaries: str
) -> tuple[Batch, np.ndarray]:
    """One row a pass over a window, and the position in the split of each hidden token, row by row."""
    ids_1T, starts_B = windows.read(np.array([sample]))
    ids_T, first = ids_1T[0], int(starts_B[0])
    begin, end = windows.scored(sample)
    place_N = np.arange(begin - first, end - first)
    place_N = place_N[ids_T[place_N] != windows.shards.end_id]
    # Token i of those scored is hidden in pass i modulo the number of passes: as far apart as they can be.
    n_passes = -(-len(place_N) // masks_per_pass)
    hidden_BT = np.zeros((n_passes, len(ids_T)), bool)
    hidden_BT[np.arange(len(place_N)) % max(1, n_passes), place_N] = True
    tokens_BT = np.where(hidden_BT, model.mask_id, ids_T)
    targets_BT = torch.from_numpy(ids_T).expand(n_passes, -1)
    document_BT = (targets_BT == windows.shards.end_id).cumsum(1) if boundaries == "masked" else None
    batch = Batch(torch.from_numpy(tokens_BT), targets_BT, torch.from_numpy(hidden_BT), document_BT)
    return batch, first + np.nonzero(hidden_BT)[1]


def masked_score(
    model, shards, objective: Objective, *, batch_tokens: int = 16_384, limit_tokens: int = 0, device=None
) -> dict:
    """Nats and hits of an objective's own targets on a split, in windows spread over it, with masks that never change.

    `objective` decides what is hidden from (its seed, the window's number): give the same at every call. The count of
    `limit_tokens` is of tokens read; a share of them is predicted.
    """
    where = device.torch if device is not None else place_of(model)
    width = objective.window
    n_samples = max(1, shards.n_tokens // width)
    n_kept = min(n_samples, -(-limit_tokens // width)) if limit_tokens else n_samples
    samples = np.linspace(0, n_samples - 1, n_kept).round().astype(np.int64)
    n_rows = max(1, batch_tokens // width)
    position, nats, right = [], [], []
    with evaluating(model):
        for first in range(0, n_kept, n_rows):
            samples_B = samples[first : first + n_rows]
            window_BW = torch.empty(len(samples_B), width, dtype=torch.int64)
            shards.rows(samples_B * width, width, window_BW.numpy())
            batch = objective.batch(window_BW, samples_B)
            nats_N, right_N = score_batch(model, batch.to(where), device)
            row_N, place_N = np.nonzero(batch.loss_mask_BT.numpy())
            # Of a split shorter than a window the ring's second turn is scored, too, at its own place.
            position.append((samples_B[row_N] * width + place_N) % shards.n_tokens)
            nats.append(nats_N)
            right.append(right_N)
    found = TokenScores(*map(np.concatenate, (position, nats, right)), model.vocabulary_size)
    result = summarise(found, shards, width)
    return {name: result[name] for name in ("nats", "token_accuracy", "about")} | {
        "about": result["about"] | {"kind": MASKED, "context_length": width}
    }
