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

from idiolect.corpus.joined import JoinedFile, groups_of
from idiolect.corpus.parts import Lots
from idiolect.corpus.stretches import ROW_BYTES, stretches
from idiolect.corpus.tally import Tally
from idiolect.corpus.thrift import STRUCT, Reader, encoded
from idiolect.corpus.writer import SETTINGS

ROOT = Path(__file__).parents[2]
PREPARE = """
import sys
from pathlib import Path
from idiolect.corpus import gather, packs, parts, settle, stretches
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress
packs.PACK_BYTES, parts.PART_BYTES = 2000, int(sys.argv[4])
gather.PARALLEL_BYTES, settle.STRETCHES_A_WORKER, stretches.STRETCH_BYTES = 1 << 40, 1, 60_000
out = Path(sys.argv[2])
out.mkdir(exist_ok=True)
config = CorpusConfig(
    text=(sys.argv[1],), workers=int(sys.argv[3]), validation_fraction=0.1, test_fraction=0.1,
    clean={"lowercase": True}, dedup={"lines": {"action": "repeats"}},
)
prepare(config, out, Progress.silent(), work=out.with_suffix(".parts"))
"""
SCHEMA = pa.schema([("number", pa.int64()), ("parity", pa.string()), ("original_bytes", pa.int64())])


def run(texts: Path, out: Path, workers: int = 1, fault: str = "", part_bytes: int = 40_000) -> int:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "IDIOLECT_FAULT": fault}
    command = [sys.executable, "-c", PREPARE, *map(str, (texts, out, workers, part_bytes))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


def hashes(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())}


def test_equal_bytes_for_any_workers_and_parts_and_after_a_kill(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    rows = [
        json.dumps({"text": f"Row {i} of many.\nA line that comes again.\n{i * i}. " * (1 + i % 9)}) for i in range(900)
    ]
    (texts / "rows.jsonl").write_text("\n".join([*rows, rows[3], "not JSON"]) + "\n")
    assert run(texts, tmp_path / "whole") == 0
    wanted = hashes(tmp_path / "whole")
    assert pq.ParquetFile(tmp_path / "whole/train.parquet").num_row_groups > 2
    assert run(texts, tmp_path / "three", workers=3, part_bytes=150_000) == 0
    assert hashes(tmp_path / "three") == wanted
    killed = tmp_path / "killed"
    assert run(texts, killed, fault="corpus.after_piece:2:kill") == -9
    pieces = sorted(killed.with_suffix(".parts").glob("pieces/*.json"))
    assert len(pieces) == 2
    made = pieces[0].stat().st_mtime_ns
    # The finished ones are found again; one that was cut short is not believed.
    file = pieces[1].with_suffix(".parquet")
    file.write_bytes(file.read_bytes()[:-10])
    assert run(texts, killed, fault="corpus.after_piece:3:kill") == -9
    assert pieces[0].stat().st_mtime_ns == made
    assert run(texts, killed) == 0 and hashes(killed) == wanted


def part_of(lots: Lots, numbers: range, sizes: list[int], *, last: bool) -> None:
    (parts,) = lots
    writer = parts.open()
    some = [{"number": n, "parity": "", "original_bytes": sizes[n]} for n in numbers]
    for row in some:
        table = pa.Table.from_pylist([row], SCHEMA)
        writer.add(table.append_column("file", pa.array([0])).append_column("position", pa.array([row["number"]])))
    parts.close(writer, last=last)


@pytest.mark.parametrize("cuts", [[], [1], [7, 8], [3, 9, 20, 31], list(range(1, 40))])
def test_stretches_depend_on_the_documents_alone(tmp_path, monkeypatch, cuts):
    monkeypatch.setattr("idiolect.corpus.stretches.STRETCH_BYTES", 4000)
    sizes = [(37 * n * n) % 900 for n in range(40)]
    sizes[12] = 13_000
    schema = pa.schema([*SCHEMA, ("file", pa.int64()), ("position", pa.int64())])
    lots = Lots(tmp_path, schema, [(0, 1)])
    edges = [0, *cuts, 40]
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        part_of(lots, range(start, stop), sizes, last=stop == 40)
    found = [stretch.table()["number"].to_pylist() for stretch in stretches(lots)]
    place, expected = 0, {}
    for n, size in enumerate(sizes):
        expected.setdefault(place // 4000, []).append(n)
        place += size + ROW_BYTES
    assert found == list(expected.values()) and len(found) > 5
    assert [s.first for s in stretches(lots)] == [numbers[0] for numbers in found]


def test_joined_row_groups_are_read_as_they_were_by_two_readers(tmp_path):
    schema = pa.schema([("text", pa.string()), ("n", pa.int64())])
    tables = [
        pa.table({"text": [f"{k}-{i % 7}" * (i % 50) for i in range(100 * k)], "n": range(100 * k)}, schema)
        for k in (1, 2, 3)
    ]
    with JoinedFile(tmp_path / "joined.parquet", schema) as joined:
        for pair in ((tables[0], tables[1]), (tables[2],)):
            source = io.BytesIO()
            with pq.ParquetWriter(source, schema, **SETTINGS) as writer:
                for table in pair:
                    writer.write_table(table)
            for group in groups_of(source):
                joined.add(source, group)
    JoinedFile(tmp_path / "empty.parquet", schema).close()
    wanted = pa.concat_tables(tables)
    with pq.ParquetFile(tmp_path / "joined.parquet") as file:
        assert file.num_row_groups == 3 and file.metadata.num_rows == 600
        assert file.read() == wanted and file.read_row_group(2) == tables[2]
    assert daft.read_parquet(str(tmp_path / "joined.parquet")).to_arrow().to_pylist() == wanted.to_pylist()
    assert pq.read_table(tmp_path / "empty.parquet") == schema.empty_table()


def test_a_footer_is_written_as_it_was_read_and_places_are_really_moved(tmp_path):
    source = io.BytesIO()
    table = pa.table({"text": ["a", "b"] * 50, "n": range(100)})
    pq.write_table(table, source, row_group_size=50)
    data = source.getvalue()
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    assert encoded(STRUCT, Reader(footer).struct()) == footer
    # The control: with places as they were, the second group would be read where the first is, or not at all.
    first, second = groups_of(source)
    assert first != second
    with JoinedFile(tmp_path / "joined.parquet", table.schema) as joined:
        joined.add(source, second)
        unmoved = encoded(STRUCT, second)
        assert joined._groups != [unmoved]
    assert pq.read_table(tmp_path / "joined.parquet") == table.slice(50)


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
