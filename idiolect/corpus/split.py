"""Which side a document stands on: train, validation or test.

By hash, the text alone decides: the same text is on the same side in every corpus, whatever is added or removed
around it. By position, the first part of each file trains and the last is held out, as published figures for
tiny-shakespeare and the like have it.
"""

import hashlib
from collections.abc import Iterable, Iterator

from idiolect.corpus.config import CorpusConfig

SPLITS = ("train", "validation", "test")
# What `str.split` takes for white space in ASCII.
WHITE = bytes.maketrans(b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f", b" " * 9)


def digest_of(text: str) -> bytes:
    """16 bytes that are equal for texts equal but for white space."""
    if not text.isascii():
        data = " ".join(text.split()).encode("utf-8", "replace")
    else:
        # The same at a third of the time: no string for every word.
        data = text.encode().translate(WHITE).strip(b" ")
        while b"  " in data:
            data = data.replace(b"  ", b" ")
    return hashlib.blake2b(data, digest_size=16).digest()


def place_of(digest: bytes) -> float:
    """A document's fixed place between 0 and 1."""
    return int.from_bytes(digest[:8], "big") / 2**64


def side_of(digest: bytes, config: CorpusConfig) -> str:
    """Test owns the lowest places, validation the next: raising a fraction moves documents out of train only."""
    place = place_of(digest)
    if place < config.test_fraction:
        return "test"
    return "validation" if place < config.test_fraction + config.validation_fraction else "train"


def cuts(n: int, config: CorpusConfig) -> tuple[int, int]:
    """Where validation and test begin among n characters (or rows) that are split by position.

    >>> cuts(1_115_394, CorpusConfig(validation_fraction=0.1, test_fraction=0.0))
    (1003854, 1115394)
    """
    # 0.9 * n computed in floats may fall a hair below a whole number.
    train_end = int(n * (1 - config.validation_fraction - config.test_fraction) + 1e-6)
    test_start = n if config.test_fraction == 0 else max(int(n * (1 - config.test_fraction) + 1e-6), train_end)
    return train_end, test_start


def sides(n: int, config: CorpusConfig) -> list[str]:
    """The side of each of n documents that are split by position."""
    train_end, test_start = cuts(n, config)
    return ["train"] * train_end + ["validation"] * (test_start - train_end) + ["test"] * (n - test_start)


def sections(blocks: Iterable[str], ends: tuple[int, int]) -> Iterator[tuple[str, Iterator[str]]]:
    """The text of each split by position; each section must be used up before the next is asked for."""
    source, left = iter(blocks), [""]

    def take(n: float) -> Iterator[str]:
        while n > 0:
            block = left[0] or next(source, "")
            if not block:
                return
            piece, left[0] = (block, "") if len(block) <= n else (block[: int(n)], block[int(n) :])
            n -= len(piece)
            yield piece

    yield "train", take(ends[0])
    yield "validation", take(ends[1] - ends[0])
    yield "test", take(float("inf"))
