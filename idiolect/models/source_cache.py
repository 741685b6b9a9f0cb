"""What an encoder-decoder carries between tokens: the decoder's own keys and values, and those of the source."""

from torch import Tensor

from idiolect.models.cache import KeyValueCache


class SourceCache:
    """A key/value cache of the targets beside the keys and values that every layer has of the encoded source.

    `source_mask_BS` is True where the source is no padding, or None where it has none.
    """

    def __init__(self, target: KeyValueCache, memory: list[tuple[Tensor, Tensor]], source_mask_BS: Tensor | None):
        self.target, self.memory, self.source_mask_BS = target, memory, source_mask_BS

    @property
    def n_rows(self) -> int:
        return self.target.n_rows

    def lengths(self) -> Tensor:
        return self.target.lengths()

    def set_lengths(self, lengths_B: Tensor) -> None:
        self.target.set_lengths(lengths_B)

    def select(self, rows_B: Tensor) -> "SourceCache":
        memory = [(k_BHSK[rows_B], v_BHSK[rows_B]) for k_BHSK, v_BHSK in self.memory]
        mask_BS = None if self.source_mask_BS is None else self.source_mask_BS[rows_B]
        return SourceCache(self.target.select(rows_B), memory, mask_BS)

    def reorder(self, rows_B: Tensor) -> None:
        assert len(rows_B) == self.n_rows, (len(rows_B), self.n_rows)
        self.__dict__.update(self.select(rows_B).__dict__)
