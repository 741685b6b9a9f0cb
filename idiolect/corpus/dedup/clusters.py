"""Connected components by union-find, many edges at a time; a component's root is its smallest member."""

import numpy as np


class Clusters:
    """A forest over n documents: 8 bytes a document."""

    def __init__(self, n: int):
        self.parent = np.arange(n, dtype=np.int64)

    def roots(self, members: np.ndarray) -> np.ndarray:
        """The root of each member; paths walked are halved on the way."""
        parent, at = self.parent, members
        while True:
            up = parent[at]
            if np.array_equal(up, at):
                return at
            parent[at] = parent[up]
            at = up

    def join(self, a: np.ndarray, b: np.ndarray) -> None:
        """Put a[i] and b[i] into one component, for every i; the order of joins changes nothing."""
        while len(a):
            a, b = self.roots(a), self.roots(b)
            apart = a != b
            a, b = a[apart], b[apart]
            # Roots always hang below smaller ones, so there are no circles, and the smallest ends up on top.
            np.minimum.at(self.parent, np.maximum(a, b), np.minimum(a, b))

    def representatives(self) -> np.ndarray:
        """The smallest member of each document's component."""
        return self.roots(np.arange(len(self.parent), dtype=np.int64))
