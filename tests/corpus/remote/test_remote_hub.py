"""Data sets by name against a local server that answers as the Hugging Face hub does."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus.remote.hub import read_name
from idiolect.corpus.remote.urls import Unfetchable
from idiolect.errors import DataError

from .conftest import COMMIT

OTHER, CONVERTED = "b" * 40, "c" * 40


def parquet(*texts: str) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": list(texts)}), out)
    return out.getvalue()


@pytest.fixture
def fetch(hub, resolve):
    def run(entry: str, **settings):
        return resolve(entry, private_hosts=(hub.site.host, hub.storage.host), **settings)

    return run


FILES = {
    "README.md": b"# card", ".gitattributes": b"x",
    "data/train-00000-of-00002.parquet": parquet("one"), "data/train-00001-of-00002.parquet": parquet("two"),
    "data/validation-00000-of-00001.parquet": parquet("three"), "data/test-00000-of-00001.parquet": parquet("four"),
    "extra/unsupervised.jsonl": b'{"text": "five"}\n',
}  # fmt: skip
CARD = {
    "license": "cc-by-4.0",
    "configs": [
        {"config_name": "plain", "data_files": [
            {"split": "train", "path": "data/train-*"}, {"split": "test", "path": ["data/test-*"]},
        ]},
        {"config_name": "extra", "data_files": "extra/*.jsonl"},
    ],
}  # fmt: skip


def test_splits_licence_commit_and_hashes_come_from_the_hub(hub, fetch):
    hub.add("owner/name", FILES)
    found = fetch("hf:owner/name")
    assert [local.split for local in found] == ["test", "validation", "train", "train", "train"]
    assert found[2].path.read_bytes() == FILES["data/train-00000-of-00002.parquet"]
    assert found[2].name == "name/data/train-00000-of-00002.parquet"
    assert found[2].origin == f"hf:owner/name@{COMMIT}:data/train-00000-of-00002.parquet"
    assert not hub.site.asked("/robots.txt")  # an API is no page


def test_a_card_names_configurations_and_their_files(hub, fetch):
    hub.add("owner/name", FILES, CARD)
    train, *_ = fetch("hf:owner/name:plain/train")
    assert (train.split, train.licence) == ("", "cc-by-4.0")
    assert [local.split for local in fetch("hf:owner/name:plain")] == ["test", "", ""]
    assert [local.name for local in fetch("hf:owner/name:extra")] == ["name/extra/unsupervised.jsonl"]
    for entry, why in [
        ("hf:owner/name", "its configurations are plain, extra; name one"),
        ("hf:owner/name:nope", "its configurations are plain, extra; name one"),
        ("hf:owner/name:plain/validation", "its splits are test, train; name one"),
    ]:
        with pytest.raises(DataError) as error:
            fetch(entry)
        assert error.value.why == why and error.value.fix.startswith("hf:owner/name:")


def test_a_single_or_default_configuration_needs_no_name(hub, fetch):
    hub.add("owner/name", FILES, {"configs": CARD["configs"][:1]})
    assert len(fetch("hf:owner/name")) == 3
    hub.add("owner/two", FILES, {"configs": [CARD["configs"][0], {**CARD["configs"][1], "default": True}]})
    assert len(fetch("hf:owner/two")) == 1


def test_a_revision_is_pinned_by_the_commit_it_had(hub, fetch):
    hub.add("owner/name", {"train.jsonl": b'{"text": "old"}\n'}, commit=OTHER, revision="v1")
    hub.add("owner/name", {"train.jsonl": b'{"text": "new"}\n'})
    assert fetch("hf:owner/name@v1")[0].origin == f"hf:owner/name@{OTHER}:train.jsonl"
    assert fetch(f"hf:owner/name@{OTHER}")[0].path.read_bytes() == b'{"text": "old"}\n'
    assert fetch("hf:owner/name")[0].path.read_bytes() == b'{"text": "new"}\n'
    hub.add("owner/name", {"train.jsonl": b'{"text": "newest"}\n'}, commit="d" * 40)
    asked = len(hub.site.requests)
    assert fetch("hf:owner/name")[0].path.read_bytes() == b'{"text": "new"}\n'
    assert len(hub.site.requests) == asked
    assert fetch("hf:owner/name", refresh="changed")[0].path.read_bytes() == b'{"text": "newest"}\n'


def test_a_data_set_that_is_a_script_is_read_as_the_hub_converted_it(hub, fetch):
    hub.add("owner/name", {"name.py": b"raise SystemExit", "README.md": b""}, {"license": ["mit", "apache-2.0"]})
    converted = {"plain_text/train/0000.parquet": parquet("a"), "plain_text/partial-test/0000.parquet": parquet("b")}
    hub.add("owner/name", converted, commit=CONVERTED, revision="refs/convert/parquet")
    test, train = fetch("hf:owner/name")
    assert (test.split, train.split, train.licence) == ("test", "", "mit / apache-2.0")
    assert train.origin == f"hf:owner/name@{CONVERTED}:plain_text/train/0000.parquet"


def test_a_folder_serves_as_configuration(hub, fetch):
    hub.add("owner/name", {"data/python/data.json": b'{"content": "x"}\n{}\n', "data/rust/data.json": b'[{"a": 1}]'})
    (python,) = fetch("hf:owner/name:python")
    (rust,) = fetch("hf:owner/name:rust")
    assert (python.format, rust.format) == ("jsonl", "")
    with pytest.raises(DataError) as error:
        fetch("hf:owner/name:cobol")
    assert "data, python, rust" in error.value.why


def test_a_token_goes_to_the_hub_alone(hub, fetch, monkeypatch, config):
    hub.add("owner/name", {"train.jsonl": b"{}\n"})
    hub.private.add("owner/name")
    with pytest.raises(DataError) as error:
        fetch("hf:owner/name")
    assert "HF_TOKEN" in error.value.fix
    monkeypatch.setenv("HF_TOKEN", "hf_HIDDEN")
    fetch("hf:owner/name")
    assert all("Authorization" not in headers for _, headers in hub.storage.requests) and hub.storage.requests
    from pathlib import Path

    assert not any(b"HIDDEN" in p.read_bytes() for p in Path(config().cache).rglob("*") if p.is_file())


def test_bytes_that_are_not_what_the_hub_announced_are_refused(hub, fetch):
    hub.add("owner/name", FILES)
    hub.lie = b"something else"
    with pytest.raises(DataError) as error:
        fetch("hf:owner/name")
    assert "SHA-256" in error.value.why


def test_an_answer_that_makes_no_sense_is_no_traceback(hub, site, fetch):
    hub.add("owner/name", FILES)
    for body in (b"<html>", b"[]", b"null", b'{"sha": 3}', b'{"sha": "x", "cardData": []}', b"[" * 100_000):
        site.pages = type("Fixed", (), {"get": lambda self, path, d=None, body=body: body})()
        with pytest.raises(DataError) as error:
            fetch("hf:owner/name")
        assert "makes no sense" in error.value.why


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("hf:squad", ("squad", "", "", "")),
        ("hf:a/b", ("a/b", "", "", "")),
        ("hf:a/b@main", ("a/b", "main", "", "")),
        ("hf:a/b@refs/pr/1:c/train", ("a/b", "refs/pr/1", "c", "train")),
        ("hf:a/b:20231101.simple/train", ("a/b", "", "20231101.simple", "train")),
    ],
)
def test_a_name_in_its_parts(entry, parts):
    asked = read_name(entry)
    assert (asked.name, asked.revision, asked.config, asked.split) == parts


@pytest.mark.parametrize("entry", ["hf:", "hf:a/b/c", "hf:../x", "hf:a/b:c/d/e", "hf:a b", "hf:a/..", "hf:a/b@x y"])
def test_what_is_no_name_is_refused(entry):
    with pytest.raises(Unfetchable):
        read_name(entry)
