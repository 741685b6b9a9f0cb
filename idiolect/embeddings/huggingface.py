"""The input embedding of a Hugging Face folder: safetensors and tokenizer.json, never a pickle.

The table is memory-mapped and only the wanted rows are read. bfloat16, which numpy doesn't know, is widened by hand.
"""

import json
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from idiolect.embeddings.read import Vectors
from idiolect.errors import DataError, UnsafeError
from idiolect.rundir import read_json
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import Tokenizer
from idiolect.tokenizer.load_file import load_file

# What families call their input embedding, at the end of the tensor's name; the first that is there wins.
NAMES = (
    "embed_tokens.weight", "wte.weight", "word_embeddings.weight", "tok_embeddings.weight", "shared.weight",
    "embed_in.weight", "word_embedding.weight", "backbone.embeddings.weight", "backbone.embedding.weight",
    "tok_embeddings", "embed.weight",
)  # fmt: skip
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_folder(folder: Path, wanted: Collection[str], spelled: Callable[[Tokenizer], list[str]]) -> Vectors:
    """The rows of the wanted spellings; `spelled` gives each id's (`match.spellings`), so that markers don't matter.

    Raises DataError when a file is missing, damaged or holds no known embedding, UnsafeError when all is pickled.
    """
    folder = Path(folder)
    tokenizer = load_file(TokenizerConfig(kind="file", path=str(_present(folder / "tokenizer.json"))))
    table_VW, widen = _table(folder)
    kept: dict[str, int] = {}
    n_twice = 0
    specials = set(tokenizer.special_ids.values())
    for i, text in enumerate(spelled(tokenizer)[: len(table_VW)]):
        if text in wanted and i not in specials:
            n_twice += text in kept
            kept.setdefault(text, i)
    vectors_NW = widen(np.array(table_VW[list(kept.values())]))
    finite_N = np.isfinite(vectors_NW).all(1)
    words = [word for word, finite in zip(kept, finite_N, strict=True) if finite]
    figures = {
        "rows": len(table_VW), "malformed": 0, "missing": max(0, tokenizer.vocabulary_size - len(table_VW)),
        "not_finite": int((~finite_N).sum()), "duplicates": n_twice, "not_utf8": 0,
    }  # fmt: skip
    return Vectors(words, vectors_NW[finite_N], "huggingface", figures)


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            f"{path.parent} has no {path.name}", why="it says which row of the embedding is which token",
            fix="fetch the whole folder again, or let transformers write it: tokenizer.save_pretrained(folder)",
        )  # fmt: skip
    return path


def _table(folder: Path) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The embedding (V, width), mapped, and what makes float32 of its rows."""
    for path, names in _tensors(folder):
        name = next((n for end in NAMES for n in sorted(names) if n == end or n.endswith(f".{end}")), None)
        if name is not None:
            return _mapped(path, name)
    raise DataError(
        f"{folder} has no input embedding of a name we know", why="known names end in " + ", ".join(NAMES[:6]),
        fix="save the vectors as text (word, then numbers, a line each) and name that file",
    )  # fmt: skip


def _tensors(folder: Path) -> list[tuple[Path, list[str]]]:
    """Each safetensors file and the names in it."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        listed = read_json(index)
        placed = listed.get("weight_map") if isinstance(listed, dict) else None
        if not isinstance(placed, dict) or not all(isinstance(file, str) for file in placed.values()):
            raise _damaged(index, "it has no weight_map of names and files")
        # Only the file's name counts: an index from a stranger must not lead out of its folder.
        files = sorted({Path(file).name for file in placed.values()})
        return [(folder / f, [n for n, of in placed.items() if Path(of).name == f]) for f in files]
    files = sorted(folder.glob("*.safetensors"))
    if not files and any(folder.glob("*.bin")):
        raise UnsafeError(
            f"{folder} has its weights as .bin files only", why="they are pickles: loading one can run anybody's code",
            fix="fetch the folder's model.safetensors; transformers writes one with model.save_pretrained(folder)",
        )  # fmt: skip
    return [(path, _names(path)) for path in files]


def _names(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="numpy") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error


def _mapped(path: Path, name: str) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """One tensor of a file that the library has found to be whole."""
    if name not in _names(path):
        raise _damaged(path, f"the index beside it says that it holds {name}")
    with open(path, "rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        facts = json.loads(file.read(n_header))[name]
    if len(facts["shape"]) != 2 or facts["dtype"] not in _DTYPES or not all(facts["shape"]):
        raise _damaged(path, f"{name} is {facts['dtype']} of shape {facts['shape']}, not a table of floats")
    at = 8 + n_header + facts["data_offsets"][0]
    table_VW = np.memmap(path, _DTYPES[facts["dtype"]], "r", at, tuple(facts["shape"]))
    if facts["dtype"] == "BF16":
        return table_VW, lambda rows_NW: (rows_NW.astype("<u4") << 16).view("<f4")
    return table_VW, lambda rows_NW: rows_NW.astype(np.float32)


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path} can't be read", why=why, fix="fetch the folder again")
