"""The texts and the tokenizers these tests share."""

import numpy as np

from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import Tokenizer

TEXTS = [
    "The cat sat on the mat. It's the cat's mat, isn't it?\n\nThe mat was flat: 1234 times 56.",
    "def f(x):\n    return x + 1  # adds one\n\n\tprint(f(41))",
    "Caf\u00e9 na\u00efve \u65e5\u672c\u8a9e \U0001f600 \u0430\u0431\u0432. "
    "<|end|> and <|user|>, spelled out: <|end|><|end|><|end|>",
] * 20
WILD = [
    "",
    " ",
    "\n\n\n",
    "\x00\x01\x1c\x1d\x85\u2028\ufeff\ufffd",
    "a\r\nb\rc\t\t d  e   f ",
    "e\u0301 \u00e9 \ufb01 \u212b",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001d49c\U00010380 \U000e0001 \U0010ffff",
    "<|end|> <|pad|> <|unk|> <|user|><|assistant|><|system|>",
    "\u0664\u0665 \u00b2\u00bd \u2167 \U0001d7d8 12345",
    "'S 's 't 're 'VE 'll'd",
    "#" * 3000,
    "x" * 300 + "\u3000\xa0 y",
]
LOSSLESS = [
    dict(kind="byte"),
    dict(kind="bpe", vocabulary_size=400),
    dict(kind="bpe", vocabulary_size=400, split_digits=True),
    dict(kind="unigram", vocabulary_size=400),
    dict(kind="character", byte_fallback=True),
]
LOSSY = [
    dict(kind="character"),
    dict(kind="word", vocabulary_size=60),
    dict(kind="wordpiece", vocabulary_size=120),
    dict(kind="wordpiece", vocabulary_size=120, split_digits=True),
    dict(kind="bpe", vocabulary_size=400, normalise="nfkc", lower_case=True),
]
_built: dict[str, Tokenizer] = {}


def made(options: dict) -> Tokenizer:
    if str(options) not in _built:
        _built[str(options)] = build(TokenizerConfig(**options), TEXTS)
    return _built[str(options)]


def name(options: dict) -> str:
    return "-".join(str(value) for value in options.values())


def plain_ids_only(tokenizer: Tokenizer, ids: np.ndarray) -> bool:
    special = set(tokenizer.special_ids.values()) - {tokenizer.unknown_id}
    return not special & set(ids.tolist()) and (not ids.size or 0 <= ids.min() <= ids.max() < tokenizer.vocabulary_size)
