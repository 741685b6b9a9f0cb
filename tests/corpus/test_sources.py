"""Every format and compression gives the same documents; broken files are named, bombs stopped."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from idiolect.corpus import fingerprint as fingerprint_module
from idiolect.corpus import fingerprint_of
from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.find import find
from idiolect.corpus.streams import Unreadable, byte_blocks
from idiolect.device import peak_resident_bytes
from idiolect.errors import DataError
from idiolect.rundir import fingerprint

TEXTS = [
    "The first text, with a comma.",
    'A second "quoted" text\nover two lines.',
    "A third: 日本語 é \u2028 \u0085 end.",
]
LABELS = ["a", "b", "c"]
KEEP = {"clean": CleanConfig(repair_mojibake=False, unify_line_ends=False)}


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zst}


def as_jsonl() -> bytes:
    rows = (json.dumps({"text": t, "kind": k}, ensure_ascii=False) for t, k in zip(TEXTS, LABELS, strict=True))
    return ("\n".join(rows) + "\n").encode()


def as_csv() -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("text", "kind"), *zip(TEXTS, LABELS, strict=True)])
    return out.getvalue().encode()


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize(("ending", "content"), [(".jsonl", as_jsonl()), (".csv", as_csv())])
def test_tables_give_their_texts_and_labels(tmp_path, prepared, ending, content, compression):
    (tmp_path / f"t{ending}{compression}").write_bytes(COMPRESS[compression](content))
    _, kept, _ = prepared(text=[tmp_path / f"t{ending}{compression}"], label_column="kind", **KEEP)
    assert [(d.text, d.label) for d in kept["train"]] == list(zip(TEXTS, LABELS, strict=True))


def test_parquet_and_tsv(tmp_path, prepared):
    pq.write_table(pa.table({"body": TEXTS, "kind": LABELS}), tmp_path / "t.parquet")
    (tmp_path / "t.tsv").write_text('one "half quote\tx\ntwo\ty\nthree\n', encoding="utf-8")
    _, kept, _ = prepared(text=[tmp_path / "t.parquet"], label_column="kind", **KEEP)
    assert [(d.text, d.label) for d in kept["train"]] == list(zip(TEXTS, LABELS, strict=True))
    audit, kept, _ = prepared(text=[tmp_path / "t.tsv"], column_names=("text", "label"))
    assert [d.text for d in kept["train"]] == ['one "half quote', "two"]
    assert audit["skipped_files"] == [{"file": "t.tsv", "reason": "row 3: 1 cells where 2 were expected"}]


@pytest.mark.parametrize("compression", COMPRESS)
def test_text_in_every_compression(tmp_path, prepared, compression):
    (tmp_path / f"t.md{compression}").write_bytes(COMPRESS[compression]("Ein Text über Käse.\n".encode()))
    _, kept, _ = prepared(text=[tmp_path])
    assert [d.text for d in kept["train"]] == ["Ein Text über Käse.\n"]


@pytest.mark.parametrize("make", [gzip.compress, zst, bz2.compress, lzma.compress])
def test_concatenated_members_are_read_to_the_end(tmp_path, make):
    name = tmp_path / "t"
    name.write_bytes(make(b"one ") + make(b"two"))
    ending = {gzip.compress: ".gz", zst: ".zst", bz2.compress: ".bz2", lzma.compress: ".xz"}[make]
    assert b"".join(byte_blocks(name, ending, CorpusConfig())) == b"one two"


def broken(tmp_path):
    noise = random.Random(0).randbytes(50_000)
    files = {
        "cut.txt.gz": gzip.compress(noise.hex().encode())[:-2000],
        "cut.txt.zst": zst(noise.hex().encode())[:-2000],
        "cut.txt.bz2": bz2.compress(noise.hex().encode())[:-2000],
        "cut.txt.xz": lzma.compress(noise.hex().encode())[:-2000],
        "false.txt.gz": b"not gzip at all, only named so",
        "noise.txt": noise,
        "image.txt": b"\x89PNG\r\n\x1a\n" + noise,
        "misnamed.txt": gzip.compress(b"text"),
        "empty.txt": b"",
        "empty.jsonl": b"",
        "array.jsonl": b"[\n{\n}\n]\n",
        "cut.parquet": b"PAR1" + noise,
        "empty.txt.gz": gzip.compress(b""),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return files


def test_broken_files_are_named_and_skipped_and_the_good_one_kept(tmp_path, prepared):
    files = broken(tmp_path)
    (tmp_path / "good.txt").write_text("The one good text.")
    audit, kept, _ = prepared(text=[tmp_path])
    assert [d.text for d in kept["train"]] == ["The one good text."]
    assert {s["file"].split("/")[1] for s in audit["skipped_files"]} == set(files)
    assert audit["read"]["documents"] == 1


@pytest.mark.parametrize("name", ["cut.txt.gz", "cut.txt.zst", "noise.txt", "empty.txt", "cut.parquet", "array.jsonl"])
def test_refuse_stops_and_names_the_file(tmp_path, prepared, name):
    files = broken(tmp_path)
    with pytest.raises(DataError, match=name) as refused:
        prepared(text=[tmp_path / name], on_unreadable="refuse")
    assert refused.value.why and refused.value.fix and name in files


def test_bad_json_lines_are_named_by_number(tmp_path, prepared):
    lines = ['{"text": "good one"}', '{"text": "cut', "[1]", '{"text": 5}', '{"other": "x"}', '{"text": "good two"}']
    lines.append('{"text": ' + "[" * 100_000 + "}")
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    audit, kept, _ = prepared(text=[tmp_path / "t.jsonl"])
    assert [d.text for d in kept["train"]] == ["good one", "good two"]
    assert [s["reason"].split(":")[0] for s in audit["skipped_files"]] == [f"line {n}" for n in (2, 3, 4, 5, 7)]
    assert audit["dropped"]["bad_row"]["documents"] == 5 and audit["read"]["documents"] == 7
    with pytest.raises(DataError, match="line 2"):
        prepared(text=[tmp_path / "t.jsonl"], on_unreadable="refuse")


def test_lone_surrogates_and_nul_survive_the_journey(tmp_path, prepared):
    (tmp_path / "t.jsonl").write_text(r'{"text": "half \ud83d, whole \ud83d\ude00, nul \u0000 end"}' + "\n")
    _, kept, _ = prepared(text=[tmp_path / "t.jsonl"])
    assert kept["train"][0].text == "half \ufffd, whole \U0001f600, nul  end"


def test_missing_columns_name_the_ones_there_are(tmp_path, prepared):
    (tmp_path / "t.jsonl").write_text('{"review": "x", "stars": 3}\n')
    with pytest.raises(DataError, match="no column called text") as failure:
        prepared(text=[tmp_path / "t.jsonl"])
    assert "'review'" in failure.value.why and "review" in failure.value.fix
    with pytest.raises(DataError, match="did you mean 'review'"):
        prepared(text=[tmp_path / "t.jsonl"], text_columns=("reviews",))


def test_several_text_columns_are_joined(tmp_path, prepared):
    (tmp_path / "t.jsonl").write_text(
        '{"title": "Title", "body": "Body", "by": "CC0"}\n{"title": null, "body": "B2"}\n'
    )
    _, kept, _ = prepared(text=[tmp_path / "t.jsonl"], text_columns=("title", "body"), licence_column="by")
    assert [(d.text, d.licence) for d in kept["train"]] == [("Title\n\nBody", "CC0"), ("B2", "not stated")]


def forgotten_peak() -> int:
    """Let the kernel forget this process's peak, which earlier tests set: a growth below it would never show."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_resident_bytes()


def test_a_growth_of_memory_shows():
    before = forgotten_peak()
    held = b"x" * (80 << 20)
    assert peak_resident_bytes() - before > 64 << 20 and len(held)


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz", ".zst"])
def test_bombs_stop_at_the_ratio_without_filling_memory(tmp_path, compression):
    bomb = tmp_path / f"bomb.txt{compression}"
    block = b"\0" * (1 << 20)
    makers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": zstandard.open}
    with makers[compression](bomb, "wb") as file:
        for _ in range(96):
            file.write(block)
    before = forgotten_peak()
    seen = 0
    with pytest.raises(Unreadable, match="bomb"):
        for piece in byte_blocks(bomb, compression, CorpusConfig()):
            seen += len(piece)
    assert seen <= 34 << 20
    assert peak_resident_bytes() - before < 64 << 20
    with pytest.raises(Unreadable, match="max_file_bytes"):
        list(byte_blocks(bomb, compression, CorpusConfig(max_file_bytes=1 << 20)))


def test_a_parquet_bomb_is_seen_before_it_is_unfolded(tmp_path, prepared):
    value = "bomb " * (1 << 20)
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), pa.array([value]))
    pq.write_table(pa.table({"text": column}), tmp_path / "bomb.parquet")
    before = forgotten_peak()
    with pytest.raises(DataError, match="bomb.parquet.*times its size"):
        prepared(text=[tmp_path / "bomb.parquet"], on_unreadable="refuse")
    assert peak_resident_bytes() - before < 256 << 20


def test_nothing_there_suggests_the_nearest_name(tmp_path, prepared):
    (tmp_path / "shakespeare.txt").write_text("x")
    with pytest.raises(DataError, match="did you mean .*shakespeare.txt"):
        prepared(text=[tmp_path / "shakespear.txt"])
    with pytest.raises(DataError, match="no file matches"):
        prepared(text=[tmp_path / "*.jsonl"])
    with pytest.raises(DataError, match="did you mean default"):
        prepared(text=["defualt"])
    (tmp_path / "shakespeare.txt").rename(tmp_path / "image.png")
    with pytest.raises(DataError, match="no text files"):
        prepared(text=[tmp_path])


def test_folders_and_globs_give_stable_names(tmp_path, prepared):
    for name in ("b/two.txt", "a/one.txt", ".hidden/x.txt", "a/.x.txt", "a/picture.png", "a/b.wat.gz"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(f"text of {name}")
    audit, kept, _ = prepared(text=[tmp_path / "data"])
    assert [d.source for d in kept["train"]] == ["data/a/one.txt", "data/b/two.txt"]
    assert audit["skipped_files"] == [
        {"file": "data/a/b.wat.gz", "reason": "not a text format (.wat.gz)"},
        {"file": "data/a/picture.png", "reason": "not a text format (.png)"},
    ]
    _, again, _ = prepared(text=[tmp_path / "data" / "**" / "*.txt"])
    assert [d.id for d in again["train"]] == [d.id for d in kept["train"]]


def test_nothing_in_a_folder_is_passed_over_in_silence(tmp_path, prepared):
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "a.txt").write_text("A text.")
    (folder / "photo.jpg").write_bytes(b"...")
    (folder / "gone.txt").symlink_to("nowhere")
    (folder / "more").symlink_to(tmp_path)
    audit, _, _ = prepared(text=[folder])
    named = {skipped["file"]: skipped["reason"] for skipped in audit["skipped_files"]}
    assert set(named) == {"books/photo.jpg", "books/gone.txt", "books/more"}
    assert "broken link" in named["books/gone.txt"] and "link to a folder" in named["books/more"]
    with pytest.raises(DataError, match="books/gone.txt is a broken link"):
        prepared(text=[folder], on_unreadable="refuse")


def test_file_names_that_are_no_utf8_are_written_down(tmp_path, prepared):
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("A text.")
    config = CorpusConfig(text=(str(folder),))
    assert fingerprint_of(config)["files"][0]["name"] == "books/caf\\xe9.txt"
    fingerprint(fingerprint_of(config))
    _, kept, _ = prepared(text=[folder])
    assert [d.source for d in kept["train"]] == ["books/caf\\xe9.txt"]


@pytest.mark.parametrize("text", [".", "**/*.jsonl", "./**/*"])
def test_what_our_runs_wrote_is_never_learned_from(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.jsonl", "sub/runs/mine/metrics.jsonl", "sub/runs/prepared/corpus-ab12/train.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [f.path.name for f in find(CorpusConfig(text=(text,))).files] == ["mine.jsonl"]
    assert find(CorpusConfig(text=("sub/runs/mine/metrics.jsonl",))).files, "what is named itself is read"


@pytest.mark.parametrize("text", ["", " ", "x" * 5000])
def test_names_that_can_not_be_are_data_errors(text):
    with pytest.raises(DataError):
        find(CorpusConfig(text=(text,)))


def test_a_file_that_can_not_be_read_is_passed_over_and_read_when_it_can(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("A text.")
    config, whole = CorpusConfig(text=(str(tmp_path / "a.txt"),)), fingerprint_module.sha256_file

    def locked(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fingerprint_module, "sha256_file", locked)
    before = fingerprint_of(config)
    monkeypatch.setattr(fingerprint_module, "sha256_file", whole)
    assert before != fingerprint_of(config)


def test_another_version_of_what_decides_the_text_is_another_corpus(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("A text.")
    config, installed = CorpusConfig(text=(str(tmp_path / "a.txt"),)), fingerprint_module.metadata.version
    before = fingerprint_of(config)

    def another(name):
        if name == "pypdf":
            raise fingerprint_module.metadata.PackageNotFoundError(name)
        return "0" if name == "resiliparse" else installed(name)

    monkeypatch.setattr(fingerprint_module.metadata, "version", another)
    after = fingerprint_of(config)
    assert "pypdf" not in after["versions"] and after["versions"]["resiliparse"] == "0" and before != after
