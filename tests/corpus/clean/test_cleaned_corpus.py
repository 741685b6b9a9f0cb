"""Cleaning inside a preparation: counted, nothing personal in any artefact, the same documents held out."""

import json

import pyarrow.parquet as pq
import pytest

from idiolect.corpus.documents import read, read_column
from idiolect.corpus.split import SPLITS

SECRET = "jane.doe@private.example.net"
TEXTS = [f"The {w} Cats were Running past house number {n}, again and again." for n, w in enumerate(
    "red blue green grey white black brown pink old new tall small wide thin odd".split())]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "texts").mkdir()
    for n, text in enumerate(TEXTS):
        (tmp_path / "texts" / f"{n:02}.txt").write_text(text + (f" Write to {SECRET}." if n < 3 else ""))
    return tmp_path / "texts"


def everything_in(out) -> str:
    """All that a preparation left, as text."""
    tables = [pq.read_table(path).to_pydict() for path in sorted(out.glob("*.parquet"))]
    return json.dumps(tables, default=str) + (out / "audit.json").read_text()


def test_what_is_found_is_counted_and_what_is_masked_is_nowhere(prepared, folder):
    audit, kept, out = prepared(text=[folder], pii={"mail": "mask"})
    assert audit["pii"] == {"mail": {"found": 3, "documents": 3, "action": "mask"}}
    assert SECRET not in everything_in(out)
    assert sum("[mail address]" in d.text for d in kept["train"]) == 3


def test_what_is_kept_shows_in_no_sample(prepared, folder):
    audit, kept, out = prepared(text=[folder], min_characters=75)
    assert audit["pii"]["mail"] == {"found": 3, "documents": 3, "action": "keep"}
    assert sum(SECRET in d.text for d in kept["train"]) == 3
    assert SECRET not in (out / "audit.json").read_text()
    assert SECRET not in str(pq.read_table(out / "dropped.parquet").to_pydict())


def test_what_drops_a_document_shows_nowhere(prepared, folder):
    audit, kept, out = prepared(text=[folder], pii={"mail": "drop"})
    assert audit["dropped"]["pii"]["documents"] == 3 and len(kept["train"]) == len(TEXTS) - 3
    assert SECRET not in everything_in(out)


@pytest.mark.parametrize("settings", [{"lowercase": True}, {"stem": True}, {"remove_stop_words": True}])
def test_transforms_hold_out_the_same_documents_and_keep_their_bytes(prepared, folder, settings):
    pytest.importorskip("snowballstemmer"), pytest.importorskip("stop_words")
    shares = {"validation_fraction": 0.2, "test_fraction": 0.2, "language": "en"}
    _, plain, plain_out = prepared(text=[folder], **shares)
    audit, made, out = prepared(text=[folder], clean=settings, **shares)
    assert audit["transformed"] == {"made": list(settings), "left_as_they_are": []}
    for split in SPLITS:
        assert [d.id for d in made[split]] == [d.id for d in plain[split]]
        assert list(read_column(out, split, "original_bytes")) == [len(d.text.encode()) for d in read(plain_out, split)]
        assert all(a.text != b.text for a, b in zip(made[split], plain[split], strict=True))


def test_what_is_cut_out_counts_in_no_bits_per_byte(prepared, tmp_path):
    """A model prices what is left, so the bytes of repeated lines would flatter it."""
    for n in range(20):
        (tmp_path / f"{n:02}.txt").write_text(f"the same line stands in each of them\nand number {n * n} has its own")
    lines = {"action": "all", "min_characters": 1}
    audit, made, out = prepared(text=[tmp_path], dedup={"lines": lines, "near": {"action": "off"}})
    assert audit["cuts"]["line"]["documents"] == 20
    assert list(read_column(out, "train", "original_bytes")) == [len(d.text.encode()) for d in made["train"]]


def test_what_a_transform_leaves_nothing_of_is_dropped_and_what_it_can_not_do_is_said(prepared, tmp_path):
    for n, text in enumerate(("!!! ...", "a b c", "d e f")):
        (tmp_path / f"{n}.txt").write_text(text)
    pytest.importorskip("snowballstemmer")
    audit, kept, _ = prepared(text=[tmp_path / "*.txt"], clean={"remove_punctuation": True, "stem": True})
    assert audit["dropped"]["empty"]["documents"] == 1 and len(kept["train"]) == 2
    (left,) = audit["transformed"]["left_as_they_are"]
    assert (left["transform"], left["documents"]) == ("stem", 3) and left["language"] in ("", "und")
