"""Documents of a prepared corpus, looked up."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus.audit.lookup import DROPPED, Wanted, check, documents, sample
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.split import SPLITS
from idiolect.errors import DataError, RecipeError


def row(number: int, text: str = "", source: str = "books/emma.txt", language: str = "en") -> dict:
    return {"id": f"{number:04}", "text": text or f"document {number}", "source": source, "licence": "CC0-1.0",
            "language": language, "label": ""}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Two thousand and a few documents."""
    splits = {
        "train": [row(n) for n in range(2000)],
        "validation": [row(5000, source="books", language="de"), row(5001, "A Colour, or two", source="booksellers/a")],
        "test": [row(6000, "colour")],
    }
    for split in SPLITS:
        pq.write_table(pa.Table.from_pylist(splits[split], SCHEMA), tmp_path / f"{split}.parquet")
    dropped = [{"reason": reason, **row(7000 + n)} for n, reason in enumerate(("duplicate", "too_short", "duplicate"))]
    schema = pa.schema([pa.field("reason", pa.string()), *SCHEMA])
    pq.write_table(pa.Table.from_pylist(dropped, schema), tmp_path / "dropped.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(split="test"), ["6000"]),
        (Wanted(reason="duplicate"), ["7000", "7002"]),
        (Wanted(split=DROPPED), ["7000", "7001", "7002"]),
        (Wanted(source="books", language="de"), ["5000"]),
        (Wanted(source="booksellers"), ["5001"]),
        (Wanted(search="(?i)colou?r"), ["5001", "6000"]),
        (Wanted(search="^colour$"), ["6000"]),
        (Wanted(id="7001"), ["7001"]),
        (Wanted(id="0007"), ["0007"]),
        (Wanted(search="nothing like it"), []),
    ],
)
def test_what_is_asked_for_is_found_and_nothing_else(folder, wanted, ids):
    assert [found["id"] for found in documents(folder, wanted)] == ids


def test_a_source_is_no_prefix_of_another(folder):
    assert len(list(documents(folder, Wanted(source="books")))) == 2002
    assert len(list(documents(folder, Wanted(source="book")))) == 0


def test_a_sample_is_decided_by_content_and_seed(folder):
    rows = list(documents(folder, Wanted(split="train")))
    one = sample(iter(rows), 5, seed=1)
    assert one == sample(iter(rows), 5, seed=1) and len({r["id"] for r in one}) == 5
    assert [r["id"] for r in one] != [r["id"] for r in sample(iter(rows), 5, seed=2)]
    reordered = sample(reversed(rows), 5, seed=1)
    assert sorted(r["id"] for r in reordered) == sorted(r["id"] for r in one)
    assert sample(iter(rows[:3]), 5, seed=1) == rows[:3]
    # Fair: over many seeds the mean place of what is drawn is the middle.
    places = [int(r["id"]) for seed in range(60) for r in sample(iter(rows), 10, seed)]
    assert abs(sum(places) / len(places) - 999.5) < 4 * 577 / len(places) ** 0.5


def test_what_can_not_be_asked_says_why(folder):
    audit = {"dropped": {"duplicate": {}}}
    for wanted, complaint in (
        (Wanted(split="tset"), "is no split"),
        (Wanted(reason="ugly"), "nothing was dropped as ugly"),
        (Wanted(search="(a"), "not a regular expression"),
        (Wanted(search="(?=a)"), "not a regular expression"),
    ):
        with pytest.raises(RecipeError, match=complaint) as raised:
            check(wanted, audit)
        assert raised.value.why and raised.value.fix
    check(Wanted(split="train", reason="duplicate", search="(a+)+$"), audit)


def test_an_expression_that_hangs_others_is_answered_at_once(folder):
    assert list(documents(folder, Wanted(search="(d+)+x$"))) == []


def test_missing_and_damaged_files_are_named(folder):
    (folder / "test.parquet").write_bytes(b"PAR1nonsense")
    with pytest.raises(DataError, match="damaged"):
        list(documents(folder, Wanted(split="test")))
    (folder / "test.parquet").unlink()
    with pytest.raises(DataError, match="missing"):
        list(documents(folder, Wanted(split="test")))
