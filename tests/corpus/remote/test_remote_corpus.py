"""From an address to documents: the whole preparation with text that lies elsewhere."""

import json
from pathlib import Path

import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import find
from idiolect.corpus.fingerprint import fingerprint_of
from idiolect.corpus.prepare import prepare
from idiolect.corpus.remote import catalogue
from idiolect.corpus.remote import resolve as resolving
from idiolect.progress import Progress

from .conftest import reply

PAGE = b"<html><body><article><p>%s</p></article></body></html>" % (b"A sentence that tells something of note. " * 20)


class Listening(Progress):
    def __init__(self):
        super().__init__(quiet=True)
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def anew():
    resolving.forget()


def test_pages_and_lists_become_documents_with_their_origin(site, config, prepared, tmp_path):
    site.pages["/page.php"] = lambda handler, _: reply(handler, PAGE, Content_Type="text/html")
    site.pages["/books/a.txt"] = b"the text of a book"
    names = tmp_path / "list.txt"
    names.write_text(f"{site.url('/books/a.txt')}\n{site.url('/gone')}\n")
    entries = (site.url("/page.php"), f"urls:{names}")
    audit, kept, _ = prepared(text=entries, fetch=config(), licence="CC-BY-4.0")
    found = {d.source: d for d in kept["train"]}
    assert set(found) == {f"{site.host}/page.php", f"{site.host}/books/a.txt"}
    assert found[f"{site.host}/books/a.txt"].text == "the text of a book"
    assert "tells something" in found[f"{site.host}/page.php"].text and "<p>" not in found[f"{site.host}/page.php"].text
    assert [(s["file"], "404" in s["reason"]) for s in audit["skipped_files"]] == [(f"{site.host}/gone", True)]
    assert {d.licence for d in kept["train"]} == {"CC-BY-4.0"}
    assert {d.origin for d in kept["train"]} == {site.url("/page.php"), site.url("/books/a.txt")}


def test_the_fingerprint_asks_once_and_sees_content_alone(site, config):
    site.pages["/a.txt"] = b"the text of a book"
    settings = CorpusConfig(text=(site.url("/a.txt"),), fetch=config())
    first = fingerprint_of(settings)
    asked = len(site.requests)
    resolving.forget()
    assert fingerprint_of(settings) == first and len(site.requests) == asked
    assert fingerprint_of(settings.model_copy(update={"fetch": config(parallel_hosts=2, contact="me")})) == first
    site.pages["/a.txt"] = b"another text"
    resolving.forget()
    changed = fingerprint_of(settings.model_copy(update={"fetch": config(refresh="always")}))
    assert changed["files"] != first["files"]


def test_a_catalogued_corpus_brings_its_licence_and_how_it_is_read(site, config, monkeypatch, tmp_path):
    site.pages["/a.txt"] = b"one line of text\n" * 50
    row = catalogue.Corpus(
        "mine", "A title", "en", "CC0-1.0", "tests", files=[{"url": site.url("/a.txt")}],
        settings={"documents": "line", "split_by": "position"},
    )  # fmt: skip
    monkeypatch.setattr(catalogue, "rows", lambda: {"mine": row})
    settings = CorpusConfig(text=("catalogue:mine",), fetch=config())
    found = find(settings)
    own = found.settings[found.files[0].settings]
    assert (own.documents, own.split_by, found.files[0].licence) == ("line", "position", "CC0-1.0")
    stated = find(settings.model_copy(update={"documents": "whole"}))
    assert stated.settings[stated.files[0].settings].documents == "whole"
    assert fingerprint_of(settings)["adapted"] == [{"documents": "line", "split_by": "position"}]
    listening = Listening()
    (tmp_path / "out").mkdir()
    audit = prepare(settings, tmp_path / "out", listening)
    assert set(audit["licences"]) == {"CC0-1.0"} and not any("licence" in w for w in listening.warnings)


@pytest.mark.parametrize(("said", "recorded"), [("", "not stated"), ("unknown", "unknown"), ("MIT", "MIT")])
def test_a_licence_that_nobody_states_is_asked_for_in_one_line(tmp_path, said, recorded):
    (tmp_path / "mine").mkdir()
    for name in "abcd":
        (tmp_path / "mine" / f"{name}.txt").write_text(f"the text of {name}")
    settings = {"licence": said} if said else {}
    (tmp_path / "out").mkdir()
    listening = Listening()
    wanted = CorpusConfig(text=(str(tmp_path / "mine"),), validation_fraction=0.0, test_fraction=0.0, **settings)
    audit = prepare(wanted, tmp_path / "out", listening)
    warned = [text for text in listening.warnings if "licence" in text]
    assert set(audit["licences"]) == {recorded} and len(warned) == (not said)
    assert all("--corpus.licence=unknown" in text and "mine" in text for text in warned)


def test_downloads_are_no_text_of_the_folder_they_lie_in(site, config, tmp_path):
    site.pages["/a.txt"] = b"fetched"
    (tmp_path / "own.txt").write_text("own")
    find(CorpusConfig(text=(site.url("/a.txt"),), fetch=config()))
    assert Path(config().cache).is_relative_to(tmp_path)
    assert [file.name for file in find(CorpusConfig(text=(str(tmp_path),))).files] == [f"{tmp_path.name}/own.txt"]


def test_held_out_parts_of_a_publisher_stay_held_out(site, config, prepared, monkeypatch):
    files = []
    for split in ("train", "validation", "test"):
        site.pages[f"/{split}.jsonl"] = json.dumps({"text": f"a text to {split} with"}).encode() + b"\n"
        files.append({"url": site.url(f"/{split}.jsonl"), "split": split})
    row = catalogue.Corpus("mine", "A title", "en", "CC0-1.0", "tests", files=files)
    monkeypatch.setattr(catalogue, "rows", lambda: {"mine": row})
    _, kept, _ = prepared(text=("catalogue:mine",), fetch=config())
    assert {split: [d.text for d in documents] for split, documents in kept.items()} == {
        split: [f"a text to {split} with"] for split in kept
    }
