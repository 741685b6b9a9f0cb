"""Long texts become documents by the stated rule, wherever the blocks of the stream happen to end."""

import itertools
import random

import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule, divide, lines_of
from idiolect.corpus.split import cuts, sections

TEXT = "One two three. Four five.\nsix\n\nseven eight\n \n\nnine\u2028ten\x85\r\neleven" + "\n".join(
    "abc " * 9 for _ in range(40)
)


def in_blocks(text: str, seed: int) -> list[str]:
    places = sorted(random.Random(seed).choices(range(len(text) + 1), k=9))
    return [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)])]


def rule(kind: str, size: int = 60, separator: str = "six", start: str = "^s") -> Rule:
    return Rule(kind, size, separator, start)


@pytest.mark.parametrize("kind", ["whole", "size", "line", "blank_lines", "separator", "starts"])
@pytest.mark.parametrize("seed", range(5))
def test_blocks_do_not_matter(kind, seed):
    whole = list(divide([TEXT], rule(kind)))
    if kind == "size":
        # Only the place of each cut may depend on how far the reader has looked; nothing may be lost.
        assert "".join(divide(in_blocks(TEXT, seed), rule(kind))) == TEXT
    else:
        assert list(divide(in_blocks(TEXT, seed), rule(kind))) == whole


@pytest.mark.parametrize("kind", ["whole", "size", "starts"])
def test_lossless_rules_lose_nothing(kind):
    pieces = list(divide(in_blocks(TEXT, 1), rule(kind)))
    assert "".join(pieces) == TEXT
    if kind == "size":
        assert len(pieces) > 10 and max(map(len, pieces)) < 2 * 60 + 2


def test_lines_end_at_newlines_only():
    assert list(lines_of(["a\u2028b\x85c\x0bd\n\n", "e"])) == ["a\u2028b\x85c\x0bd", "", "e"]


def test_separators_and_paragraphs():
    assert list(divide(["a<|endo", "ftext|>\nb<|endoftext|>c"], Rule("separator", 9, "<|endoftext|>", ""))) == [
        "a",
        "b",
        "c",
    ]
    assert list(divide(["a\nb\n \n\nc\n"], rule("blank_lines"))) == ["a\nb", "c"]
    assert list(divide(["one<|endoftext|>\ntwo\n"], Rule("auto", 9, "", ""))) == ["one", "two"]


def test_wikitext_articles_start_at_titles_and_not_at_headings():
    text = " \n = Title = \n text \n = = Heading = = \n more \n = Other = \n end \n"
    assert list(divide([text], Rule("starts", 0, "", "^ = [^=].* = $"))) == [
        " \n",
        " = Title = \n text \n = = Heading = = \n more \n",
        " = Other = \n end \n",
    ]


def test_a_catastrophic_pattern_is_linear():
    assert list(divide(["a" * 100_000 + "!\n"], Rule("starts", 0, "", "^(a+)+$")))


def test_position_cuts_are_exact():
    config = CorpusConfig(validation_fraction=0.1, test_fraction=0.0)
    assert cuts(1_115_394, config) == (1_003_854, 1_115_394)
    halves = CorpusConfig(validation_fraction=0.25, test_fraction=0.25)
    for seed in range(5):
        got = {name: "".join(blocks) for name, blocks in sections(in_blocks(TEXT, seed), cuts(len(TEXT), halves))}
        n = len(TEXT)
        assert got["train"] == TEXT[: n // 2] and got["train"] + got["validation"] + got["test"] == TEXT


@pytest.mark.parametrize("kind", ["whole", "line", "separator", "blank_lines", "starts"])
def test_of_a_document_without_end_no_more_is_held_than_shows_it(kind):
    n_blocks, largest = 2000, 0
    long = "".join("x y\n" if kind in ("blank_lines", "starts") else "x y " for _ in range(64))

    def endless():
        for _ in range(n_blocks):
            yield long
        yield {"line": "\n", "blank_lines": "\n\n", "separator": "<|endoftext|>", "starts": "= T =\n"}.get(kind, "")
        yield "short"

    asked = Rule(kind, 9, "<|endoftext|>", "^= T =$", most=1000)
    found = list(divide(endless(), asked))
    largest = max(map(len, found))
    assert 1000 < len(found[0]) == largest < 1000 + 2 * len(long)
    assert [text[-5:] for text in found[1:]] == ([] if kind == "whole" else ["short"])


def test_a_document_that_is_too_long_to_be_held_is_named_and_the_others_kept(prepared, tmp_path):
    (tmp_path / "a.txt").write_text("first\n" + "long " * 1000 + "\nlast\n")
    audit, splits, _ = prepared(text=[tmp_path / "a.txt"], documents="line", formats={"max_document_bytes": 1024})
    assert [d.text for d in splits["train"]] == ["first", "last"]
    assert audit["skipped_files"] == [
        {"file": "a.txt", "reason": "document 2: it is longer than max_document_bytes = 1,024; "
         "documents = size would divide it"},
    ]  # fmt: skip
    assert audit["read"]["documents"] == 3 and audit["dropped"]["bad_row"]["documents"] == 1
