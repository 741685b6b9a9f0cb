"""Which tokens begin a word: whole words are hidden together (data/objectives/masked.py).

    bpe, unigram, word     The| quick|er| fox|,     a space before it, or another kind of character: The quicker fox ,
    character, byte        a|n|d| |i|t|.            letters, digits, spaces and signs keep to their kind: and it .
    wordpiece              un|##able|to|,           whatever doesn't continue with ##: unable to ,

A word is thus what the cut before encoding leaves together (words.py), as far as ids can tell.
"""

import json
import unicodedata

import numpy as np

from idiolect.tokenizer.byte_letters import token_bytes

_LETTER, _DIGIT, _SPACE, _SIGN = range(4)
_WORD_MARK = "\u2581"  # SentencePiece's space


class WordStarts:
    """What a tokenizer's tokens say of where words begin; special tokens stand by themselves."""

    def __init__(self, tokenizer):
        n = tokenizer.vocabulary_size
        self._special_V = np.isin(np.arange(n), list(tokenizer.special_ids.values()))
        described, settings = tokenizer.parts()
        continued = json.loads(described)["model"].get("continuing_subword_prefix")
        if continued:
            begins = [not tokenizer.token(i).startswith(continued) for i in range(n)]
            edges = [(_LETTER, _LETTER)] * n
        else:
            text_of = _byte_level_text if settings["spelling"] == "byte letters" else _plain_text
            texts = [text_of(tokenizer.token(i)) for i in range(n)]
            begins = [text[:1].isspace() and len(text) > 1 for text in texts]
            edges = [(_kind(text[:1]), _kind(text[-1:])) for text in texts]
        self._begins_V = np.array(begins) | self._special_V
        self._first_V, self._last_V = np.array(edges, np.int8).T

    def of(self, ids_BT: np.ndarray) -> np.ndarray:
        """(B, T) bool: does a word begin at this token? A row's first token always begins one."""
        begins_BT = self._begins_V[ids_BT]
        begins_BT[:, 1:] |= self._first_V[ids_BT[:, 1:]] != self._last_V[ids_BT[:, :-1]]
        begins_BT[:, 1:] |= self._special_V[ids_BT[:, :-1]]
        begins_BT[:, 0] = True
        return begins_BT


def _byte_level_text(token: str) -> str:
    data = token_bytes(token)
    return token if data is None else data.decode("utf-8", "replace")


def _plain_text(token: str) -> str:
    return token.replace(_WORD_MARK, " ")


def _kind(character: str) -> int:
    if not character:
        return _SIGN
    if character.isspace():
        return _SPACE
    if character == "\N{REPLACEMENT CHARACTER}":
        return _LETTER  # a part of a character in bytes: hardly anything else is written beyond ASCII
    return {"L": _LETTER, "M": _LETTER, "N": _DIGIT}.get(unicodedata.category(character)[0], _SIGN)
