"""Text to ids, fast: four ways, each giving what the library gives for the same tokenizer.json.

bytes        the UTF-8 bytes are the ids                             byte
characters   code points through a table                            character
words        each distinct word is encoded once, then looked up     bpe, unigram, word, wordpiece
library      whatever the file says                                 file
"""

import json
from collections.abc import Callable, Iterable
from itertools import chain

import numpy as np
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import pre_tokenizers

from idiolect.tokenizer.words import gpt2_pre_tokenizer, space_cutter, space_pre_tokenizer, word_cutter

Engine = Callable[[str], np.ndarray]
ID = np.int32

_CACHED_WORDS = 1 << 18
_CACHED_LENGTH = 64


def byte_engine() -> Engine:
    """Ids are UTF-8 bytes."""
    return lambda text: np.frombuffer(text.encode(), np.uint8).astype(ID)


def character_engine(ids: dict[str, int], unknown_id: int | None) -> Engine:
    """Ids through a table over code points; unknown ones become `unknown_id`, or their bytes (ids 0 to 255)."""
    table = np.full(0x110000, -1 if unknown_id is None else unknown_id, ID)
    for character, i in ids.items():
        table[ord(character)] = i

    def encode(text: str) -> np.ndarray:
        code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        found = table[code_points]
        if unknown_id is not None or not (missing := np.flatnonzero(found < 0)).size:
            return found
        fallback = [np.frombuffer(chr(c).encode(), np.uint8) for c in code_points[missing]]
        counts = np.ones(found.size, np.int64)
        counts[missing] = [len(b) for b in fallback]
        spread = np.repeat(found, counts)
        spread[spread < 0] = np.concatenate(fallback)
        return spread

    return encode


class _Words(dict):
    """Ids of each word met so far; a new word is encoded on first use. Bounded, so that no text can fill the memory."""

    def __init__(self, encode_word: Callable[[str], list[int]]):
        super().__init__()
        self.encode_word = encode_word

    def __missing__(self, word: str) -> list[int]:
        ids = self.encode_word(word)
        if len(word) <= _CACHED_LENGTH:
            if len(self) >= _CACHED_WORDS:
                self.clear()
            self[word] = ids
        return ids


def word_engine(cut: Callable[[str], Iterable[str]], encode_word: Callable[[str], list[int]]) -> Engine:
    """Cut, then look each word up."""
    words = _Words(encode_word)
    look_up = words.__getitem__
    return lambda text: np.fromiter(chain.from_iterable(map(look_up, cut(text))), ID)


def library_engine(library: LibraryTokenizer) -> Engine:
    """The library's own encoder."""
    return lambda text: np.array(library.encode(text, add_special_tokens=False).ids, ID)


def fast_engine(tokenizer_json: str) -> Engine | None:
    """The word engine when the file's cut is one of ours, else None. Input must already be normalised."""
    described = json.loads(tokenizer_json)
    cut = _cutter_of(described.get("pre_tokenizer"))
    if cut is None or any(not token["special"] for token in described["added_tokens"]):
        return None
    bare = LibraryTokenizer.from_str(
        json.dumps(described | {"normalizer": None, "post_processor": None, "added_tokens": []})
    )
    if cut is not _cut_at_spaces:
        bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return word_engine(cut, lambda word: bare.encode(word, add_special_tokens=False).ids)


def _cutter_of(pre_tokenizer: dict | None) -> Callable[[str], list[str]] | None:
    if pre_tokenizer == json.loads(_state(space_pre_tokenizer())):
        return space_cutter()
    for split_digits in (False, True):
        if pre_tokenizer == json.loads(_state(gpt2_pre_tokenizer(split_digits))):
            return word_cutter(split_digits)
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer]) if pre_tokenizer else []
    if steps and steps[0] == json.loads(_state(pre_tokenizers.BertPreTokenizer())):
        return _cut_at_spaces
    return None


def _state(pre_tokenizer: pre_tokenizers.PreTokenizer) -> str:
    return pre_tokenizer.__getstate__().decode()


def _cut_at_spaces(text: str) -> list[str]:
    # str.split() also cuts at U+001C to U+001F, which are no white space to the library (nor to Unicode).
    return text.split() if not _SEPARATORS.intersection(text) else [text]


_SEPARATORS = frozenset("\x1c\x1d\x1e\x1f")
