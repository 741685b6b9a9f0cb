"""Object stores through fsspec, against its memory and local file systems; and what has no reader installed."""

import sys

import fsspec
import pytest

from idiolect.corpus.remote import is_remote, stores
from idiolect.errors import DataError, MissingExtra


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def put(system, **files: bytes) -> None:
    for path, content in files.items():
        system.pipe(f"/bucket/{path.replace('__', '/').replace('_txt', '.txt').replace('_gz', '.gz')}", content)


def test_a_file_a_folder_and_a_glob_are_fetched_into_the_cache(memory, resolve):
    put(memory, a_txt=b"one", sub__b_txt=b"two", sub__c_gz=b"three")
    memory.pipe("/bucket/sub/.hidden", b"hidden")
    names = {
        "memory://bucket/a.txt": ["bucket/a.txt"],
        "memory://bucket": ["bucket/a.txt", "bucket/sub/b.txt", "bucket/sub/c.gz"],
        "memory://bucket/**/*.txt": ["bucket/a.txt", "bucket/sub/b.txt"],
    }
    for entry, expected in names.items():
        found = resolve(entry)
        assert [local.name for local in found] == expected, entry
        assert all(local.path.read_bytes() == memory.cat(local.name) for local in found)
        assert all(local.origin == f"memory://{local.name}" for local in found)
    assert len(resolve("memory://bucket", max_files=2)) == 2


def test_nothing_is_asked_again_until_a_refresh_is_wanted(memory, resolve, monkeypatch):
    put(memory, a_txt=b"one")
    (first,) = resolve("memory://bucket/a.txt")
    memory.pipe("/bucket/a.txt", b"other")
    monkeypatch.setattr(type(memory), "info", lambda *_: pytest.fail("asked"))
    assert resolve("memory://bucket/a.txt") == [first]
    monkeypatch.undo()
    (new,) = resolve("memory://bucket/a.txt", refresh="changed")
    assert new.path.read_bytes() == b"other" and new.sha256 != first.sha256


def test_a_broken_read_is_gone_on_with(memory, resolve, monkeypatch):
    content = bytes(range(256)) * 20_000
    put(memory, a_txt=content)
    real, starts = type(memory).cat_file, []

    def breaking(self, path, start, end):
        starts.append(start)
        if len(starts) == 4:
            raise ConnectionResetError("reset by peer")
        return real(self, path, start=start, end=end)

    monkeypatch.setattr(stores, "PIECE", 1 << 20)
    monkeypatch.setattr(type(memory), "cat_file", breaking)
    (local,) = resolve("memory://bucket/a.txt")
    assert local.path.read_bytes() == content
    assert starts == [n << 20 for n in (0, 1, 2, 3, 3, 4)]


def test_a_file_that_changes_while_it_is_read_is_refused(memory, resolve, monkeypatch):
    put(memory, a_txt=b"x" * 5000)
    real = type(memory).cat_file

    def changing(self, path, **place):
        found = real(self, path, **place)
        put(memory, a_txt=b"y" * 5000)
        return found

    monkeypatch.setattr(stores, "PIECE", 1000)
    monkeypatch.setattr(type(memory), "cat_file", changing)
    with pytest.raises(DataError, match="can't be fetched") as error:
        resolve("memory://bucket/a.txt")
    assert "changed since it was found" in error.value.why


def test_json_that_is_lines_is_known_by_its_beginning(memory, resolve):
    memory.pipe("/bucket/a.json", b'{"text": "one"}\n{"text": "two"}\n')
    memory.pipe("/bucket/b.json", b'[{"text": "three"}]')
    for n in (0, 1 << 20):
        assert [local.format for local in resolve("memory://bucket", disk_bytes=n)] == ["jsonl", ""]


def test_what_is_not_there_and_what_is_too_long_is_refused(memory, resolve):
    put(memory, a_txt=b"x" * 1000)
    for entry, why in [("memory://bucket/none.txt", "FileNotFoundError"), ("memory://none/*.txt", "no file is there")]:
        with pytest.raises(DataError, match="can't be fetched") as error:
            resolve(entry)
        assert why in error.value.why
    with pytest.raises(DataError) as error:
        resolve("memory://bucket/a.txt", max_bytes=999)
    assert "max_bytes" in error.value.why


def test_files_of_this_machine_are_read_where_they_lie(tmp_path, resolve, config):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    assert [local.path for local in resolve(f"file://{tmp_path}/*.txt")] == [tmp_path / "a.txt", tmp_path / "b.txt"]
    with pytest.raises(DataError, match="can't be fetched"):
        resolve(f"file://{tmp_path}/none")


@pytest.mark.parametrize(("scheme", "module"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_a_missing_library_is_named_with_what_to_install(resolve, monkeypatch, scheme, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=module) as error:
        resolve(f"{scheme}://bucket/a.txt")
    assert 'pip install "idiolect[remote]"' in error.value.fix


def test_other_file_systems_of_fsspec_are_no_names_of_ours():
    for entry in ("filecache::http://x/", "ftp://x/", "github://a:b@/", "zip://a::http://x", "C:\\text", "books/a.txt"):
        assert not is_remote(entry), entry
    for entry in ("https://x/", "s3://b/k", "hf:a/b", "urls:list.txt", "catalogue:enwik8", "gs://b/*", "memory://x"):
        assert is_remote(entry), entry
