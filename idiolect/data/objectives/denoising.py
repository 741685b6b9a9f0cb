"""A mixture of denoisers (UL2, arXiv 2205.05131, section 3.1): each sample is of one of three kinds.

    regular      short spans: 15 % of the tokens, 3 a span (T5's own)
    extreme      half of the tokens, 8 a span
    sequential   the first half is the source, the second the target

A token that names the kind opens the source, so that a prompt can say which is wanted: ids after the sentinels. UL2
mixes seven denoisers; these are one of each of its three kinds.
"""

import numpy as np
from torch import Tensor

from idiolect.data.batch import Batch
from idiolect.data.config import EXTREME_SPANS, REGULAR_SPANS, DenoisingObjective
from idiolect.data.objectives.pairs import Pairs, batch_of, empty_pairs, place
from idiolect.data.objectives.prefix import half, split_windows
from idiolect.data.objectives.span_corruption import Spans, check_window
from idiolect.data.order import uniform

N_KINDS = 3


class Denoising:
    """Windows of `context_length` tokens, all of them new; every token stands once in its source or target."""

    def __init__(
        self, config: DenoisingObjective, *, context_length: int, vocabulary_size: int, end_id: int, boundaries: str,
        seed: int, **_unused,
    ):  # fmt: skip
        check_window(context_length)
        self.window = self.stride = context_length
        self.first_sentinel, self.end_id, self.boundaries, self.seed = vocabulary_size, end_id, boundaries, seed
        self.cumulative = np.cumsum(config.weights) / sum(config.weights)
        self.spans = [Spans(context_length, *kind, random_lengths=True) for kind in (REGULAR_SPANS, EXTREME_SPANS)]
        self.n_chances = 1 + max(spans.n_chances for spans in self.spans)
        modes = mode_ids(config, context_length, vocabulary_size)
        self.modes: tuple[int | None, ...] = modes or (None,) * N_KINDS
        masked = boundaries == "masked"
        widths = [(context_length if masked else spans.source_length, spans.target_length) for spans in self.spans]
        widths.append((half(context_length), context_length - half(context_length)))
        used = [width for width, weight in zip(widths, config.weights, strict=True) if weight]
        self.source_length = max(n_source for n_source, _ in used) + bool(modes)
        self.target_length = max(n_target for _, n_target in used)

    def batch(self, window_BW: Tensor, sample_B: np.ndarray) -> Batch:
        window_BW, chance_BX = window_BW.numpy(), uniform(self.seed, sample_B, self.n_chances)
        kind_B = np.searchsorted(self.cumulative, chance_BX[:, 0], side="right").clip(max=N_KINDS - 1)
        pairs = empty_pairs(len(sample_B), self.source_length, self.target_length, self.end_id)
        for kind in range(N_KINDS):
            rows_b = (kind_B == kind).nonzero()[0]
            if len(rows_b):
                place(pairs, rows_b, self._pairs(kind, window_BW[rows_b], chance_BX[rows_b, 1:]), self.modes[kind])
        return batch_of(pairs, self.end_id, self.boundaries)

    def _pairs(self, kind: int, window_BW: np.ndarray, chance_BX: np.ndarray) -> Pairs:
        if kind < len(self.spans):
            return self.spans[kind].corrupt(window_BW, chance_BX, self.first_sentinel, self.end_id, self.boundaries)
        n_prefix = half(self.window)
        n_prefix_B = np.full(len(window_BW), n_prefix)
        return split_windows(window_BW, n_prefix_B, n_prefix, self.window - n_prefix, self.end_id)


def mode_ids(config: DenoisingObjective, context_length: int, vocabulary_size: int) -> tuple[int, ...]:
    """The ids that name regular, extreme and sequential; none when the recipe has no mode tokens."""
    if not config.mode_tokens:
        return ()
    first = vocabulary_size + config.n_extra_ids(context_length) - N_KINDS
    return tuple(range(first, first + N_KINDS))
