"""A process: documents drawn from a known law, the price of every symbol in them, and the entropy.

    process = build(config)                     texts = process.sample(100, seed=1)
    process.nats(text)                          -ln p of each symbol, and of the end, given all before it
    process.masked_nats(text, hidden)           -ln p of each hidden symbol alone, given all visible ones
    process.joint_nats(text, hidden)            -ln p of all hidden symbols together, given the visible ones
    process.entropy()                           what the best model of this text can reach

The conditional prices are for a reader who sees where the document ends, as an encoder does. All are quotients of
two `evidence`s of the law (law.py): p(hidden | visible) = p(hidden and visible) / p(visible).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from idiolect.config import Config, flatten
from idiolect.corpus.exact.law import Law
from idiolect.corpus.exact.lengths import Sizes, sizes_of
from idiolect.corpus.exact.randomness import chosen, uniform

LAWS = {
    "markov": "markov:Markov",
    "hidden_markov": "hidden_markov:HiddenMarkov",
    "grammar": "grammar:Grammar",
    "copy": "copying:Copy",
    "induction": "induction:Induction",
    "zipf": "zipf:Zipf",
}
# Documents worked on at once.
ROWS = 4096


@dataclass(frozen=True)
class Entropy:
    """Nats and expected tokens (symbols and the end) of a document; `low` and `high` may be bounds."""

    low: float
    high: float
    tokens: float

    @property
    def nats(self) -> float:
        """Nats a token: the middle of the bounds."""
        return (self.low + self.high) / 2 / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """All of a document's bits over its bytes; each symbol is one byte, the end is none."""
        return (self.low + self.high) / 2 / math.log(2) / (self.tokens - 1)

    def to_json(self) -> dict:
        return {
            "nats_per_token": self.nats,
            "bits_per_byte": self.bits_per_byte,
            "nats_per_document": (self.low + self.high) / 2,
            "nats_per_token_bounds": [self.low / self.tokens, self.high / self.tokens],
            "tokens_per_document": self.tokens,
        }


class Process:
    """A law with a distribution of sizes, speaking in texts."""

    def __init__(self, law: Law, sizes: Sizes):
        self.law, self.sizes = law, sizes
        self._number = {letter: n for n, letter in enumerate(law.alphabet)}

    def sample(self, n: int, seed: int) -> list[str]:
        """n documents; the first are the same however many are asked for."""
        return [text for first in range(0, n, ROWS) for text in self._some(range(first, min(n, first + ROWS)), seed)]

    def _some(self, numbers: range, seed: int) -> list[str]:
        items_N = np.arange(numbers.start, numbers.stop)
        size_N = chosen(self.sizes.share, uniform(seed, items_N, 1)[:, 0])
        letters, texts = np.array(list(self.law.alphabet)), [""] * len(items_N)
        for size in np.unique(size_N).tolist():
            rows = np.flatnonzero(size_N == size)
            symbols_NL = self.law.draw(size, uniform(seed, items_N[rows], 1 + self.law.n_draws(size))[:, 1:])
            for row, symbols in zip(rows.tolist(), letters[symbols_NL], strict=True):
                texts[row] = "".join(symbols)
        return texts

    def numbers(self, texts: Sequence[str]) -> np.ndarray:
        """(N, L) symbol numbers of texts of one length. Raises ValueError for a letter that the law doesn't know."""
        try:
            return np.array([[self._number[letter] for letter in text] for text in texts], np.int64)
        except KeyError as error:
            raise ValueError(f"{error.args[0]!r} is not among this process's symbols {self.law.alphabet}") from None

    def nats(self, text: str) -> np.ndarray:
        """(symbols + 1,): nats of each symbol and of the end, given all before it in the document."""
        return self.law.nats(self.numbers([text]), self.sizes)[0]

    def nats_of(self, texts: Iterable[str]) -> list[np.ndarray]:
        """`nats` of many documents, in their order."""
        texts = list(texts)
        found: list[np.ndarray] = [np.zeros(0)] * len(texts)
        by_length: dict[int, list[int]] = {}
        for i, text in enumerate(texts):
            by_length.setdefault(len(text), []).append(i)
        for rows in by_length.values():
            for first in range(0, len(rows), ROWS):
                some = rows[first : first + ROWS]
                priced = self.law.nats(self.numbers([texts[i] for i in some]), self.sizes)
                for i, nats in zip(some, priced, strict=True):
                    found[i] = nats
        return found

    def masked_nats(self, text: str, hidden: np.ndarray, visible: np.ndarray | None = None) -> np.ndarray:
        """Nats of each hidden symbol (in order) given the visible ones, the other hidden ones unknown.

        `hidden`, `visible`: bool (symbols,); what is neither is out of sight. By default all that isn't hidden is seen.
        """
        hidden, visible = _masks(text, hidden, visible)
        places = np.flatnonzero(hidden)
        seen = np.repeat(visible[None], len(places) + 1, 0)
        seen[np.arange(len(places)), places] = True
        evidence = self.law.evidence(np.repeat(self.numbers([text]), len(seen), 0), seen)
        return evidence[-1] - evidence[:-1] + 0.0

    def joint_nats(self, text: str, hidden: np.ndarray, visible: np.ndarray | None = None) -> float:
        """Nats of all hidden symbols together given the visible ones; arguments as for `masked_nats`."""
        hidden, visible = _masks(text, hidden, visible)
        evidence = self.law.evidence(np.repeat(self.numbers([text]), 2, 0), np.stack([visible, visible | hidden]))
        return float(evidence[0] - evidence[1]) + 0.0

    def entropy(self) -> Entropy:
        """The entropy of a document with its end, and how many tokens that is on average."""
        low, high = self.law.entropy(self.sizes)
        symbols = [self.law.n_symbols(size) for size in range(self.sizes.most + 1)]
        return Entropy(low, high, self.sizes.mean(np.array(symbols)) + 1)


def _masks(text: str, hidden: np.ndarray, visible: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.asarray(hidden, bool)
    visible = ~hidden if visible is None else np.asarray(visible, bool)
    if hidden.shape != (len(text),) or visible.shape != hidden.shape or (hidden & visible).any():
        raise ValueError(f"masks of {hidden.shape} and {visible.shape} for {len(text)} symbols, or not disjoint")
    return hidden, visible


def build(config: Config) -> Process:
    """The process a config describes."""
    module, _, name = LAWS[config.kind].partition(":")
    law = getattr(import_module(f"idiolect.corpus.exact.{module}"), name)(config)
    own = config.length.kind == "own"
    return Process(law, law.own_sizes(config.length.most) if own else sizes_of(config.length))


def documents(config: Config) -> list[str]:
    """The corpus a config describes."""
    return build(config).sample(config.documents, config.seed + 1)


def described(config: Config) -> dict:
    """What the audit says of generated text."""
    settings = {key: value for key, value in flatten(config).items() if key != "kind"}
    return {"kind": config.kind, "parameters": settings, "licence": LICENCE} | build(config).entropy().to_json()


LICENCE = "public domain (generated)"
