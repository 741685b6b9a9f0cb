"""How long documents are, and what their ends cost.

`share[s]` is the probability of size s, `end[s]` that a document which has got to size s ends there: the hazard
share[s] / (share[s] + share[s + 1] + ...). A size counts symbols, or a copied word's symbols, or an induction's pairs.
"""

from dataclasses import dataclass

import numpy as np

from idiolect.config import Config


@dataclass(frozen=True)
class Sizes:
    """A distribution of sizes 0..most; size 0 has probability 0."""

    share: np.ndarray

    @property
    def most(self) -> int:
        return len(self.share) - 1

    @property
    def left(self) -> np.ndarray:
        """P(size >= s)."""
        return np.cumsum(self.share[::-1])[::-1]

    @property
    def end(self) -> np.ndarray:
        """P(size = s | size >= s); 1 at the longest."""
        hazard = np.divide(self.share, self.left, out=np.zeros_like(self.share), where=self.left > 0)
        hazard[-1] = 1.0
        return hazard

    def nats(self, size: int) -> np.ndarray:
        """(size + 1,): the price of going on at sizes 0..size - 1, then of ending at `size`."""
        with np.errstate(divide="ignore"):
            found = -np.log1p(-self.end[: size + 1])
            found[size] = -np.log(self.end[size])
        return found + 0.0

    def entropy(self) -> float:
        """Nats of the size."""
        share = self.share[self.share > 0]
        return float(-(share * np.log(share)).sum())

    def mean(self, of_size: np.ndarray) -> float:
        """Expectation of a table over sizes 0..most."""
        used = self.share > 0
        return float((self.share[used] * np.asarray(of_size, float)[used]).sum())


def sizes_of(length: Config) -> Sizes:
    """The distribution a length setting means (the grammar's `own` apart)."""
    if length.kind == "fixed":
        share = np.zeros(length.size + 1)
        share[-1] = 1.0
        return Sizes(share)
    share = np.zeros(length.most + 1)
    if length.kind == "uniform":
        share[length.least :] = 1.0 / (length.most - length.least + 1)
        return Sizes(share)
    going_on = (1 - length.end) ** np.arange(length.most)
    share[1:] = length.end * going_on
    share[-1] = going_on[-1]
    return Sizes(share)
