"""One source's documents of a split as a row of tokens of their own, wherever they lie among the others.

row of the split    a a a | b b | a | c c c c | b b         documents of three sources
SourceRow of b      b b | b b                               in the same order, taken as a ring
"""

import numpy as np

from idiolect.tokenizer.shards import Shards


class SourceRow:
    """What windows need of a split, for the documents of one source alone.

    Kept in memory: where each of its stretches of consecutive documents begins, 16 bytes a stretch.
    """

    def __init__(self, shards: Shards, source: str):
        self.shards, self.source = shards, source
        self.split, self.end_id = shards.split, shards.end_id
        mine_D = shards.document_sources == (shards.sources.index(source) if source in shards.sources else -1)
        edges = np.flatnonzero(np.diff(mine_D, prepend=False, append=False))
        bounds = np.append(shards.document_starts, shards.n_tokens)[edges].reshape(-1, 2)
        self._begins = bounds[:, 0]
        self._firsts = np.cumsum(np.append(0, bounds[:, 1] - bounds[:, 0]))
        self.n_tokens = int(self._firsts[-1])
        self.n_documents, self.n_bytes = int(mine_D.sum()), int(shards.document_bytes[mine_D].sum())

    def rows(self, starts_B: np.ndarray, width: int, out_BW: np.ndarray | None = None) -> np.ndarray:
        """(B, width) int64: `width` tokens from each start of this source's ring. Raises DataError as `Shards` does."""
        out_BW = np.empty((len(starts_B), width), np.int64) if out_BW is None else out_BW
        start_B = starts_B % self.n_tokens
        stretch_B = np.searchsorted(self._firsts, start_B, "right") - 1
        whole_B = start_B + width <= self._firsts[stretch_B + 1]
        places_B = self._begins[stretch_B] + start_B - self._firsts[stretch_B]
        out_BW[whole_B] = self.shards.rows(places_B[whole_B], width)
        for row in np.flatnonzero(~whole_B).tolist():
            self._around(int(start_B[row]), int(stretch_B[row]), out_BW[row])
        return out_BW

    def _around(self, start: int, stretch: int, out_W: np.ndarray) -> None:
        """A window that goes on in the source's next stretches, and at last in its first."""
        done, offset = 0, start - int(self._firsts[stretch])
        while done < len(out_W):
            n = min(len(out_W) - done, int(self._firsts[stretch + 1] - self._firsts[stretch]) - offset)
            place = self._begins[stretch] + offset
            out_W[done : done + n] = self.shards.rows(np.array([place]), n)[0]
            done, offset, stretch = done + n, 0, (stretch + 1) % len(self._begins)
