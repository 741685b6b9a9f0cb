"""Where each epoch cuts a ring of tokens into samples, and in which order: computed for any sample, stored for none."""

import numpy as np

from idiolect.data.order import permuted, random_number

_BLOCK = 4096  # samples whose order is worked out at once: one by one, numpy's calls would cost more than the batch


class Cuts:
    """Samples of `stride` tokens from a ring of `n_tokens`, epoch after epoch, each cut at another random place.

    Where sample i begins is a pure function of (seed, i). Without `shuffle` every epoch reads on from the beginning.
    """

    def __init__(self, n_tokens: int, stride: int, seed: int = 0, shuffle: bool = True):
        self.n_tokens, self.stride, self.seed, self.shuffle = n_tokens, stride, seed, shuffle
        self.n_samples = max(1, n_tokens // stride)
        self._known: tuple[tuple[int, int], np.ndarray] | None = None

    def starts(self, first: int, count: int) -> np.ndarray:
        """Starts of the samples [first, first + count) of the endless sequence of epochs."""
        parts, done = [], 0
        while done < count:
            epoch, index = divmod(first + done, self.n_samples)
            block, offset = divmod(index, _BLOCK)
            part = self.block(epoch, block)[offset : offset + count - done]
            parts.append(part)
            done += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def starts_of(self, sample_B: np.ndarray) -> np.ndarray:
        """Starts of any samples."""
        starts_B, epoch_B = np.empty_like(sample_B), sample_B // self.n_samples
        for epoch in np.unique(epoch_B).tolist():
            here = epoch_B == epoch
            starts_B[here] = self._in_epoch(epoch, sample_B[here] - epoch * self.n_samples)
        return starts_B

    def block(self, epoch: int, block: int) -> np.ndarray:
        """Starts of the epoch's samples [block, block + 1) * _BLOCK; the last answer is kept for the next batch."""
        if self._known is None or self._known[0] != (epoch, block):
            index = np.arange(block * _BLOCK, min(self.n_samples, (block + 1) * _BLOCK))
            self._known = (epoch, block), self._in_epoch(epoch, index)
        return self._known[1]

    def _in_epoch(self, epoch: int, index: np.ndarray) -> np.ndarray:
        if not self.shuffle:
            return index * self.stride
        phase = random_number(self.seed, epoch, self.n_tokens)
        return phase + permuted(index, self.n_samples, self.seed, epoch) * self.stride

    def left(self, samples: int) -> int:
        """Tokens that the epochs finished by so many samples left over, each less than a sample."""
        return (samples // self.n_samples) * (self.n_tokens - self.n_samples * self.stride)
