"""Where every token went: read = trained + dropped, and each drop has its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ledger:
    """Tokens read from the shards, tokens that were a counted target, and the rest by reason."""

    read: int
    trained: int
    dropped: dict[str, int]

    def __post_init__(self):
        total = self.trained + sum(self.dropped.values())
        assert self.read == total, f"the ledger doesn't balance: read {self.read}, accounted for {total}"

    def to_json(self) -> dict:
        """Plain values, for lineage and report."""
        return {"read": self.read, "trained": self.trained, "dropped": self.dropped}
