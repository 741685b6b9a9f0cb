"""Bombs, lies and escapes: each is refused or passed over with one clear line, and memory stays bounded."""

import gzip
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import zipfile

import pyarrow as pa
import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.endings import FORMATS
from idiolect.corpus.extract import BadDocument, text_of
from idiolect.corpus.find import find
from idiolect.corpus.sources import BadRow, Raw, reader_of
from idiolect.corpus.streams import Unreadable

ZEROS = b"\0" * (1 << 20)
# What reading in a fresh process may hold over what the imports take: one document's limit, its copies, blocks.
MOST_GROWTH = 64 << 20
READ = """
import json, sys
from pathlib import Path
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import resolve_rule
from idiolect.corpus.extract import BadDocument, text_of
from idiolect.corpus.extract.config import FormatsConfig
from idiolect.corpus.find import find
from idiolect.corpus.sources import BadRow, Raw, reader_of
from idiolect.corpus.streams import Unreadable
from idiolect.device import peak_resident_bytes
import pyarrow.parquet, resiliparse.extract.html2text, resiliparse.parse.encoding, fastwarc.warc, pypdf
def told(path):
    config = CorpusConfig(text=(str(path),), formats=FormatsConfig(max_document_bytes=4 << 20))
    (file,) = find(config).files
    # The kernel forgets the peak of what was read before.
    Path("/proc/self/clear_refs").write_text("5")
    before, said = peak_resident_bytes(), []
    try:
        for item in reader_of(file)(file, config, resolve_rule(config, [file])):
            if isinstance(item, BadRow):
                said.append(f"{item.where}: {item.why}")
            elif isinstance(item, Raw):
                try:
                    said.append("text " + text_of(item.kind, item.text, config.formats)[:20])
                except BadDocument as error:
                    said.append(str(error))
    except Unreadable as error:
        said.append(str(error))
    return peak_resident_bytes() - before, said


print(json.dumps({path.name: told(path) for path in sorted(Path(sys.argv[1]).iterdir())}))
"""


def record(body: bytes) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def named(name: str, data: bytes = b"", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def arrow_bomb() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"text": ["a" * (90 << 20)]})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def book_bomb() -> bytes:
    container = b'<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
    package = b'<p><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
    package += b'<spine><itemref idref="a"/></spine></p>'
    return zipped(("META-INF/container.xml", container), ("p.opf", package), ("a.xhtml", b"<p>" + ZEROS * 100))


def lying_zip() -> bytes:
    """A member that declares 10 bytes where 50 MB are, in both its headers."""
    whole = bytearray(zipped(("a.txt", b"a" * (50 << 20))))
    central = whole.rfind(b"PK\x01\x02")
    struct.pack_into("<I", whole, central + 24, 10)
    struct.pack_into("<I", whole, 22, 10)
    return bytes(whole)


def long_pax() -> bytes:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 300 << 20
    return header.tobuf() + ZEROS * 30


ENTITIES = b"<!ENTITY a0 'ha'>" + b"".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>".encode() for i in range(1, 12))
LAUGHS = b"<?xml version='1.0'?><!DOCTYPE mediawiki [" + ENTITIES + b"]><mediawiki><page>&a11;</page></mediawiki>"
WIDE = LAUGHS.decode().replace("'1.0'", "'1.0' encoding='utf-16'").encode("utf-16")
MESSAGE = b"From a\nSubject: x\n\n" + b"w" * (90 << 20) + b"\n\nFrom b\nSubject: y\n\nshort\n"
PAGE = b"<mediawiki><page><title>T</title><ns>0</ns><text>" + b"w " * (10 << 20) + b"</text></page></mediawiki>"
BOMBS = {
    "page.html.gz": (lambda: gzip.compress(b"<p>" + b"a" * (90 << 20)), "larger than max_document_bytes"),
    "long.jsonl": (lambda: b'{"text": "' + b"a" * (100 << 20) + b'"}\n{"text": "short"}\n', "longer than max_document"),
    "deep.jsonl": (lambda: b'{"text": "x"}\n{"text": ' + b"[" * 100_000 + b"\n", "line 2: nested too deep"),
    "long.csv": (lambda: b"text\n" + b"a" * (100 << 20) + b"\nshort\n", "row 2: not valid"),
    "record.warc.gz": (
        lambda: gzip.compress(record(random.Random(0).randbytes(6 << 20)) + record(b"short")),
        "larger than max_document_bytes",
    ),
    "laughs.xml": (lambda: LAUGHS, "declares an entity"),
    "wide.xml": (lambda: WIDE, "declares an entity"),
    "deep.xml": (lambda: b"<mediawiki>" + b"<page>" * 500_000, "nested more than 1,000 deep"),
    "page.xml": (lambda: PAGE, "larger than max_document_bytes"),
    "box.mbox": (lambda: MESSAGE, "larger than max_document_bytes"),
    "bomb.zip": (lambda: zipped(("a.txt", ZEROS * 90)), "a bomb"),
    "nested.zip": (lambda: zipped(("a.zip", zipped(("b.txt", ZEROS * 90)))), "a bomb"),
    "lying.zip": (lying_zip, "can't be unpacked"),
    "bomb.tar.gz": (lambda: gzip.compress(tarred(named("a.txt", ZEROS * 90))), "a bomb"),
    "pax.tar": (long_pax, "extended header"),
    "bomb.arrow": (arrow_bomb, "a bomb"),
    "bomb.epub": (book_bomb, "a bomb"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    """What a fresh process says of each bomb, and by how much its peak of memory grew."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, (make, _) in BOMBS.items():
        (folder / name).write_bytes(make())
    done = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_told_in_a_line_and_memory_is_bounded(told, name):
    grown, said = told[name]
    assert any(BOMBS[name][1] in line for line in said), said
    # A plain file is held for its second reading up to the text reader's own limit (encoding.IN_MEMORY).
    allowed = MOST_GROWTH + ((64 << 20) if name.startswith("long.") else 0)
    assert grown < allowed, f"{grown >> 20} MB"


def said(path, **settings) -> list[str]:
    """Why a file or its rows were passed over; [] when all is text."""
    config = CorpusConfig(text=(str(path),), **settings)
    (file,) = find(config).files
    why = []
    try:
        for item in reader_of(file)(file, config, resolve_rule(config, [file])):
            if isinstance(item, BadRow):
                why.append(f"{item.where}: {item.why}")
            elif isinstance(item, Raw):
                try:
                    text_of(item.kind, item.text, config.formats)
                except BadDocument as error:
                    why.append(str(error))
    except Unreadable as error:
        why.append(str(error))
    return why


@pytest.mark.parametrize(
    "name", ["../a.txt", "/etc/a.txt", "a/../../b.txt", "..\\a.txt", "C:\\a.txt", "a/../../../b.txt"]
)
def test_names_that_lead_out_refuse_the_archive(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zipped(("good.txt", b"good"), (name, b"evil")))
    (tmp_path / "a.tar").write_bytes(tarred(named("good.txt", b"good"), named(name, b"evil")))
    before = sorted(p for p in tmp_path.parent.rglob("*"))
    assert ["leads out" in line for line in said(tmp_path / "a.zip")] == [True]
    assert ["leads out" in line for line in said(tmp_path / "a.tar")] == [True]
    assert sorted(p for p in tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (named("l.txt", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "leads out"),
        (named("d/l.txt", type=tarfile.SYMTYPE, linkname="../../x"), "leads out"),
        (named("l.txt", type=tarfile.LNKTYPE, linkname="../x"), "leads out"),
        (named("d/l.txt", type=tarfile.SYMTYPE, linkname="../good.txt"), "links are not followed"),
        (named("f.txt", type=tarfile.FIFOTYPE), "a device"),
        (named("n.txt", type=tarfile.CHRTYPE), "a device"),
    ],
)
def test_links_and_devices_are_never_followed(tmp_path, member, says):
    (tmp_path / "a.tar").write_bytes(tarred(named("good.txt", b"good"), member))
    (line,) = said(tmp_path / "a.tar")
    assert says in line


def test_archives_in_archives_end_somewhere(tmp_path):
    data = b"deep"
    for depth in range(6):
        data = zipped((f"{depth}.zip" if depth else "a.txt", data))
    (tmp_path / "a.zip").write_bytes(data)
    assert said(tmp_path / "a.zip") == ["5.zip/4.zip/3.zip: it is an archive within 3 archives"]


def test_a_list_of_members_too_long_to_hold_is_not_read(tmp_path):
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 3 << 30, 0, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + b"\0" * 1000 + end)
    assert "list of members" in said(tmp_path / "a.zip")[0]


def test_a_book_that_names_what_lies_outside_is_refused(tmp_path):
    container = b'<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
    package = b'<p><manifest><item id="a" href="../../etc/passwd" media-type="text/html"/></manifest>'
    package += b'<spine><itemref idref="a"/></spine></p>'
    (tmp_path / "a.epub").write_bytes(zipped(("META-INF/container.xml", container), ("p.opf", package)))
    assert "outside the book" in said(tmp_path / "a.epub")[0]
    (tmp_path / "b.epub").write_bytes(zipped(("META-INF/container.xml", LAUGHS), ("p.opf", package)))
    assert "declares an entity" in said(tmp_path / "b.epub")[0]


def test_external_entities_are_not_read(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    xml = f'<!DOCTYPE TEI [<!ENTITY x SYSTEM "{tmp_path}/secret.txt">]><TEI><text><p>&x;</p></text></TEI>'
    (tmp_path / "a.xml").write_text(xml)
    assert "declares an entity" in said(tmp_path / "a.xml")[0]


@pytest.mark.parametrize("ending", sorted({e for e, kind in FORMATS.items() if kind != "code"} | {".py"}))
@pytest.mark.parametrize("content", ["empty", "nul", "noise", "cut"])
def test_every_format_survives_what_is_none(tmp_path, ending, content):
    whole = {
        ".zip": zipped(("a.txt", b"text " * 50)),
        ".epub": book_bomb()[:2000],
        ".tar": tarred(named("a.txt", b"x" * 900)),
    }
    data = {
        "empty": b"",
        "nul": b"\0" * 5000,
        "noise": bytes((i * i * 31 + i // 7) % 256 for i in range(5000)),
        "cut": whole.get(ending, b'<html><p>\xff\xfe broken \x80 %PDF-1.7 {"text": ')[:-60] or b"x",
    }[content]
    (tmp_path / f"a{ending}").write_bytes(data)
    why = said(tmp_path / f"a{ending}")
    assert all(isinstance(line, str) and "\n" not in line and len(line) < 500 for line in why)
    if content == "empty":
        assert why, "an empty file is told"


def test_lone_surrogates_and_deep_json_do_not_stop_a_corpus(tmp_path, prepared):
    rows = [json.dumps({"text": "half \ud83d"}), '{"text": ' + "[" * 100_000, '{"text": "good"}']
    (tmp_path / "a.zip").write_bytes(zipped(("t.jsonl", "\n".join(rows).encode())))
    _, kept, _ = prepared(text=[tmp_path / "a.zip"])
    assert [d.text for d in kept["train"]] == ["half \ufffd", "good"]


def test_names_and_labels_that_can_not_be_written_down_are_escaped(prepared, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "new\nline\x1b[31m.txt").write_text("A text with an odd name.")
    (folder / "labels.jsonl").write_text('{"text": "A labelled text.", "label": "\\ud800", "content": "x"}\n')
    with tarfile.open(folder / "old.tar", "w") as archive:
        for name, text in ((b"caf\xe9.txt", b"A member of an old archive."), (b"bild\xe9\x1b.png", b"x")):
            info = tarfile.TarInfo(os.fsdecode(name))
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    audit, splits, _ = prepared(text=[folder], label_column="label")
    assert audit["read"]["documents"] == len(splits["train"]) == 3
    sources = {d.source for d in splits["train"]}
    assert "odd/new\\x0aline\\x1b[31m.txt" in sources
    assert {d.origin for d in splits["train"]} == {"", "caf\\xe9.txt"}
    assert any("bild\\xe9\\x1b.png" in entry["file"] for entry in audit["skipped_files"])


def test_a_file_of_nothing_but_nuls_is_binary(prepared, tmp_path):
    (tmp_path / "disk.txt").write_bytes(bytes(100_000))
    (tmp_path / "wide.txt").write_bytes("A wide text, as it was.".encode("utf-32-le"))
    audit, splits, _ = prepared(text=[tmp_path])
    assert [d.text for d in splits["train"]] == ["A wide text, as it was."]
    assert [entry["reason"] for entry in audit["skipped_files"]] == ["is binary, not text"]
