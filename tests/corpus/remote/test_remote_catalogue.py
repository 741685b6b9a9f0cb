"""The catalogue: every row whole, no hash invented, and rows fetched, unpacked and checked from a local server."""

import gzip
import hashlib
import io
import re
import zipfile

import pytest

from idiolect.config import walk_fields
from idiolect.corpus.remote import catalogue
from idiolect.corpus.remote.hub import read_name
from idiolect.corpus.remote.urls import parse
from idiolect.errors import DataError, RecipeError
from idiolect.progress import Progress
from idiolect.recipe import Recipe

SETTINGS = {key for key, _ in walk_fields(Recipe)}


@pytest.mark.parametrize("corpus", catalogue.rows().values(), ids=lambda c: c.name)
def test_every_row_is_whole(corpus):
    assert corpus.title and corpus.language and corpus.licence and corpus.good_for
    assert bool(corpus.hub) != bool(corpus.files)
    assert bool(corpus.parameter) == bool(corpus.default) == ("{}" in f"{corpus.hub}{corpus.files}")
    if corpus.hub:
        read_name(corpus.hub.replace("{}", corpus.default))
    for file in corpus.files:
        parse(file.get("url") or file["list"])
        assert re.fullmatch(r"|[0-9a-f]{64}", file.get("sha256", ""))
    assert all(f"corpus.{key}" in SETTINGS for key in corpus.settings)


def test_known_hashes_are_those_of_the_real_files(shared):
    known = catalogue.rows()["tiny-shakespeare"]
    text = shared("char-lm/tinyshakespeare.txt").read_bytes()
    assert hashlib.sha256(text).hexdigest() == known.files[0]["sha256"] and len(text) == known.about_bytes


@pytest.fixture
def rows(site, monkeypatch):
    """rows(name={...}): a catalogue of the local server's files."""

    def put(**corpora):
        made = {
            name: catalogue.Corpus(name, "A title", "en", "CC0-1.0", "tests", **row) for name, row in corpora.items()
        }
        monkeypatch.setattr(catalogue, "rows", lambda: made)

    return put


def packed(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_row_brings_licence_settings_and_splits(site, resolve, rows):
    site.pages["/a.txt"], site.pages["/v.txt"] = b"train", b"validation"
    files = [{"url": site.url("/a.txt"), "split": "train"}, {"url": site.url("/v.txt"), "split": "validation"}]
    rows(mine={"files": files, "settings": {"split_by": "position"}})
    held_out, train = resolve("catalogue:mine")
    assert (held_out.split, train.split) == ("validation", "train")
    assert (train.name, train.licence, train.settings) == ("mine/a.txt", "CC0-1.0", {"split_by": "position"})


def test_a_hash_is_checked(site, resolve, rows):
    site.pages["/a.txt"] = b"text"
    rows(mine={"files": [{"url": site.url("/a.txt"), "sha256": hashlib.sha256(b"text").hexdigest()}]})
    assert resolve("catalogue:mine")[0].path.read_bytes() == b"text"
    rows(mine={"files": [{"url": site.url("/b.txt"), "sha256": "0" * 64}]})
    site.pages["/b.txt"] = b"text"
    with pytest.raises(DataError) as error:
        resolve("catalogue:mine")
    assert "should be 000000" in error.value.why


def test_a_member_is_unpacked_and_never_where_its_name_points(site, resolve, rows, tmp_path):
    site.pages["/a.zip"] = packed(**{"../../escaped.txt": b"out", "enwik": b"in"})
    for member, content in (("enwik", b"in"), ("../../escaped.txt", b"out")):
        rows(mine={"files": [{"url": site.url("/a.zip"), "member": member}]})
        (local,) = resolve("catalogue:mine")
        assert local.path.read_bytes() == content and local.path.is_relative_to(tmp_path / "cache" / "objects")
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("fault", ["bomb", "missing", "cut", "crc", "no archive"])
def test_a_bad_archive_is_refused(site, resolve, rows, fault):
    archive = packed(enwik=bytes(100 << 20) if fault == "bomb" else b"text" * 1000)
    if fault == "cut":
        archive = archive[: len(archive) // 2]
    if fault == "crc":
        archive = archive[:45] + bytes([archive[45] ^ 1]) + archive[46:]
    site.pages["/a.zip"] = b"<html>" if fault == "no archive" else archive
    rows(mine={"files": [{"url": site.url("/a.zip"), "member": "other" if fault == "missing" else "enwik"}]})
    with pytest.raises(DataError) as error:
        resolve("catalogue:mine")
    expected = {"bomb": "a bomb", "missing": "holds no other"}.get(fault, "is broken")
    assert expected in error.value.why


def test_a_parameter_is_put_in_and_can_be_several(site, resolve, rows):
    for n in (1, 2):
        site.pages[f"/{n}/pg{n}.txt"] = b"book %d" % n
    rows(books={"files": [{"url": site.url("/{}/pg{}.txt")}], "parameter": "numbers", "default": "1"})
    assert [local.path.read_bytes() for local in resolve("catalogue:books:1,2")] == [b"book 1", b"book 2"]
    assert [local.name for local in resolve("catalogue:books")] == ["books/pg1.txt"]
    for bad in ("../x", "a/b", "1?x", "1,..", "%2e"):
        with pytest.raises(DataError):
            resolve(f"catalogue:books:{bad}")


def test_a_list_of_files_is_fetched_in_part(site, resolve, rows):
    site.pages["/paths.gz"] = gzip.compress(b"".join(b"wet/%d.txt\n" % n for n in range(1000)))
    for n in range(2):
        site.pages[f"/wet/{n}.txt"] = b"page %d" % n
    rows(crawl={"files": [{"list": site.url("/paths.gz"), "prefix": site.url("/")}]})
    with pytest.raises(DataError, match="can't be fetched") as error:
        resolve("catalogue:crawl")
    assert "--corpus.fetch.max_files=1" in error.value.fix
    assert len(resolve("catalogue:crawl", max_files=2)) == 2


def test_a_wrong_name_is_answered_with_a_near_one(resolve):
    with pytest.raises(DataError) as error:
        resolve("catalogue:tinyshakespeare")
    assert error.value.fix == "catalogue:tiny-shakespeare"


def test_the_list_and_one_row_are_shown(capsys):
    assert "tiny-shakespeare" in catalogue.show(Progress(quiet=True))["catalogue"]
    shown = capsys.readouterr().out
    assert "enwik8" in shown and "GFDL" in shown
    assert catalogue.show(Progress(quiet=True), "gutenberg")["licence"]
    shown = capsys.readouterr().out
    assert catalogue.NO_HASH in shown and "gutenberg.org" in shown
    with pytest.raises(RecipeError, match="did you mean gutenberg"):
        catalogue.show(Progress(quiet=True), "gutenbrg")
