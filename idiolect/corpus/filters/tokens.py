"""The words of many texts at once, as arrays: split once, hashed once, read by every rule.

A word is a run of letters, digits, marks and underscores; a run of other characters is a word too (a symbol), and each
character of a script without spaces is one. This is `\\w+|[^\\w\\s]+` with marks joined to their letters.
All texts stand in one array of code points with a line end between them, so that each step is a pass of numpy over
kilobytes instead of a Python call for each word.
"""

import functools

import numpy as np

from idiolect.corpus.filters.characters import BREAK, CLASS, SYMBOL, flags

# The hash of a string is sum(value[c_i] * BASE^i) mod 2^64, so any run of words is one subtraction away. BASE is odd,
# hence invertible, which brings the run's hash to where it stands; values are random, so text can't be built to collide
# without knowing them.
BASE = 0x9E3779B97F4A7C15
SEED = 20211208


class Tokens:
    """Texts as arrays. Offsets are in characters over all texts, each text followed by a line end.

    `starts`, `ends`, `token_flags`: of each token, where it is and what its characters are together.
    `first[i]:first[i + 1]` are the tokens of text i; `compact[j]` counts the characters before token j that are not
    white space.
    """

    def __init__(self, texts: list[str]):
        joined = "\n".join(texts) + "\n"
        if joined.isascii():
            self.codes = np.frombuffer(joined.encode("ascii"), np.uint8)
            table = flags(128)
        else:
            self.codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
            table = flags(0x110000)
        self.lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.begins = np.concatenate(([0], np.cumsum(self.lengths + 1)))
        self.flags = table.take(self.codes)
        kinds = self.flags & CLASS
        # A boundary wherever the class changes, and around characters that stand alone.
        bounds = np.flatnonzero((kinds[1:] != kinds[:-1]) | (kinds[1:] > SYMBOL)) + 1
        bounds = np.concatenate(([0], bounds, [len(kinds)]))
        inside = np.flatnonzero(kinds[bounds[:-1]])
        self.starts, self.ends = bounds[inside], bounds[inside + 1]
        self.token_flags = np.bitwise_or.reduceat(self.flags, bounds[:-1])[inside]
        self.first = np.searchsorted(self.starts, self.begins)
        self.counts = np.diff(self.first)
        self.n = len(self.starts)
        self.compact = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        self._kinds = kinds

    @functools.cached_property
    def owner(self) -> np.ndarray:
        """The text that each token belongs to."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @functools.cached_property
    def _sums(self) -> np.ndarray:
        values = _values()[self.codes[self._kinds != 0]]
        values *= _powers(BASE, len(values) + 1)[: len(values)]
        sums = np.zeros(len(values) + 1, np.uint64)
        np.cumsum(values, out=sums[1:])
        return sums

    def runs(self, at: np.ndarray, n: int) -> np.ndarray:
        """The hash of the n tokens from each of `at` on, written together without spaces."""
        return self._spans(self.compact[at], self.compact[at + n])

    def spans(self, at: np.ndarray, characters: int) -> np.ndarray:
        """The hash of so many characters from the tokens `at` on, white space not counted."""
        begin = self.compact[at]
        return self._spans(begin, begin + characters)

    def _spans(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        inverse = _powers(pow(BASE, -1, 1 << 64), len(self._sums))
        return (self._sums[end] - self._sums[begin]) * inverse[begin]

    @functools.cached_property
    def hashes(self) -> np.ndarray:
        """The hash of each token."""
        return self.runs(np.arange(self.n), 1)

    def per_text(self, values: np.ndarray) -> np.ndarray:
        """The sum over each text's tokens."""
        sums = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
        return sums[self.first[1:]] - sums[self.first[:-1]]

    @functools.cached_property
    def lines(self) -> "Lines":
        """Lines as `str.splitlines` cuts them."""
        breaks = np.flatnonzero(self.flags & BREAK)
        last = np.minimum(breaks + 1, len(self.codes) - 1)
        return Lines(self, breaks[(self.codes[breaks] != 13) | (self.codes[last] != 10)], trailing=False)

    @functools.cached_property
    def newline_lines(self) -> "Lines":
        """Lines as `str.split("\\n")` cuts them."""
        return Lines(self, np.flatnonzero(self.codes == 10), trailing=True)


class Lines:
    """Where lines begin and end, which token each starts and ends with, and to which text it belongs."""

    def __init__(self, tokens: Tokens, ends: np.ndarray, trailing: bool):
        starts = np.concatenate(([0], ends[:-1] + 1))
        owner = np.searchsorted(tokens.begins, starts, side="right") - 1
        if not trailing:
            # The empty rest after a text's last line end is no line.
            real = (starts < ends) | (ends != tokens.begins[owner + 1] - 1)
            starts, ends, owner = starts[real], ends[real], owner[real]
        self.starts, self.ends, self.owner = starts, ends, owner
        self._tokens = tokens
        self.first_token = np.searchsorted(tokens.starts, starts)
        self.last_token = np.searchsorted(tokens.starts, ends) - 1
        self.filled = self.last_token >= self.first_token

    def per_text(self, which: np.ndarray) -> np.ndarray:
        """How many of each text's lines are so."""
        return np.bincount(self.owner[which], minlength=len(self._tokens.counts))


@functools.cache
def _values() -> np.ndarray:
    return np.random.default_rng(SEED).integers(0, 1 << 64, 0x110000, np.uint64)


_POWERS: dict[int, np.ndarray] = {}


def _powers(base: int, n: int) -> np.ndarray:
    """base^0, base^1, ... mod 2^64, at least n of them; kept, since every pack asks for the same."""
    known = _POWERS.get(base, np.ones(1, np.uint64))
    if len(known) < n:
        powers = np.full(max(n, 1 << 18), base, np.uint64)
        powers[0] = 1
        known = _POWERS[base] = np.multiply.accumulate(powers)
    return known


def hash_of(word: str) -> int:
    """What `Tokens.hashes` holds for a token spelled like this."""
    total = sum(int(_values()[ord(c)]) * pow(BASE, i, 1 << 64) for i, c in enumerate(word))
    return total & ((1 << 64) - 1)
