"""Files of word vectors, streamed: word2vec (text, binary), GloVe, fastText's .vec, each also as .gz.

Only the vectors that somebody wants are kept, so memory is bounded by the vocabulary, not by the file; nothing is
allocated by a number that a header claims. Start at `read_vectors`. Hugging Face folders: `huggingface.py`.
"""

import gzip
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from idiolect.errors import DataError, UnsafeError

MOST_WIDTH = 65_536
LONGEST_LINE = 4 << 20  # bytes
LONGEST_WORD = 4096  # bytes, of the binary format, where only a space ends one
MOST_BROKEN = 0.1  # share of the lines; beyond it the file is something else
_SAMPLE = 1 << 16
_FASTTEXT_MODEL = (793712314).to_bytes(4, "little")
_OTHER_FILES = {
    b"PK\x03\x04": "a zip archive (unpack it first), or weights saved by torch",
    b"\x93NUMPY": "a numpy array, which holds no words",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
}


@dataclass
class Vectors:
    """The wanted words that a file has, their vectors (N, width) float32, and what was met on the way."""

    words: list[str]
    vectors_NW: np.ndarray
    format: str
    figures: dict[str, int] = field(default_factory=dict)


def read_vectors(path: Path, wanted: Collection[str], format: str = "auto") -> Vectors:
    """The vectors of the wanted words; of a word that stands twice, the first.

    `figures` counts rows read, and those passed over: malformed lines, numbers that aren't finite, duplicates, bytes
    that aren't UTF-8, rows that the header promised and the file lacks (`missing`).
    Raises DataError when the file is cut off, is something else or not there, UnsafeError for pickles.
    """
    path = Path(path)
    try:
        with _opened(path) as file:
            sample = file.read(_SAMPLE)
            _refuse_others(path, sample)
            format = detect(path, sample) if format == "auto" else format
        with _opened(path) as file:
            if format == "word2vec_binary":
                return _gather(_binary_rows(path, file), wanted, format, path)
            return _gather(_text_rows(path, file, headed=format != "glove"), wanted, format, path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _cut(path, f"it can't be unpacked: {error}") from error
    except OSError as error:
        raise DataError(
            f"{path} can't be read", why=error.strerror or str(error), fix="--embeddings.source=FILE, one that is there"
        ) from error


def detect(path: Path, sample: bytes) -> str:
    """The format that a file's first bytes show. Raises DataError when they show none."""
    first, _, rest = sample.partition(b"\n")
    fields = first.split()
    if len(fields) == 2 and all(f.isdigit() for f in fields):
        line = rest.partition(b"\n")[0].rstrip()
        numbers = line.split(b" ")[1:]
        return "word2vec_text" if numbers and all(map(_is_number, numbers[:8])) else "word2vec_binary"
    if len(fields) > 2 and _is_number(fields[-1]):
        return "glove"
    raise _something_else(path, "its first line is neither `words width` nor a word and its numbers")


def _opened(path: Path) -> BinaryIO:
    if path.is_dir():
        raise DataError(
            f"{path} is a folder", why="this format is one file", fix="--embeddings.format=huggingface, or name a file"
        )
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else open(path, "rb", buffering=1 << 20)


def _refuse_others(path: Path, sample: bytes) -> None:
    if not sample:
        raise _something_else(path, "it is empty")
    if sample.startswith(_FASTTEXT_MODEL):
        words = path.with_suffix(".vec")
        raise DataError(
            f"{path} is a whole fastText model",
            why="fastText writes the vectors of its words to a .vec file beside it",
            fix=f"--embeddings.source={words}" if words.exists()
            else f"get {words.name} from where the model came from, and name it instead",
        )  # fmt: skip
    if sample[0] == 0x80 and len(sample) > 1 and sample[1] <= 5:
        raise UnsafeError(
            f"{path} is a pickle", why="loading one runs whatever code its author put in",
            fix="save the vectors as text: word, then numbers, a line each",
        )  # fmt: skip
    for magic, what in _OTHER_FILES.items():
        if sample.startswith(magic):
            raise _something_else(path, f"it is {what}")


def _gather(rows: Iterator[tuple[bytes, Any]], wanted: Collection[str], format: str, path: Path) -> Vectors:
    """Keep the first vector of each wanted word. The rows' generator returns its own counts when it ends."""
    kept: dict[str, np.ndarray] = {}
    met = dict.fromkeys(("unreadable", "not_finite", "duplicates", "not_utf8"), 0)
    while True:
        try:
            raw, numbers = next(rows)
            word = raw.decode()
        except StopIteration as end:
            counts = end.value
            break
        except UnicodeDecodeError:
            met["not_utf8"] += 1
            continue
        if word in wanted:
            vector_W = _floats(numbers)
            if vector_W is None:
                met["unreadable"] += 1
            elif not np.isfinite(vector_W).all():
                met["not_finite"] += 1
            elif word in kept:
                met["duplicates"] += 1
            else:
                kept[word] = vector_W
    if not counts["rows"]:
        raise _something_else(path, "it holds no vector")
    width = counts.pop("width")
    counts["malformed"] += met.pop("unreadable")
    vectors_NW = np.stack(list(kept.values())) if kept else np.zeros((0, width), np.float32)
    return Vectors(list(kept), vectors_NW, format, counts | met)


def _floats(numbers: Any) -> np.ndarray | None:
    try:
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is passed over as such
            return np.array(numbers, dtype=np.float64 if isinstance(numbers, list) else None).astype(np.float32)
    except ValueError:
        return None


def _text_rows(path: Path, file: BinaryIO, headed: bool) -> Iterator[tuple[bytes, list[bytes]]]:
    """Lines of word and numbers; only the first and last number are looked at, the others when they are wanted."""
    promised, width = _header(path, file) if headed else (0, 0)
    n_rows = n_broken = 0
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise _something_else(path, f"a line is longer than {LONGEST_LINE:,} bytes")
        if not line.strip():
            continue
        # A GloVe file's only sign of its width is its first line.
        width = width or _checked_width(path, len(line.split()) - 1)
        # Of a word with spaces in it (GloVe 840B has some) the numbers are the last ones.
        parts = line.rsplit(None, width)
        n_rows += 1
        if len(parts) == width + 1 and _is_number(parts[1]) and _is_number(parts[-1]):
            yield parts[0], parts[1:]
        else:
            n_broken += 1
        if n_rows == 1000:
            _refuse_mostly_broken(path, n_broken, n_rows, width)
    _refuse_mostly_broken(path, n_broken, n_rows, width)
    return {"rows": n_rows - n_broken, "malformed": n_broken, "missing": max(0, promised - n_rows), "width": width}


def _binary_rows(path: Path, file: BinaryIO) -> Iterator[tuple[bytes, np.ndarray]]:
    """word2vec's own format: a word, a space, `width` little-endian float32, perhaps a line end."""
    promised, width = _header(path, file)
    n_bytes, buffer, at = 4 * width, b"", 0
    for row in range(promised):
        if len(buffer) - at < LONGEST_WORD + n_bytes:
            buffer, at = buffer[at:] + file.read(max(1 << 20, 4 * n_bytes)), 0
        space = buffer.find(b" ", at, at + LONGEST_WORD)
        if space < 0 and len(buffer) - at >= LONGEST_WORD:
            raise _something_else(path, f"row {row:,} has no word: no space within {LONGEST_WORD:,} bytes")
        if space < 0 or len(buffer) - space - 1 < n_bytes:
            raise _cut(path, f"it ends in row {row:,} of the {promised:,} that its header promises")
        yield buffer[at:space].lstrip(b"\n"), np.frombuffer(buffer, "<f4", width, space + 1)
        at = space + 1 + n_bytes
    return {"rows": promised, "malformed": 0, "missing": 0, "width": width}


def _header(path: Path, file: BinaryIO) -> tuple[int, int]:
    fields = file.readline(LONGEST_WORD).split()
    if len(fields) != 2 or not all(f.isdigit() and len(f) < 16 for f in fields):
        raise _something_else(path, f"its first line is not `words width` but {b' '.join(fields)[:60]!r}")
    promised, width = map(int, fields)
    return promised, _checked_width(path, width)


def _checked_width(path: Path, width: int) -> int:
    if not 1 <= width <= MOST_WIDTH:
        raise _something_else(path, f"its vectors would have {width:,} numbers; 1 to {MOST_WIDTH:,} can be")
    return width


def _refuse_mostly_broken(path: Path, n_broken: int, n_rows: int, width: int) -> None:
    if n_broken > MOST_BROKEN * n_rows:
        raise _something_else(path, f"{n_broken:,} of its first {n_rows:,} lines are not a word and {width} numbers")


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cut(path: Path, why: str) -> DataError:
    return DataError(f"{path} is cut off", why=why, fix="fetch the file again, and compare its size with the source's")


def _something_else(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} holds no word vectors that can be read", why=why,
        fix="--embeddings.format=word2vec_text, word2vec_binary, glove, fasttext or huggingface says what it is",
    )  # fmt: skip
