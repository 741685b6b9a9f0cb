"""Files elsewhere that are fetched while a corpus is prepared: what is sent, what lies on disk, and that nobody can
tell it from the documents."""

import errno
import os

import fsspec
import pytest

from idiolect.corpus import bring, gather, parts
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.fingerprint import fingerprint_of
from idiolect.corpus.prepare import prepare
from idiolect.corpus.remote import resolve as resolving
from idiolect.errors import DataError, FetchError, ResourceError
from idiolect.progress import Progress

from .conftest import COMMIT, Counted, hosts, table
from .watching import Watching

OUTPUTS = ("train.parquet", "dropped.parquet")
pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def run(config, tmp_path):
    """run(text, name, cache=..., ...) -> (audit, {file: bytes}) of a preparation in a folder of this name."""

    def run(text: str, name: str, fetch=None, **settings):
        resolving.forget()
        wanted = CorpusConfig(
            text=(text,), fetch=config(cache=str(tmp_path / f"cache-{name}"), **(fetch or {})),
            **{"validation_fraction": 0.0, "test_fraction": 0.0, **settings},
        )  # fmt: skip
        (tmp_path / name).mkdir(exist_ok=True)
        audit = prepare(wanted, tmp_path / name, Progress.silent(), tmp_path / f"work-{name}")
        return audit, {file: (tmp_path / name / file).read_bytes() for file in OUTPUTS}

    return run


def test_only_the_columns_that_are_read_are_sent_and_the_documents_are_the_same(tables, run, tmp_path):
    hub, size = tables
    whole, expected = run("hf:owner/name", "whole", hosts(hub))
    assert hub.page.sent == size
    hub.page.sent = 0
    streamed, found = run("hf:owner/name", "streamed", hosts(hub, disk_bytes=1 << 20))
    assert found == expected
    assert 0 < hub.page.sent < 0.1 * size
    listed = streamed["fetched"].pop("streamed")
    assert {file["version"].partition(":")[0] for file in listed} == {"sha256"} and len(listed) == 3
    assert sum(file["n_bytes"] for file in listed) < 0.1 * size and "streamed" not in whole["fetched"]
    assert streamed == whole
    assert not list((tmp_path / "cache-streamed").rglob("*.parquet*"))


def test_the_first_documents_of_a_data_set_cost_what_they_need(tables, run):
    hub, size = tables
    _, expected = run("hf:owner/name", "whole", hosts(hub), first_documents=60)
    hub.page.sent, before = 0, len(hub.storage.requests)
    _, found = run("hf:owner/name", "streamed", hosts(hub, disk_bytes=1 << 20), first_documents=60)
    assert found == expected and hub.page.sent < 0.02 * size
    assert {"train-0" in path for path, _ in hub.storage.requests[before:]} == {True}


def test_every_column_is_the_whole_file_at_once(tables, run):
    hub, size = tables
    audit, _ = run("hf:owner/name", "streamed", hosts(hub, disk_bytes=1 << 23), text_columns=("*",))
    assert sum(file["n_bytes"] for file in audit["fetched"]["streamed"]) == size


def test_the_bound_holds(site, listed, run, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    entry, contents = listed(Counted())
    _, expected = run(entry, "whole")
    bound = int(2.5 * max(map(len, contents)))
    with Watching(tmp_path / "cache-streamed") as watching:
        _, found = run(entry, "streamed", {"disk_bytes": bound})
    assert found == expected
    assert 0 < watching.most <= bound < sum(map(len, contents))


def test_files_beyond_the_bound_are_refused_before_anything_is_fetched(site, listed, run):
    page = Counted()
    entry, contents = listed(page)
    with pytest.raises(ResourceError, match="0.jsonl needs") as error:
        run(entry, "streamed", {"disk_bytes": len(contents[0]) - 1})
    assert "disk_bytes" in error.value.fix


def test_a_file_that_changes_on_the_way_is_refused_and_the_lots_stay(site, listed, run, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    page = Counted()
    entry, contents = listed(page)
    real = gather.Ahead.take

    def changing(self, index, file):
        if index == 3:
            page.etag = '"two"'
        return real(self, index, file)

    monkeypatch.setattr(gather.Ahead, "take", changing)
    with pytest.raises(FetchError) as error:
        run(entry, "streamed", {"disk_bytes": len(contents[0]) + 1000})
    assert "jsonl can't be fetched" in error.value.what
    assert "changed since it was found" in error.value.why and "refresh=changed" in error.value.fix
    # A recipe's own mistake would have taken these away.
    assert list((tmp_path / "work-streamed").iterdir()) and list((tmp_path / "cache-streamed" / "streamed").iterdir())


def test_after_a_kill_nothing_that_was_finished_is_fetched_again(site, listed, run, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    page = Counted()
    entry, contents = listed(page)
    expected_audit, expected = run(entry, "alone", {"disk_bytes": len(contents[0]) + 1000})
    closed, finish = [], parts.Parts.close

    def killed(self, writer, *, last):
        finish(self, writer, last=last)
        closed.append(self.next[0])
        if self.next[0] >= 4 and not last:
            raise KeyboardInterrupt

    monkeypatch.setattr(parts.Parts, "close", killed)
    with pytest.raises(KeyboardInterrupt):
        run(entry, "streamed", {"disk_bytes": len(contents[0]) + 1000})
    monkeypatch.setattr(parts.Parts, "close", finish)
    before = len(site.requests)
    audit, found = run(entry, "streamed", {"disk_bytes": len(contents[0]) + 1000})
    bodies = [path for path, headers in site.requests[before:] if "Range" in headers]
    assert found == expected and audit == expected_audit
    assert bodies and not {"/0.jsonl", "/1.jsonl", "/2.jsonl"} & set(bodies)


def test_what_nobody_comes_back_for_is_removed(site, listed, run, tmp_path):
    page = Counted()
    entry, _ = listed(page)
    site.pages["/2.jsonl"] = page(b"{not JSON\n" * 500)
    with pytest.raises(DataError, match="2.jsonl"):
        run(entry, "streamed", {"disk_bytes": 1 << 20}, on_unreadable="refuse")
    assert not any((tmp_path / "cache-streamed" / "streamed").iterdir())
    assert not (tmp_path / "work-streamed").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_is_full_or_closed_is_named_and_nothing_is_lost(tables, run, tmp_path, monkeypatch, code):
    hub, _ = tables

    def failing(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(bring.os, "truncate", failing)
    with pytest.raises(ResourceError) as error:
        run("hf:owner/name", "streamed", hosts(hub, disk_bytes=1 << 20))
    assert error.value.what and error.value.why and error.value.fix and "streamed" in error.value.what


def test_a_data_set_streamed_or_not_has_one_fingerprint(tables, config):
    hub, _ = tables
    settings = [CorpusConfig(text=("hf:owner/name",), fetch=config(**hosts(hub, disk_bytes=n))) for n in (1 << 20, 0)]
    prints = []
    for one in settings:
        resolving.forget()
        prints.append(fingerprint_of(one))
    assert prints[0] == prints[1] and COMMIT in prints[0]["files"][0]["origin"]


def test_a_store_is_streamed_and_a_changed_file_is_refused(run, config, monkeypatch):
    system = fsspec.filesystem("memory")
    system.store.clear()
    bodies = {f"/bucket/{n}.parquet": table(n) for n in range(2)}
    for path, content in bodies.items():
        system.pipe(path, content)
    sent, real = [], type(system).cat_file

    def counted(self, path, start=None, end=None, **more):
        piece = real(self, path, start=start, end=end, **more)
        sent.append(len(piece))
        return piece

    monkeypatch.setattr(type(system), "cat_file", counted)
    _, found = run("memory://bucket", "streamed", {"disk_bytes": 1 << 20})
    assert sum(sent) < 0.1 * sum(map(len, bodies.values()))
    assert found == run("memory://bucket", "whole")[1]
    enter = gather.Ahead.__enter__

    def changing(self):
        system.pipe("/bucket/1.parquet", b"another")
        return enter(self)

    monkeypatch.setattr(gather.Ahead, "__enter__", changing)
    with pytest.raises(FetchError, match="1.parquet can't be fetched") as error:
        run("memory://bucket", "changed", {"disk_bytes": 1 << 20})
    assert "changed since it was found" in error.value.why
    system.store.clear()
