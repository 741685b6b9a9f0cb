"""Counts, and the few rows that come first in an order: what can be added up in any grouping and stays the same.

The second pass keeps a tally for each stretch of documents, wherever it is settled. Added up in reading order they
say what one tally of all documents would say.
"""

from bisect import insort
from collections import Counter
from typing import Any, Self

# Orders and rows travel as JSON: numbers, strings and lists of them.
Row = dict[str, Any]


class Tally:
    """Nothing here grows with the corpus but with what is asked about it."""

    def __init__(self):
        self.counts: Counter[tuple] = Counter()
        self._first: dict[tuple, tuple[int, list[tuple[Any, Row]]]] = {}

    def count(self, *key: str | int | None, n: int = 1) -> None:
        """Count `n` more under a key of several words."""
        self.counts[key] += n

    def under(self, *head: str) -> Counter:
        """The counts whose key begins so, by what follows: a tuple, or the one word that is left."""
        n = len(head)
        found = {key[n:]: count for key, count in self.counts.items() if key[:n] == head}
        return Counter({rest[0] if len(rest) == 1 else rest: count for rest, count in found.items()})

    def wants(self, key: tuple, order: Any, most: int) -> bool:
        """Whether a row of this order is among the first; for those whose making costs something."""
        held = self._first.get(key, (most, []))[1]
        return len(held) < most or order < held[-1][0]

    def keep(self, key: tuple, order: Any, row: Row, most: int) -> None:
        """Keep the row if it is among the `most` that come first; of equals the earlier one stays."""
        if most and self.wants(key, order, most):
            _, held = self._first.setdefault(key, (most, []))
            insort(held, (order, row), key=lambda entry: entry[0])
            del held[most:]

    def first(self, *key: str | int) -> list[Row]:
        """The rows kept under a key, in order."""
        return [row for _, row in self._first.get(key, (0, []))[1]]

    def kept_under(self, *head: str) -> dict[Any, list[Row]]:
        """The rows of every key that begins so, by what follows, sorted."""
        n = len(head)
        found = {key[n:]: self.first(*key) for key in sorted(k for k in self._first if k[:n] == head)}
        return {rest[0] if len(rest) == 1 else rest: rows for rest, rows in found.items()}

    def add(self, later: Self) -> None:
        """Take over the tally of documents that come after these."""
        self.counts.update(later.counts)
        for key, (most, held) in later._first.items():
            for order, row in held:
                self.keep(key, order, row, most)

    def facts(self) -> dict:
        """All of it as JSON has it."""
        first = [[list(key), most, [list(entry) for entry in held]] for key, (most, held) in self._first.items()]
        return {"counts": [[list(key), n] for key, n in self.counts.items()], "first": first}

    @classmethod
    def of(cls, facts: dict) -> Self:
        """The tally that said these `facts`."""
        tally = cls()
        tally.counts.update({tuple(key): n for key, n in facts["counts"]})
        for key, most, held in facts["first"]:
            tally._first[tuple(key)] = (most, [(order, row) for order, row in held])
        return tally
