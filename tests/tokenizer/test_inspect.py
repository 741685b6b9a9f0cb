"""The tokenizer's figures, against counting by hand."""

import pytest

from idiolect.tokenizer.inspect import inspect
from tests.tokenizer.tokenizer_samples import LOSSLESS, LOSSY, made


def test_figures_of_bytes_are_known():
    found = inspect(made(LOSSLESS[0]), ["caf\u00e9 au lait", "aa"])
    assert (found["documents"], found["bytes"], found["characters"], found["tokens"]) == (2, 15, 14, 15)
    assert found["bytes_per_token"] == 1.0 and found["fertility"] == pytest.approx(15 / 4)
    assert found["vocabulary_used"] == pytest.approx(10 / 256) and found["n_unseen"] == 246
    assert found["most_frequent"][0] == {"id": ord("a"), "token": "a", "count": 5}
    assert found["unknown"] == 0.0 and found["examples"][1] == ["a", "a"]


def test_longest_and_examples():
    tokenizer = made(LOSSLESS[1])
    found = inspect(tokenizer, ["The cat sat on the mat."], n_listed=3)
    assert len(found["longest"]) == len(found["unseen"]) == 3
    pieces = [tokenizer.token_text(i) for i in tokenizer.encode("The cat sat on the mat.")]
    assert len(found["longest"][0]["token"]) == max(map(len, pieces))
    assert "".join(found["examples"][0]) == "The cat sat on the mat."


def test_unknown_share_and_nothing_at_all():
    assert inspect(made(LOSSY[1]), ["zyx zyx"])["unknown"] == 1.0
    empty = inspect(made(LOSSLESS[1]), [])
    assert empty["tokens"] == 0 and empty["bytes_per_token"] is None and empty["vocabulary_used"] == 0.0
