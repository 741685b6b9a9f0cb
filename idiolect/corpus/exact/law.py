"""What a law owes `process.py`, and the little that laws share."""

from typing import Protocol

import numpy as np

from idiolect.corpus.exact.lengths import Sizes

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Law(Protocol):
    """Probabilities of documents as rows of symbol numbers (N rows, L symbols), given their length or not."""

    alphabet: str

    def n_symbols(self, size: int) -> int:
        """Symbols of a document of this size (see lengths.py)."""

    def n_draws(self, size: int) -> int:
        """Random numbers that such a document takes."""

    def draw(self, size: int, draws_NU: np.ndarray) -> np.ndarray:
        """(N, L) documents of this size from uniform random numbers."""

    def nats(self, symbols_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
        """(N, L + 1): -ln p of each symbol, and of the end, given all before it."""

    def evidence(self, symbols_NL: np.ndarray, visible_NL: np.ndarray) -> np.ndarray:
        """(N,): ln p of the visible symbols together, given the length, whatever the others are."""

    def entropy(self, sizes: Sizes) -> tuple[float, float]:
        """Nats of a document with its length: equal numbers, or bounds where there is no closed form."""


def with_ends(nats_NL: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Prices of symbols that don't depend on the length, with those of going on and ending added."""
    N, L = nats_NL.shape
    found = np.zeros((N, L + 1))
    found[:, :L] = nats_NL
    return found + sizes.nats(L)


def entropies(table: np.ndarray) -> np.ndarray:
    """Nats of each distribution along the last axis."""
    return -(table * np.log(np.maximum(table, 1e-300))).sum(-1)


def price(p: np.ndarray) -> np.ndarray:
    """-ln p; infinite, without a warning, for the impossible."""
    with np.errstate(divide="ignore"):
        return -np.log(p) + 0.0
