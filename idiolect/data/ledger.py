"""Where every token went: read = trained + dropped, and each drop has its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ledger:
    """Tokens read from the shards, tokens that were a counted target, and the rest by reason; by source, if several."""

    read: int
    trained: int
    dropped: dict[str, int]
    sources: dict[str, "Ledger"] = field(default_factory=dict)

    def __post_init__(self):
        total = self.trained + sum(self.dropped.values())
        assert self.read == total, f"the ledger doesn't balance: read {self.read}, accounted for {total}"

    def to_json(self) -> dict:
        """Plain values, for lineage and report."""
        found = {"read": self.read, "trained": self.trained, "dropped": self.dropped}
        return found | (
            {"sources": {name: one.to_json() for name, one in self.sources.items()}} if self.sources else {}
        )


def joined(sources: Mapping[str, Ledger]) -> Ledger:
    """The books of all sources together."""
    parts = list(sources.values())
    dropped = {reason: sum(part.dropped[reason] for part in parts) for reason in parts[0].dropped}
    return Ledger(sum(p.read for p in parts), sum(p.trained for p in parts), dropped, dict(sources))
