"""The second pass in pieces: where they are cut, how row groups and tallies are put together, and that none is lost."""

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import daft
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect import faults
from idiolect.corpus import engine, gather, packs, parts, settle, stretches
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.joined import JoinedFile, RewrittenFile, footer_of, groups_of
from idiolect.corpus.parts import Lots
from idiolect.corpus.piece import Piece
from idiolect.corpus.prepare import prepare
from idiolect.corpus.tally import Tally
from idiolect.corpus.thrift import STRUCT, NotUnderstood, decoded, encoded
from idiolect.corpus.writer import SETTINGS
from idiolect.errors import ResourceError
from idiolect.progress import Progress

APART = """
import sys
from pathlib import Path
import test_second_pass as here
for (module, name), value in here.SMALL.items():
    setattr(module, name, value)
here.run(*map(Path, sys.argv[1:]))
"""
SMALL = {
    (packs, "PACK_BYTES"): 2000,
    (parts, "PART_BYTES"): 40_000,
    (gather, "PARALLEL_BYTES"): 1 << 40,
    (settle, "STRETCHES_A_WORKER"): 1,
    (stretches, "STRETCH_BYTES"): 60_000,
    (stretches, "READ_BYTES"): 5000,
}
SCHEMA = pa.schema([("number", pa.int64()), ("parity", pa.string()), ("original_bytes", pa.int64())])


@pytest.fixture
def small(monkeypatch):
    """Packs, parts and stretches so small that little text makes many of them."""
    for (module, name), value in SMALL.items():
        monkeypatch.setattr(module, name, value)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    rows = [
        json.dumps({"text": f"Row {i} of many.\nA line that comes again.\n{i * i}. " * (1 + i % 9)}) for i in range(500)
    ]
    (folder / "rows.jsonl").write_text("\n".join([*rows, rows[3], "not JSON"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def whole(texts, tmp_path_factory):
    """Folder and hashes of the corpus as one worker prepares it, undisturbed."""
    out = tmp_path_factory.mktemp("corpus") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in SMALL.items():
            patch.setattr(module, name, value)
        return out, run(texts, out)


def run(texts: Path, out: Path, workers: int = 1, progress: Progress | None = None) -> dict[str, str]:
    """Prepare, and return the hashes of what came out."""
    out.mkdir(exist_ok=True)
    config = CorpusConfig(
        text=(str(texts),), workers=workers, validation_fraction=0.1, test_fraction=0.1,
        clean={"lowercase": True}, dedup={"lines": {"action": "repeats"}},
    )  # fmt: skip
    prepare(config, out, progress or Progress.silent(), work=out.with_suffix(".parts"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())}


def stopped(texts: Path, out: Path, monkeypatch, fault: str) -> list[Piece]:
    """A preparation that meets a fault; the pieces that it leaves."""
    faults.forget()
    monkeypatch.setenv(faults.VARIABLE, fault)
    with pytest.raises(OSError):
        run(texts, out)
    monkeypatch.delenv(faults.VARIABLE)
    folder = out.with_suffix(".parts") / "pieces"
    return [Piece(folder, n) for n in range(len(list(folder.glob("*.record"))))]


def test_equal_bytes_for_any_workers_and_parts(tmp_path, texts, whole, small, monkeypatch):
    assert pq.ParquetFile(whole[0] / "train.parquet").num_row_groups > 2
    monkeypatch.setattr(parts, "PART_BYTES", 150_000)
    sent, each = [], engine.each
    monkeypatch.setattr(engine, "each", lambda work, items, n: sent.append((len(items), n)) or each(work, items, n))
    assert run(texts, tmp_path / "two", workers=2) == whole[1]
    ((n_stretches, n_workers),) = sent
    assert n_stretches > 3 and n_workers == 2


def test_some_documents_of_a_stretch_are_cut_and_others_are_not(tmp_path, small):
    """Only where something is cut do texts pass through Python, and come back as another kind of Arrow string."""
    again = "A paragraph that comes again and again, in every document from here on."
    rows = [f"Document {i} says {i * i}.\n\n{again if i > 80 else f'Alone: {i * 7}.'}" for i in range(160)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in rows))
    (tmp_path / "out").mkdir()
    config = CorpusConfig(
        text=(str(tmp_path / "rows.jsonl"),), workers=1, validation_fraction=0.0, test_fraction=0.0,
        dedup={"paragraphs": {"action": "repeats", "min_characters": 40}},
    )  # fmt: skip
    audit = prepare(config, tmp_path / "out", Progress.silent())
    texts = pq.read_table(tmp_path / "out/train.parquet")["text"].to_pylist()
    assert audit["cuts"]["paragraph"]["documents"] == 78 and sum(again in text for text in texts) == 1
    assert sum("Alone" in text for text in texts) == 81


def test_a_killed_pass_finds_its_pieces_and_makes_spoilt_ones_again(tmp_path, texts, whole, small, monkeypatch):
    killed = tmp_path / "killed"
    pieces = stopped(texts, killed, monkeypatch, "corpus.after_piece:4:raise:EIO")
    assert len(pieces) == 4
    made = pieces[0].file.stat().st_mtime_ns
    # Cut short; one bit turned, in the row groups and in the tally.
    spoil = {
        1: lambda piece: piece.file.write_bytes(piece.file.read_bytes()[:-10]),
        2: lambda piece: turn(piece.file),
        3: lambda piece: turn(piece.record),
    }
    for number, change in spoil.items():
        assert pieces[number].read() is not None
        change(pieces[number])
        assert pieces[number].finished and pieces[number].read() is None
    stopped(texts, killed, monkeypatch, "corpus.after_piece:5:raise:EIO")
    assert pieces[0].file.stat().st_mtime_ns == made
    assert run(texts, killed) == whole[1]


def test_a_pass_that_was_really_killed(tmp_path, texts, whole, small):
    command = [sys.executable, "-c", APART, str(texts), str(tmp_path / "killed")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", faults.VARIABLE: "corpus.after_piece:2:kill"}
    done = subprocess.run(command, cwd=Path(__file__).parent, env=environment, capture_output=True, timeout=240)
    assert done.returncode == -9, done.stderr
    assert len(list((tmp_path / "killed.parts/pieces").glob("*.record"))) == 2
    assert run(texts, tmp_path / "killed") == whole[1]


def turn(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_row_groups_that_say_more_than_is_known_are_written_anew(tmp_path, texts, whole, small, monkeypatch, capsys):
    # Places of page indexes stand in the footer: what a later pyarrow may write unasked.
    monkeypatch.setitem(SETTINGS, "write_page_index", True)
    run(texts, tmp_path / "more", progress=Progress())
    assert "joined by reading and writing anew" in capsys.readouterr().err
    for split in ("train", "validation", "test"):
        one, other = (pq.ParquetFile(folder / f"{split}.parquet") for folder in (whole[0], tmp_path / "more"))
        assert one.read() == other.read() and one.num_row_groups == other.num_row_groups
        assert other.metadata.row_group(0).column(0).has_offset_index
    assert (whole[0] / "audit.json").read_bytes() == (tmp_path / "more/audit.json").read_bytes()


class Failing:
    """Work that can't be done on one item."""

    def __call__(self, item: int) -> None:
        if item == 3:
            raise ResourceError("the disk is full", why="nothing is free", fix="free some")


def test_what_a_worker_raises_reaches_the_user_as_it_is():
    done = []
    with pytest.raises(ResourceError, match="the disk is full") as caught:
        for item in engine.each(Failing(), list(range(6)), workers=2):
            done.append(item)
    assert caught.value.fix == "free some" and done == [0, 1, 2]


def part_of(lots: Lots, numbers: range, sizes: list[int], *, last: bool) -> None:
    (lot,) = lots
    writer = lot.open()
    some = [{"number": n, "parity": "", "original_bytes": sizes[n]} for n in numbers]
    for row in some:
        table = pa.Table.from_pylist([row], SCHEMA)
        writer.add(table.append_column("file", pa.array([0])).append_column("position", pa.array([row["number"]])))
    lot.close(writer, last=last)


@pytest.mark.parametrize("cuts", [[], [1], [7, 8], [3, 9, 20, 31], list(range(1, 40))])
def test_stretches_depend_on_the_documents_alone(tmp_path, monkeypatch, cuts):
    monkeypatch.setattr(stretches, "STRETCH_BYTES", 4000)
    monkeypatch.setattr(stretches, "READ_BYTES", 500)
    sizes = [(37 * n * n) % 900 for n in range(40)]
    sizes[12] = 13_000
    schema = pa.schema([*SCHEMA, ("file", pa.int64()), ("position", pa.int64())])
    lots = Lots(tmp_path, schema, [(0, 1)])
    edges = [0, *cuts, 40]
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        part_of(lots, range(start, stop), sizes, last=stop == 40)
    found = [[n for t in s.tables(3) for n in t["number"].to_pylist()] for s in stretches.stretches(lots)]
    place, expected = 0, {}
    for n, size in enumerate(sizes):
        expected.setdefault(place // 4000, []).append(n)
        place += size + stretches.ROW_BYTES
    assert found == list(expected.values()) and len(found) > 5
    assert [s.first for s in stretches.stretches(lots)] == [numbers[0] for numbers in found]


@pytest.mark.parametrize("kind", [JoinedFile, RewrittenFile])
def test_joined_row_groups_are_read_as_they_were_by_two_readers(tmp_path, kind):
    schema = pa.schema([("text", pa.string()), ("n", pa.int64())])
    tables = [
        pa.table({"text": [f"{k}-{i % 7}" * (i % 50) for i in range(100 * k)], "n": range(100 * k)}, schema)
        for k in (1, 2, 3)
    ]
    with kind(tmp_path / "joined.parquet", schema) as joined:
        for some in ((tables[0], tables[1]), (tables[2],)):
            source = written(schema, some)
            for number in range(len(some)):
                joined.add(source, number)
    with kind(tmp_path / "empty.parquet", schema):
        pass
    wanted = pa.concat_tables(tables)
    with pq.ParquetFile(tmp_path / "joined.parquet") as file:
        assert file.num_row_groups == 3 and file.metadata.num_rows == 600
        assert file.read() == wanted and file.read_row_group(2) == tables[2]
    assert daft.read_parquet(str(tmp_path / "joined.parquet")).to_arrow().to_pylist() == wanted.to_pylist()
    assert pq.read_table(tmp_path / "empty.parquet") == schema.empty_table()


def written(schema: pa.Schema, tables) -> io.BytesIO:
    """A Parquet file with a row group for each table."""
    source = io.BytesIO()
    with pq.ParquetWriter(source, schema, **SETTINGS) as writer:
        for table in tables:
            writer.write_table(table)
    return source


def test_places_are_really_moved_and_a_half_joined_file_is_none(tmp_path):
    table = pa.table({"text": ["a", "b"] * 50, "n": range(100)})
    source = written(table.schema, [table.slice(0, 50), table.slice(50)])
    # The control: with places as they were, the second group would be read where the first is, or not at all.
    first, second = groups_of(source)
    assert first != second
    with JoinedFile(tmp_path / "joined.parquet", table.schema) as joined:
        joined.add(source, 1)
        assert joined._groups != [encoded(STRUCT, second)]
    assert pq.read_table(tmp_path / "joined.parquet") == table.slice(50)
    with pytest.raises(KeyError), JoinedFile(tmp_path / "half.parquet", table.schema) as joined:
        joined.add(source, 0)
        raise KeyError
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(tmp_path / "half.parquet")


def test_a_footer_is_written_as_it_was_read_and_garbage_is_refused():
    table = pa.table({"text": ["a", "b"] * 50, "n": range(100)})
    data = written(table.schema, [table, table]).getvalue()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    assert encoded(STRUCT, decoded(footer)) == footer
    # A struct with both truth values, a byte, a double and a list of them, by the specification.
    odd = bytes([0x11, 0x12, 0x13, 0x7F, 0x17, *range(8), 0x19, 0x23, 5, 6, 0])
    assert encoded(STRUCT, decoded(odd)) == odd and decoded(odd)[2] == (2, False)
    for n in range(len(footer)):
        with pytest.raises(NotUnderstood):
            decoded(footer[:n])
    for n in range(len(footer)):
        for bit in (1, 16, 128):
            changed = bytes([*footer[:n], footer[n] ^ bit, *footer[n + 1 :]])
            try:
                again = decoded(changed)
            except NotUnderstood:
                continue
            assert decoded(encoded(STRUCT, again)) == again
    endless = bytes([0x19, 0xF5, *[0xFF] * 8, 0x7F]), b"\x1c" * 100_000, b"\x19" * 100_000, footer + b"\0"
    for garbage in (*endless, bytes([0x1B, 1, 0x88, 0])):
        with pytest.raises(NotUnderstood):
            decoded(garbage)
    for file in (b"PAR1" * 2, b"PAR1" + b"\xff" * 4 + b"PAR1", data[:-4] + b"PARE"):
        with pytest.raises(NotUnderstood):
            footer_of(io.BytesIO(file))


def test_tallies_add_up_in_any_grouping():
    def tally(numbers) -> Tally:
        found = Tally()
        for n in numbers:
            found.count("seen", n % 3, n=n)
            found.keep(("low", n % 2), [n * 7 % 10, str(n)], {"n": n}, 3)
            found.keep(("equal",), 0, {"n": n}, 1)
        return found

    whole = tally(range(50))
    for cuts in ([25], [1, 2, 49], [10, 20, 30, 40]):
        added = Tally()
        for start, stop in zip([0, *cuts], [*cuts, 50], strict=True):
            added.add(Tally.of(json.loads(json.dumps(tally(range(start, stop)).facts()))))
        assert added.counts == whole.counts and added.under("seen") == whole.under("seen")
        assert added.kept_under("low") == whole.kept_under("low") and added.first("equal") == [{"n": 0}]
    backwards = tally(range(25, 50))
    backwards.add(tally(range(25)))
    assert backwards.first("equal") != whole.first("equal"), "order decides between equals"
