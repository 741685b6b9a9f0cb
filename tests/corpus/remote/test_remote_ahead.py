"""Files elsewhere as their reader finds them: cut, without ranges, after a kill; and how they are looked at first."""

import pytest

from idiolect.corpus import gather, parts
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import find
from idiolect.corpus.fingerprint import fingerprint_of
from idiolect.corpus.remote import body as bodies
from idiolect.corpus.remote import resolve as resolving

from .conftest import Counted, hosts, reply
from .watching import Watching

OUTPUTS = ("train.parquet", "dropped.parquet")

pytestmark = pytest.mark.usefixtures("small")


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


def test_the_bound_holds_where_no_part_ends(site, listed, take, tmp_path):
    entry, contents = listed(Counted())
    bound = int(2.5 * max(map(len, contents)))
    with Watching(tmp_path / "cache") as watching:
        found, _ = take(entry, disk_bytes=bound)
    assert found == contents and 0 < watching.most <= bound


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
    wanted = [headers.get("Range", "").partition("-")[0] for headers in site.asked("/0.jsonl")]
    assert wanted == (["", "bytes=0"] if cut_at is None else ["", "bytes=0", "bytes=40000", "bytes=0"])


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


def test_what_a_kill_left_does_not_add_to_the_bound(site, listed, config, tmp_path):
    """Whole files that are still to be read are used; those that finished parts hold go."""
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


def test_the_hub_sees_its_token_and_its_store_does_not(tables, take, monkeypatch):
    hub, _ = tables
    hub.private.add("owner/name")
    monkeypatch.setenv("HF_TOKEN", "hf_HIDDEN")
    take("hf:owner/name", **hosts(hub, disk_bytes=1 << 20))
    assert hub.storage.requests and not any("Authorization" in headers for _, headers in hub.storage.requests)


def test_lines_of_json_are_known_by_their_beginning(hub, config):
    hub.add("owner/name", {"a.json": b'{"text": "one"}\n{"text": "two"}\n', "b.json": b'[{"text": "three"}]'})
    hub.page = Counted()
    found = find(CorpusConfig(text=("hf:owner/name",), fetch=config(**hosts(hub, disk_bytes=1 << 20)))).files
    assert [(file.format, file.remote is not None) for file in found] == [("jsonl", True), ("text", True)]
