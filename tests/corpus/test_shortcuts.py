"""What is skipped for speed changes nothing: each short cut beside the plain way of saying it, on hostile texts."""

import hashlib
import random
import sys

import numpy as np
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad

from idiolect.corpus.audit.vocabulary import _nth_largest
from idiolect.corpus.clean.text import looks_garbled
from idiolect.corpus.filters import language
from idiolect.corpus.fingerprint import _code_hash
from idiolect.corpus.hashed import counted
from idiolect.corpus.split import digest_of

WHITE = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]


def texts_of(odd: str, plain: str, n: int, seed: int):
    draw = random.Random(seed)
    for _ in range(n):
        share = draw.choice((0.0, 0.2, 0.5, 0.8))
        length = draw.choice((0, 1, 2, 3, 5, 9, 14))
        yield "".join(draw.choice(odd if draw.random() < share else plain) for _ in range(length))


def test_garbled_is_what_ftfy_calls_bad():
    odd = "".join(sorted({c for part in MOJIBAKE_CATEGORIES.values() for c in part})) + "ŒœÃÂÎÐØÙàВГРСЂвβΒΟā√≈‚×²Ь ΆЎў°"
    found = [(looks_garbled(text), is_bad(text)) for text in texts_of(odd, "abZ .,\n!x 0", 60_000, seed=1)]
    assert all(ours == theirs for ours, theirs in found)
    assert 5_000 < sum(ours for ours, _ in found) < 55_000  # both answers were asked for


def test_digests_are_those_of_the_words():
    texts = [
        *texts_of("".join(WHITE), "ab\ud800é 中", 20_000, seed=2),
        *texts_of(" \t\n\x0b\x1c\x1f", "abc", 20_000, seed=3),
    ]
    for text in texts:
        plain = " ".join(text.split()).encode("utf-8", "replace")
        assert digest_of(text) == hashlib.blake2b(plain, digest_size=16).digest(), repr(text)
    assert len({digest_of(text) for text in texts}) > 5_000


def test_a_sample_is_made_plain_and_its_letters_are_counted():
    for text in texts_of("<>@:/ \n\x85\u3000", "ab http://x 1_²٣é", 20_000, seed=4):
        assert language._plain(text) == language.NOISE.sub(" ", text) or not text.strip(), repr(text)
        assert language._letters(text) == len(language.NO_LETTERS.sub("", text)), repr(text)


@pytest.mark.parametrize("most", [3, 100_000])
def test_counts_and_ranks_are_numpys(most):
    values = np.random.default_rng(5).integers(0, most, 20_000).astype(np.uint64)
    for ours, theirs in zip(counted(values), np.unique(values, return_counts=True), strict=True):
        assert (ours == theirs).all()
    for n in (1, 7, len(values)):
        assert _nth_largest(values.astype(np.int64), n) == np.sort(values)[-n]
    assert [len(part) for part in counted(values[:0])] == [0, 0]


def test_the_audit_makes_no_corpus_anew(monkeypatch):
    from pathlib import Path

    before, read = _code_hash(), Path.read_bytes
    changed: list[str] = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"#" if changed[0] in path.as_posix() else b""))
    for folder, decides in (("/audit/", False), ("/remote/", False), ("/clean/", True), ("/work.py", True)):
        changed[:] = [folder]
        assert (_code_hash() != before) is decides, folder
