"""Files elsewhere that are fetched while a corpus is prepared: what is sent, what lies on disk, and that nobody can
tell it from the documents."""

import errno
import io
import json
import os
import random
import threading
import time
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus import bring, gather, parts
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import find
from idiolect.corpus.fingerprint import fingerprint_of
from idiolect.corpus.prepare import prepare
from idiolect.corpus.remote import body as bodies
from idiolect.corpus.remote import resolve as resolving
from idiolect.corpus.sources import parquet
from idiolect.errors import DataError, FetchError, ResourceError
from idiolect.progress import Progress

from .conftest import COMMIT, Counted, reply

OUTPUTS = ("train.parquet", "dropped.parquet")


def noise(seed: int, n: int) -> str:
    return random.Random(seed).randbytes(n // 2).hex()


def table(seed: int, rows: int = 400, group: int = 50) -> bytes:
    """A Parquet file with a column of text between two much wider ones."""
    columns = {
        "before": [noise(seed + i, 2000) for i in range(rows)],
        "text": [f"Row {i} of table {seed}, like no other." for i in range(rows)],
        "after": [noise(seed - i, 2000) for i in range(rows)],
    }
    out = io.BytesIO()
    pq.write_table(
        pa.table(columns), out, row_group_size=group, compression="none", use_dictionary=False, write_statistics=False
    )
    return out.getvalue()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Sizes at which little files are what large ones are outside."""
    monkeypatch.setattr(bodies, "LARGE", 1)
    monkeypatch.setattr(parquet, "GAP", 1 << 10)
    monkeypatch.setattr(parquet, "TAIL", 8 << 10)
    monkeypatch.setattr(bring, "TAIL", 8 << 10)
    resolving.forget()


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


@pytest.fixture
def take(config, tmp_path):
    """take(text, ...) -> (the bytes of every file as its reader finds it, what was fetched of each)."""

    def take(text: str, **fetch):
        resolving.forget()
        found = find(CorpusConfig(text=(text,), fetch=config(**fetch)))
        lot, contents, got = parts.Parts(tmp_path / "lot", gather.PART_SCHEMA, 0, len(found.files)), [], []
        with gather.Ahead(found, lot) as ahead:
            for index, file in enumerate(found.files):
                here, fetched = ahead.take(index, file)
                contents.append(here.path.read_bytes())
                got.append(fetched)
        return contents, got

    return take


@pytest.fixture
def tables(hub):
    """A data set of three files on the hub, and who counts what is sent of them."""
    files = {f"data/train-{n}.parquet": table(1000 * n) for n in range(3)}
    hub.add("owner/name", files)
    hub.page = Counted()
    return hub, sum(map(len, files.values()))


def hosts(hub, **settings) -> dict:
    return {"private_hosts": (hub.site.host, hub.storage.host), **settings}


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


def test_the_hub_sees_its_token_and_its_store_does_not(tables, take, monkeypatch):
    hub, _ = tables
    hub.private.add("owner/name")
    monkeypatch.setenv("HF_TOKEN", "hf_HIDDEN")
    take("hf:owner/name", **hosts(hub, disk_bytes=1 << 20))
    assert hub.storage.requests and not any("Authorization" in headers for _, headers in hub.storage.requests)


def lines(site, page, files: int = 6, rows: int = 60) -> tuple[str, list[bytes]]:
    """A list of files of lines on a site; its name, and their contents."""
    contents = [
        "".join(json.dumps({"text": f"{noise(7 * n + i, 1500)} {n}"}) + "\n" for i in range(rows)).encode()
        for n in range(files)
    ]
    for n, content in enumerate(contents):
        site.pages[f"/{n}.jsonl"] = page(content)
    return contents


@pytest.fixture
def listed(site, tmp_path):
    def make(page):
        contents = lines(site, page)
        names = tmp_path / "list.txt"
        names.write_text("".join(site.url(f"/{n}.jsonl") + "\n" for n in range(len(contents))))
        return f"urls:{names}", contents

    return make


class Watching:
    """The most bytes that lay below a folder, looked at as often as can be."""

    def __init__(self, folder: Path):
        self.folder, self.most, self._stop = folder, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.is_set():
            total = 0
            for path in self.folder.rglob("*.jsonl*"):
                try:
                    total += path.stat().st_size
                except FileNotFoundError:
                    pass
            self.most = max(self.most, total)
            time.sleep(0.002)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def test_the_bound_holds(site, listed, run, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    entry, contents = listed(Counted())
    _, expected = run(entry, "whole")
    bound = int(2.5 * max(map(len, contents)))
    with Watching(tmp_path / "cache-streamed") as watching:
        _, found = run(entry, "streamed", {"disk_bytes": bound})
    assert found == expected
    assert 0 < watching.most <= bound < sum(map(len, contents))


def test_the_bound_holds_where_no_part_ends(site, listed, take, tmp_path):
    entry, contents = listed(Counted())
    bound = int(2.5 * max(map(len, contents)))
    with Watching(tmp_path / "cache") as watching:
        found, _ = take(entry, disk_bytes=bound)
    assert found == contents and 0 < watching.most <= bound


def test_files_beyond_the_bound_are_refused_before_anything_is_fetched(site, listed, run):
    page = Counted()
    entry, contents = listed(page)
    with pytest.raises(ResourceError, match="0.jsonl needs") as error:
        run(entry, "streamed", {"disk_bytes": len(contents[0]) - 1})
    assert "disk_bytes" in error.value.fix


def test_a_cut_connection_goes_on_where_it_stopped(site, listed, take):
    entry, contents = listed(Counted(cut_at=40_000))
    found, _ = take(entry, disk_bytes=1 << 20)
    ranges = [headers.get("Range", "") for headers in site.asked("/0.jsonl")]
    assert any(wanted.startswith("bytes=40000-") for wanted in ranges)
    assert found == contents


@pytest.mark.parametrize("cut_at", [None, 40_000])
def test_a_server_without_ranges_is_read_whole(site, listed, take, cut_at):
    """Also where its reply is cut: it is asked for the rest, gives all, and that is taken from its beginning."""

    def plain(body):
        return lambda handler, visit: reply(
            handler, body[:cut_at] if visit == 2 else body, length=len(body), ETag='"one"'
        )  # the first visit is the look at what it is

    entry, contents = listed(plain)
    assert take(entry, disk_bytes=1 << 20)[0] == contents


@pytest.mark.parametrize("answers", [True, False])
def test_a_large_file_is_first_looked_at_without_being_sent(site, config, monkeypatch, answers):
    page, site.answers_heads = Counted(), answers
    names = ("/large.jsonl", "/small.jsonl", "/page.html")
    for name, n in zip(names, (1000, 10, 1000), strict=True):
        site.pages[name] = page(b'{"text": "one"}\n' * n)
    monkeypatch.setattr(bodies, "LARGE", 1000)
    found = find(CorpusConfig(text=tuple(map(site.url, names)), fetch=config(disk_bytes=1 << 20))).files
    assert [file.remote is not None for file in found] == [True, False, True]
    assert site.heads == ["/large.jsonl", "/small.jsonl"]  # a page is asked for once
    assert [len(site.asked(name)) for name in names] == [1 - answers, 1, 1]


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


def test_what_a_kill_left_does_not_add_to_the_bound(site, listed, config, tmp_path):
    """Whole files that are still to be read are used; what was read, and half of what is in columns, goes."""
    entry, contents = listed(Counted())
    wanted = CorpusConfig(text=(entry,), fetch=config(disk_bytes=1 << 20))
    found = find(wanted)
    lot = parts.Parts(tmp_path / "lot", gather.PART_SCHEMA, 0, len(found.files))
    with pytest.raises(KeyboardInterrupt), gather.Ahead(found, lot) as ahead:
        for index, file in enumerate(found.files):
            ahead.take(index, file)
        raise KeyboardInterrupt
    (folder,) = (tmp_path / "cache" / "streamed").iterdir()
    assert len(list(folder.iterdir())) == len(contents)
    (folder / "0123.jsonl").write_bytes(b"of a file that was read before")
    before = len(site.requests)
    lot._done = [parts.Part(tmp_path, 0, [], (2, 0), False)]
    with gather.Ahead(found, lot) as ahead:
        for index in (2, 3):
            file, _ = ahead.take(index, found.files[index])
            assert file.path.read_bytes() == contents[index]
        assert len(list(folder.iterdir())) == len(contents) - 2
    assert len(site.requests) == before and not folder.exists()


def test_small_pages_and_what_no_server_identifies_are_fetched_at_once(site, config, monkeypatch):
    site.pages["/anonymous.txt"] = b"text without a version"
    site.pages["/small.txt"] = Counted()(b"small")
    site.pages["/large.txt"] = Counted()(b"large" * 1000)
    monkeypatch.setattr(bodies, "LARGE", 1000)
    text = tuple(site.url(f"/{name}.txt") for name in ("anonymous", "small", "large"))
    settings = CorpusConfig(text=text, fetch=config(disk_bytes=1 << 20))
    assert [file.remote is not None for file in find(settings).files] == [False, False, True]
    contents = [file["content"] for file in fingerprint_of(settings)["files"]]
    assert [content.startswith("sha256:") for content in contents] == [True, True, False]
    assert contents[2] == '"one" 5000'
    # On a cluster many would ask one server at once.
    assert not any(file.remote for file in find(settings.model_copy(update={"engine": "ray"})).files)


def test_a_data_set_streamed_or_not_has_one_fingerprint(tables, config):
    hub, _ = tables
    settings = [CorpusConfig(text=("hf:owner/name",), fetch=config(**hosts(hub, disk_bytes=n))) for n in (1 << 20, 0)]
    prints = []
    for one in settings:
        resolving.forget()
        prints.append(fingerprint_of(one))
    assert prints[0] == prints[1] and COMMIT in prints[0]["files"][0]["origin"]


def test_lines_of_json_are_known_by_their_beginning(hub, config):
    hub.add("owner/name", {"a.json": b'{"text": "one"}\n{"text": "two"}\n', "b.json": b'[{"text": "three"}]'})
    hub.page = Counted()
    found = find(CorpusConfig(text=("hf:owner/name",), fetch=config(**hosts(hub, disk_bytes=1 << 20)))).files
    assert [(file.format, file.remote is not None) for file in found] == [("jsonl", True), ("text", True)]


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
