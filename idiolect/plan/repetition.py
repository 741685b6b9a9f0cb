"""What reading the same text again is worth; nothing heavy is loaded for it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# arXiv 2305.16264, table 4: repeated tokens lose their worth with this many repetitions.
REPEAT_DATA = 15.387743


def effective_tokens(tokens: float, unique: float) -> float:
    """What `tokens` read from `unique` different ones are worth in fresh tokens (arXiv 2305.16264, equation 5)."""
    if tokens <= unique:
        return tokens
    return unique * (1 + REPEAT_DATA * (1 - math.exp(-(tokens / unique - 1) / REPEAT_DATA)))


@dataclass(frozen=True)
class Drawn:
    """What a run reads of one source that has so many unique tokens."""

    source: str
    unique: float
    tokens: float

    @property
    def epochs(self) -> float:
        """Passes over it."""
        return self.tokens / self.unique


# From the tokens of a run to what it draws of each source.
Draw = Callable[[float], Sequence[Drawn]]


def one_text(unique: float) -> Draw:
    """A text that is read as it is: the whole run comes out of it."""
    return lambda tokens: [Drawn("", unique, tokens)]


def worth(rows: Sequence[Drawn]) -> float:
    """What is drawn in fresh tokens: each source repeats for itself, however much is left unread in another."""
    return sum(effective_tokens(row.tokens, row.unique) for row in rows)


def met(rows: Sequence[Drawn]) -> float:
    """Different tokens that are read at least once."""
    return sum(min(row.tokens, row.unique) for row in rows)


def breadth(rows: Sequence[Drawn]) -> float:
    """The unique tokens of the one text that a run of this length reads as widely; of one source, its own."""
    unique = sum(row.unique for row in rows)
    return unique * met(rows) / min(unique, sum(row.tokens for row in rows))
