"""What an encoder-decoder makes of a text: a true probability, each token predicted from those before it.

    split      a b c d e f g h |        source  c d         (the tokens before)
                                        targets     e f     (the next ones, the first of them from an end token)

The split is cut into blocks of targets; each block's source is the text that stands before it, framed as the model's
objective has taught it (`data/objectives/framing.py`). By the chain rule the blocks' probabilities multiply to that of
the whole text, so bits per byte compare with any other family's. A model that has only learned to fill gaps is asked
for something else here than it was trained for: its figure is a probability, but says little of what it has learned.
`objective_score` says that: nats per target of the training objective, which are no probability of the text.
"""

import numpy as np
import torch

from idiolect.data.batch import Batch
from idiolect.data.objectives import Objective
from idiolect.data.objectives.framing import Framing
from idiolect.data.objectives.pairs import documents_of
from idiolect.data.windows import SequentialWindows
from idiolect.errors import RecipeError
from idiolect.evaluate.score import Passes, evaluating, score_batch
from idiolect.evaluate.statistics import ratio_interval
from idiolect.models.contract import place_of


class SourceWindows:
    """Blocks of a split's tokens as targets, in order, every token counted once, with what stands before as source.

    Raises RecipeError when a stride is asked for that is longer than a block.
    """

    def __init__(self, shards, framing: Framing, boundaries: str = "open", stride: int = 0):
        if stride > framing.target_length:
            raise RecipeError(
                f"evaluate.stride = {stride} is more than the {framing.target_length} tokens that the decoder writes",
                why="a window is parted into a source and targets, and only targets can be scored",
                fix=f"--evaluate.stride={framing.target_length}, or 0 for no overlap",
            )
        self.targets = SequentialWindows(shards, framing.target_length, boundaries, stride or None)
        self.shards, self.framing, self.is_masked = shards, framing, boundaries == "masked"
        self.n_samples, self.stride = self.targets.n_samples, self.targets.stride

    def batch(self, samples_B: np.ndarray) -> tuple[Batch, np.ndarray]:
        """These samples as a batch, and the place in the split of each target that counts."""
        rows = [self.targets.batch(int(sample), 1) for sample in samples_B]
        targets_BT = torch.cat([row.targets_BT for row in rows]).numpy()
        counts_BT = torch.cat([row.loss_mask_BT for row in rows]).numpy()
        first_B = samples_B * self.stride
        source_BS, n_source_B = self._before(first_B)
        document_BX = documents_of(np.concatenate((source_BS, targets_BT), axis=1), self.shards.end_id)
        source_document_BS, document_BT = np.split(document_BX, [source_BS.shape[1]], axis=1)
        source_BS, mask_BS, source_document_BS = self._framed(
            source_BS, n_source_B, source_document_BS, document_BT[:, 0]
        )
        tokens_BT, n_start = self._inputs(targets_BT, document_BT)
        pad = ((0, 0), (n_start - 1, 0))
        batch = Batch(
            torch.from_numpy(tokens_BT),
            torch.from_numpy(np.pad(targets_BT, pad)),
            torch.from_numpy(np.pad(counts_BT, pad)),
            torch.from_numpy(np.pad(document_BT, pad, mode="edge")) if self.is_masked else None,
            source_BS=torch.from_numpy(source_BS),
            source_mask_BS=None if mask_BS.all() else torch.from_numpy(mask_BS),
            source_document_BS=torch.from_numpy(source_document_BS) if self.is_masked else None,
        )
        return batch, (first_B[:, None] + np.arange(targets_BT.shape[1]))[counts_BT]

    def _before(self, first_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens before each place, flush right, and how many of them there are."""
        n = self.framing.source_length
        source_BS = np.empty((len(first_B), n), np.int64)
        # The row of tokens is a ring: what it gives before the split's first token is not used.
        self.shards.rows(first_B - n, n, source_BS)
        return source_BS, np.minimum(first_B, n)

    def _framed(
        self, source_BS: np.ndarray, n_source_B: np.ndarray, document_BS: np.ndarray, first_document_B: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sources flush left between what the framing puts before and after them, their mask and their documents."""
        framing, (n_rows, n) = self.framing, source_BS.shape
        before, after = len(framing.before), len(framing.after)
        framed_BS = np.full((n_rows, before + n + after), self.shards.end_id, np.int64)
        numbers_BS = np.broadcast_to(first_document_B[:, None], framed_BS.shape).copy()
        at_BS = np.minimum(np.arange(n) + (n - n_source_B)[:, None], n - 1)
        is_text_BS = np.arange(n) < n_source_B[:, None]
        framed_BS[:, before : before + n][is_text_BS] = np.take_along_axis(source_BS, at_BS, 1)[is_text_BS]
        numbers_BS[:, before : before + n][is_text_BS] = np.take_along_axis(document_BS, at_BS, 1)[is_text_BS]
        # A source must hold something: before a split's first token stands what opens a document.
        n_text_B = np.maximum(n_source_B, 1)
        framed_BS[:, :before] = framing.before
        numbers_BS[:, :before] = numbers_BS[:, before : before + 1]
        places_BA = before + n_text_B[:, None] + np.arange(after)
        np.put_along_axis(framed_BS, places_BA, np.broadcast_to(framing.after, places_BA.shape), 1)
        np.put_along_axis(numbers_BS, places_BA, np.broadcast_to(first_document_B[:, None], places_BA.shape), 1)
        return framed_BS, np.arange(framed_BS.shape[1]) < (before + n_text_B + after)[:, None], numbers_BS

    def _inputs(self, targets_BT: np.ndarray, document_BT: np.ndarray) -> tuple[np.ndarray, int]:
        """What the decoder reads: the framing's start, then each target a step late."""
        n_start = len(self.framing.start)
        tokens_BT = np.full((len(targets_BT), n_start - 1 + targets_BT.shape[1]), self.shards.end_id, np.int64)
        tokens_BT[:, :n_start] = self.framing.start
        tokens_BT[:, n_start:] = targets_BT[:, :-1]
        if self.is_masked:
            begins_BT = document_BT[:, 1:] != document_BT[:, :-1]
            tokens_BT[:, n_start:][begins_BT] = self.shards.end_id
        return tokens_BT, n_start


def source_passes(model, windows: SourceWindows, samples: np.ndarray, n_rows: int, where, device) -> Passes:
    """Blocks in order, each with its source."""
    for first in range(0, len(samples), n_rows):
        batch, position_N = windows.batch(samples[first : first + n_rows])
        yield position_N, *score_batch(model, batch.to(where), device)


def objective_score(
    model, shards, objective: Objective, *, batch_tokens: int = 16_384, limit_tokens: int = 0, device=None
) -> dict:
    """Nats and hits per target of a training objective, in windows spread over a split, drawn the same at every call.

    Its sentinels are priced with the text: there are no bits per byte of this. The objective's seed decides what is
    drawn; `limit_tokens` is of tokens read.
    """
    where, width = device.torch if device is not None else place_of(model), objective.window
    n_samples = max(1, shards.n_tokens // width)
    n_kept = min(n_samples, -(-limit_tokens // width)) if limit_tokens else n_samples
    samples = np.linspace(0, n_samples - 1, n_kept).round().astype(np.int64)
    n_rows = max(1, batch_tokens // width)
    parts = []
    with evaluating(model):
        for first in range(0, n_kept, n_rows):
            samples_B = samples[first : first + n_rows]
            window_BW = torch.empty(len(samples_B), width, dtype=torch.int64)
            shards.rows(samples_B * width, width, window_BW.numpy())
            batch = objective.batch(window_BW, samples_B)
            row_N = first + np.nonzero(batch.loss_mask_BT.numpy())[0]
            parts.append((row_N, *score_batch(model, batch.to(where), device)))
    row_N, nats_N, right_N = (np.concatenate(values) for values in zip(*parts, strict=True))
    n_R, n = np.bincount(row_N, minlength=n_kept), len(row_N)
    return {
        "nats": ratio_interval(np.bincount(row_N, nats_N, n_kept), n_R, n),
        "token_accuracy": ratio_interval(np.bincount(row_N, right_N, n_kept), n_R, n),
        "about": {"windows": n_kept, "targets": n, "context_length": width},
    }
