"""What long texts out of books, pages and PDFs become: several documents, the same ones however they are worked."""

import shutil
import zipfile

import pytest

from idiolect import faults
from idiolect.corpus import parts
from idiolect.corpus.clean.pages import PAGE_END
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import read
from idiolect.corpus.extract import as_payload, text_of
from idiolect.corpus.extract.pdf import flowing
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress

pytest.importorskip("resiliparse")
HELD_OUT = {"validation_fraction": 0.1, "test_fraction": 0.1}
CHAPTER = "<body>" + "".join(f"<p>Sentence {i} of a tale that is told.</p>" for i in range(3000)) + "</body>"


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "tale.epub"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>',
        )
        item = '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        archive.writestr("p.opf", f'<package>{item}<itemref idref="a"/></package>')
        archive.writestr("a.xhtml", CHAPTER)
    return path


def whole(path) -> str:
    return text_of("epub", as_payload(path.read_bytes()))


def test_a_lone_book_is_divided_held_out_and_lost_nowhere(prepared, book):
    audit, splits, _ = prepared(text=[book], dedup={"documents": False, "near": {"action": "off"}}, **HELD_OUT)
    documents = [d for split in splits.values() for d in split]
    assert splits["validation"] and splits["test"]
    assert len({d.id for d in documents}) == len(documents) == audit["read"]["documents"] > 50
    assert sum(len(d.text) for d in documents) == len(whole(book))
    text = whole(book)
    assert all(d.text in text for d in documents)


def test_by_position_the_end_of_a_book_is_held_out(prepared, book):
    _, splits, _ = prepared(text=[book], split_by="position", dedup={"documents": False}, **HELD_OUT)
    joined = ["".join(d.text for d in splits[name]) for name in ("train", "validation", "test")]
    assert "".join(joined) == whole(book)
    assert len(joined[1]) == pytest.approx(0.1 * len(whole(book)), abs=2)


def test_a_book_stays_whole_when_asked(prepared, book):
    _, splits, _ = prepared(text=[book], documents="whole")
    assert [d.text for d in splits["train"]] == [whole(book)]


def test_workers_and_a_stop_between_pieces_change_nothing(tmp_path, book, monkeypatch):
    folder = tmp_path / "books"
    folder.mkdir()
    for n in range(4):
        shutil.copy(book, folder / f"{n}.epub")
    (folder / "a.txt").write_text("A text of its own. " * 2000)
    config = CorpusConfig(text=(str(folder),), dedup={"documents": False, "near": {"action": "off"}}, **HELD_OUT)
    out = [tmp_path / name for name in ("one", "two")]
    for path in out:
        path.mkdir()
    prepare(config, out[0], Progress.silent())
    monkeypatch.setattr(parts, "PART_BYTES", 1)

    class Stopped(Exception):
        pass

    stops = iter([False, True] * 10)

    def reached(name):
        if name == "corpus.after_part" and next(stops, False):
            raise Stopped

    monkeypatch.setattr(faults, "reached", reached)
    n_stops = 0
    while True:
        try:
            prepare(config, out[1], Progress.silent())
            break
        except Stopped:
            n_stops += 1
    assert n_stops >= 2
    for name in ("train.parquet", "validation.parquet", "test.parquet", "dropped.parquet", "audit.json"):
        assert (out[0] / name).read_bytes() == (out[1] / name).read_bytes(), name
    ids = [d.id for split in ("train", "validation", "test") for d in read(out[0], split)]
    assert len(set(ids)) == len(ids)


def test_pages_of_a_pdf_can_be_told_apart_until_their_lines_were_looked_at(prepared, shared):
    pytest.importorskip("pypdf")
    path = shared("pdf/pypdf-GeoTopo-komprimiert.pdf")
    raw = text_of("pdf", as_payload(path.read_bytes()))
    assert raw.count(PAGE_END) > 50 and PAGE_END not in flowing(raw)
    texts = []
    for repeated in (False, True):
        clean = {"repeated_lines": repeated, "repeated_on_pages": 0.02}
        audit, splits, _ = prepared(text=[path], documents="whole", clean=clean)
        texts.append(splits["train"][0].text)
    assert PAGE_END not in "".join(texts)
    assert audit["cleaned"]["places"]["repeated_lines"] > 20 and len(texts[1]) < len(texts[0])
