"""Only the first documents of each name: which they are, and that neither engines nor kills change them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus import gather, packs, parts
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import find
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress


@pytest.fixture
def folder(tmp_path):
    """Five files of 40 documents each, tables of two kinds."""
    (tmp_path / "texts").mkdir()
    for n in range(5):
        rows = [{"text": f"row {i} of file {n}", "other": "x"} for i in range(40)]
        if n % 2:
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "texts" / f"{n}.parquet", row_group_size=8)
        else:
            (tmp_path / "texts" / f"{n}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "texts"


def texts(kept) -> list[str]:
    return [d.text for d in kept["train"]]


@pytest.mark.parametrize("n", [1, 39, 40, 41, 97, 200, 500])
def test_the_first_documents_are_those_of_a_reading_without_a_bound(prepared, folder, n):
    _, everything, _ = prepared(text=[folder])
    audit, kept, _ = prepared(text=[folder], first_documents=n)
    assert texts(kept) == texts(everything)[:n] and len(texts(everything)) == 200
    assert audit["read"]["documents"] == min(n, 200)


def test_each_name_has_its_own_bound(prepared, folder):
    _, kept, _ = prepared(text=[folder / "0.jsonl", folder / "1.parquet"], first_documents=3)
    assert texts(kept) == [f"row {i} of file {n}" for n in (0, 1) for i in range(3)]


def test_what_is_held_out_by_name_is_read_whole(prepared, folder):
    _, kept, _ = prepared(text=[folder / "0.jsonl"], validation_text=(str(folder / "1.parquet"),), first_documents=3)
    assert (len(kept["train"]), len(kept["validation"])) == (3, 40)


def test_a_source_may_have_a_bound_of_its_own(folder):
    sources = (
        {"name": "a", "text": (str(folder / "0.jsonl"),), "first_documents": 2, "licence": "unknown"},
        {"name": "b", "text": (str(folder / "2.jsonl"),), "licence": "unknown"},
    )
    assert [file.first for file in find(CorpusConfig(sources=sources)).files] == [2, 0]


def test_by_position_the_bound_is_what_is_divided(prepared, folder):
    _, kept, _ = prepared(
        text=[folder / "1.parquet"], first_documents=20, split_by="position", validation_fraction=0.1, test_fraction=0.1
    )
    assert [len(kept[split]) for split in ("train", "validation", "test")] == [16, 2, 2]
    assert kept["test"][-1].text == "row 19 of file 1"


def test_files_of_one_bound_stay_in_one_lot(folder, monkeypatch):
    monkeypatch.setattr(gather, "LOT_BYTES", 1)
    for first, lots in ((0, 5), (50, 1)):
        found = find(CorpusConfig(text=(str(folder),), engine="ray", first_documents=first))
        assert len(gather.lots_of(found, len(found.files))) == lots


@pytest.mark.parametrize("stop_after", [0, 1, 2, 3])
def test_a_killed_preparation_goes_on_to_the_same_bound(folder, tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    monkeypatch.setattr(packs, "PACK_ROWS", 30)
    config = CorpusConfig(text=(str(folder),), first_documents=97, validation_fraction=0.0, test_fraction=0.0)
    (tmp_path / "whole").mkdir()
    prepare(config, tmp_path / "whole", Progress.silent())
    closed = []

    def killed(self, writer, *, last):
        closed.append(finish(self, writer, last=last))
        if len(closed) > stop_after:
            raise KeyboardInterrupt

    finish = parts.Parts.close
    monkeypatch.setattr(parts.Parts, "close", killed)
    (tmp_path / "again").mkdir()
    with pytest.raises(KeyboardInterrupt):
        prepare(config, tmp_path / "again", Progress.silent(), tmp_path / "work")
    monkeypatch.setattr(parts.Parts, "close", finish)
    prepare(config, tmp_path / "again", Progress.silent(), tmp_path / "work")
    for name in ("train.parquet", "audit.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_look_without_a_bound_is_as_before(folder):
    assert {(file.first, file.quota) for file in find(CorpusConfig(text=(str(folder),))).files} == {(0, "")}
