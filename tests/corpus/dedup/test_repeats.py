"""Copies, repeated lines, paragraphs and passages: against brute force over the same texts."""

import gzip
import json
import random
from dataclasses import fields

import numpy as np
import pytest

from idiolect.corpus.dedup import buckets
from idiolect.corpus.dedup.config import DedupConfig, LinesConfig, NearConfig, ParagraphsConfig, SubstringsConfig
from idiolect.corpus.dedup.cuts import take_out, without
from idiolect.corpus.dedup.decide import decide
from idiolect.corpus.dedup.decisions import Decisions
from idiolect.corpus.dedup.lines import line_spans, paragraph_spans
from idiolect.corpus.dedup.substrings import fingerprints, sizes

OFF = NearConfig(action="off")


def arrays(decisions):
    return {f.name: np.asarray(getattr(decisions, f.name)).tolist() for f in fields(Decisions)}


def messy(rng, n=300):
    """Texts made of few lines, paragraphs and passages, so that everything repeats; every eighth is a copy."""
    passages = [" ".join(rng.choice("abcdefghij") * rng.randrange(1, 4) for _ in range(30)) for _ in range(40)]
    lines = [f"this is line {i} of them all" for i in range(60)]
    texts = []
    for _ in range(n):
        if texts and rng.random() < 0.125:
            texts.append(" " + rng.choice(texts) + "\n")
            continue
        pieces = [rng.choice([rng.choice(passages), rng.choice(lines), f"own {rng.random()}"]) for _ in range(8)]
        texts.append("".join(p + rng.choice([" ", "\n", "\n\n"]) for p in pieces))
    return texts


def test_the_first_of_equal_documents_is_kept(decided):
    found = decided(["a b", "c", "a  b\n", "a b", "c "], DedupConfig(near=OFF))
    assert [found.reason(i) for i in range(5)] == ["", "", "duplicate", "duplicate", "duplicate"]
    assert found.original.tolist() == [0, 1, 0, 0, 1]
    assert found.pairs("duplicate", 2, seed=1) == found.pairs("duplicate", 2, seed=1)
    assert len({tuple(found.pairs("duplicate", 2, seed=s)) for s in range(20)}) > 1


def test_documents_already_dropped_take_part_in_nothing(decided):
    found = decided(["a b", "a b", "a b"], DedupConfig(near=OFF), reasons=["too_short", "", ""])
    assert [found.reason(i) for i in range(3)] == ["", "", "duplicate"] and found.original[2] == 1


def test_off_is_off(decided):
    config = DedupConfig(documents=False, near=OFF)
    assert not any(decided(["a b", "a b"], config).summary().values())


EVERYTHING = DedupConfig(
    near=NearConfig(min_words=5),
    lines=LinesConfig(action="repeats", max_repeats=2),
    paragraphs=ParagraphsConfig(action="repeats", min_characters=30),
    substrings=SubstringsConfig(action="remove", words=12, max_share=0.9),
)


def test_the_division_into_parts_and_the_memory_change_nothing(decided, monkeypatch):
    texts = messy(random.Random(1))
    splits = [random.Random(i).choice(["train", "validation"]) for i in range(len(texts))]
    whole = arrays(decided(texts, EVERYTHING, part=10_000, splits=splits))
    assert whole["lines"] and whole["paragraphs"] and whole["passages"] and sum(whole["verdict"])
    assert arrays(decided(texts, EVERYTHING, part=40, splits=splits)) == whole
    monkeypatch.setattr(buckets.Buckets.__init__, "__defaults__", (buckets.Buckets.__init__.__defaults__[0], 1000))
    assert arrays(decided(texts, EVERYTHING, part=101, splits=splits)) == whole


def test_finished_decisions_are_taken_and_half_finished_ones_made_again(tmp_path, decided):
    (tmp_path / "dedup0" / "tables" / "bands").mkdir(parents=True)
    (tmp_path / "dedup0" / "tables" / "bands" / "000").write_bytes(b"half a record")
    (tmp_path / "dedup0" / "decisions.tmp").mkdir()
    first = arrays(decided(["a b", "a b"], DedupConfig()))
    assert first["verdict"] == [0, 1] and not (tmp_path / "dedup0" / "tables").exists()
    assert arrays(decide(iter(()), DedupConfig(), tmp_path / "dedup0")) == first


def brute_lines(texts, spans_of, config):
    places = {}
    for d, text in enumerate(texts):
        for i, (start, end) in enumerate(spans_of(text)):
            piece = " ".join(text[start:end].split())
            if len(text[start:end].strip()) >= config.min_characters:
                places.setdefault(piece, []).append((d, i))
    n = config.max_repeats
    gone = [p[n:] if config.action == "repeats" else p for p in places.values() if len(p) > n]
    return sorted(place for found in gone for place in found)


@pytest.mark.parametrize("action", ["repeats", "all"])
@pytest.mark.parametrize("max_repeats", [1, 3])
@pytest.mark.parametrize("kind", ["lines", "paragraphs"])
def test_lines_and_paragraphs_as_a_dictionary_finds_them(decided, kind, action, max_repeats):
    texts = messy(random.Random(2), n=120)
    cls, spans_of = {"lines": (LinesConfig, line_spans), "paragraphs": (ParagraphsConfig, paragraph_spans)}[kind]
    config = cls(action=action, max_repeats=max_repeats, min_characters=25)
    found = decided(texts, DedupConfig(documents=False, near=OFF, **{kind: config}))
    ours = [(d, int(i)) for d in range(len(texts)) for i in getattr(found.cut(d), kind)]
    expected = brute_lines(texts, spans_of, config)
    assert ours == expected and expected


def brute_passages(texts, n):
    """[(document, word)] of every word that lies in a run of n words which has stood before."""
    seen, gone = set(), set()
    for d, text in enumerate(texts):
        words = text.split()
        for i in range(len(words) - n + 1):
            run = tuple(words[i : i + n])
            if run in seen:
                gone |= {(d, j) for j in range(i, i + n)}
            seen.add(run)
    return gone


@pytest.mark.parametrize("n", [8, 13, 50])
def test_passages_as_brute_force_finds_them(decided, n):
    rng = random.Random(n)
    stock = [[f"w{rng.randrange(300)}" for _ in range(n * 4)] for _ in range(15)]
    texts = []
    for _ in range(80):
        words = []
        for _ in range(5):
            source = rng.choice(stock)
            at = rng.randrange(len(source))
            words += source[at : at + rng.randrange(2 * n)] + [
                f"w{rng.randrange(300)}" for _ in range(rng.randrange(n))
            ]
        # Periodic text is where minima tie.
        words += ["again", "and"] * rng.choice([0, 0, n])
        texts.append(" ".join(words))
    config = DedupConfig(
        documents=False, near=OFF, substrings=SubstringsConfig(action="remove", words=n, max_share=1.0)
    )
    found = decided(texts, config)
    ours = {(d, j) for d in range(len(texts)) for a, b in found.cut(d).words for j in range(a, b)}
    expected = brute_passages(texts, n)
    assert ours == expected and len(expected) > 100


def test_every_shared_run_leaves_a_shared_fingerprint():
    rng = np.random.default_rng(3)
    config = SubstringsConfig(words=20)
    gram, window = sizes(config)
    assert gram + window - 1 == 20
    for _ in range(200):
        shared = rng.integers(0, 5, 20, dtype=np.uint32)
        a, b = (
            np.concatenate([rng.integers(0, 5, rng.integers(0, 40), dtype=np.uint32), shared, own]).astype(np.uint32)
            for own in (rng.integers(0, 5, 17, dtype=np.uint32), rng.integers(0, 5, 3, dtype=np.uint32))
        )
        assert set(fingerprints(a, config)[0].tolist()) & set(fingerprints(b, config)[0].tolist())


def test_a_mostly_repeated_document_is_dropped_and_what_only_it_had_first_stays_elsewhere(decided):
    def text(name, n):
        return " ".join(f"{name}{i}" for i in range(n))

    first, mixed, last = text("a", 60), text("a", 60) + " " + text("b", 20), text("b", 20) + " " + text("c", 60)
    config = DedupConfig(near=OFF, substrings=SubstringsConfig(action="remove", words=10, max_share=0.5))
    found = decided([first, mixed, last], config)
    assert [found.reason(i) for i in range(3)] == ["", "repeated_text", ""]
    assert not found.cut(2), "the document that had b first is gone"
    lenient = DedupConfig(near=OFF, substrings=SubstringsConfig(action="remove", words=10, max_share=0.9))
    assert decided([first, mixed, last], lenient).cut(2).words.tolist() == [[0, 20]]


def test_lines_are_counted_among_kept_documents_only(decided):
    line = "a line that is quite long indeed"
    config = DedupConfig(near=OFF, lines=LinesConfig(action="repeats"))
    found = decided([f"{line}\nx", f"{line}\nx", f"{line}\ny"], config)
    assert not found.cut(1) and found.cut(2).lines.tolist() == [0]


def test_what_is_left_is_joined_cleanly(decided):
    line = "Subscribe to our newsletter today"
    substrings = SubstringsConfig(action="remove", words=8, max_share=1.0)
    config = DedupConfig(near=OFF, lines=LinesConfig(action="all"), substrings=substrings)
    passage = "one two three four five six seven eight"
    texts = [
        f"Title\n\n{line}\n\nBody.\n",
        f"def f():\n{line}\n    return 1\n",
        f"Before: {passage}.",
        f'He said "{passage}!" And left.\n',
        f"{line}\nrest",
    ]
    found = decided(texts, config)
    out = [take_out(text, found.cut(i)) for i, text in enumerate(texts)]
    assert [text for text, _ in out] == [
        "Title\n\nBody.\n",
        "def f():\n    return 1\n",
        f"Before: {passage}.",
        'He said " And left.\n',
        "rest",
    ]
    assert out[3][1] == {"passage": len(passage) + 2} and out[2][1] == {}


def test_spans_may_touch_overlap_and_cover_everything():
    assert without("abc def ghi", [(4, 8), (6, 11)]) == "abc"
    assert without("abc def ghi", [(0, 4), (4, 7)]) == "ghi"
    assert without("abc", [(0, 3)]) == ""
    assert without("a\n\n\n\nb\n\n\nc", [(5, 6)]) == "a\n\nc"
    assert without("  a b", []) == "  a b"


def test_bbc_and_imdb_have_the_copies_they_are_known_for(shared, decided):
    # Two more of BBC's articles are equal but for white space.
    for name, expected in (("bbc-news/bbc.jsonl.gz", 98 + 2), ("imdb/train.jsonl.gz", 96)):
        with gzip.open(shared(name), "rt", encoding="utf-8", newline="\n") as file:
            texts = [json.loads(line)["text"] for line in file]
        assert len(texts) - len(set(texts)) == {100: 98}.get(expected, expected)
        assert decided(texts, DedupConfig(near=OFF)).summary()["duplicate"] == expected
