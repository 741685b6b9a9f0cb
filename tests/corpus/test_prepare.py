"""The stage as a whole: splits that never move, books that balance, bytes that repeat."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from idiolect.corpus import fingerprint_of
from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup.config import DedupConfig, NearConfig
from idiolect.corpus.split import SPLITS
from idiolect.errors import DataError, RecipeError

ROOT = Path(__file__).parents[2]


def jsonl(path, texts):
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    return path


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.fixture
def many(tmp_path):
    return jsonl(tmp_path / "many.jsonl", [f"Document number {i} says {i * i}." for i in range(2000)])


def test_a_document_never_changes_side(tmp_path, prepared, many):
    shares = {"validation_fraction": 0.1, "test_fraction": 0.1}
    _, before, _ = prepared(text=[many], **shares)
    more = jsonl(tmp_path / "more.jsonl", [f"Another text {i}." for i in range(500)])
    _, after, _ = prepared(text=[more, many], **shares)
    for split in SPLITS:
        assert {d.text for d in before[split]} <= {d.text for d in after[split]}
    assert 150 < len(before["validation"]) < 250 and 150 < len(before["test"]) < 250
    _, wider, _ = prepared(text=[many], validation_fraction=0.2, test_fraction=0.1)
    assert {d.text for d in before["validation"]} <= {d.text for d in wider["validation"]}


def test_equal_texts_stand_on_one_side_even_when_duplicates_are_kept(tmp_path, prepared):
    texts = [f"A text {i % 50}" + " " * (i // 50) for i in range(500)]
    _, kept, _ = prepared(
        text=[jsonl(tmp_path / "t.jsonl", texts)],
        dedup=DedupConfig(documents=False, near=NearConfig(action="off")),
        validation_fraction=0.3,
        test_fraction=0.2,
    )
    sides = [{d.text.strip() for d in kept[s]} for s in SPLITS]
    assert sum(map(len, kept.values())) == 500 and sum(map(len, sides)) == 50


def test_the_books_balance_and_drops_are_sampled(tmp_path, prepared):
    texts = ["", "  \n", "short", "long " * 100, "Kept text one.", "Kept  text\none.", "Kept text two."]
    audit, kept, out = prepared(
        text=[jsonl(tmp_path / "t.jsonl", texts)], min_characters=6, max_characters=200, dropped_samples=2
    )
    assert [d.text for d in kept["train"]] == ["Kept text one.", "Kept text two."]
    counts = {reason: d["documents"] for reason, d in audit["dropped"].items()}
    assert counts == {"bad_row": 1, "duplicate": 1, "empty": 1, "too_long": 1, "too_short": 1}
    assert audit["read"]["documents"] == 7 == sum(counts.values()) + 2
    assert audit["dropped"]["duplicate"]["samples"][0]["text"] == "Kept  text\none."
    assert set(pq.read_table(out / "dropped.parquet")["reason"].to_pylist()) == set(counts)
    assert json.loads((out / "audit.json").read_text()) == audit
    assert str(tmp_path) not in (out / "audit.json").read_text()


def test_position_split_keeps_every_character(tmp_path, prepared):
    text = "".join(f"line {i}\r\n\r\n" for i in range(1000))
    (tmp_path / "t.txt").write_bytes(text.encode())
    settings = {"split_by": "position", "documents": "whole", "clean": CleanConfig(unify_line_ends=False)}
    _, kept, _ = prepared(text=[tmp_path / "t.txt"], validation_fraction=0.1, **settings)
    cut = int(0.9 * len(text))
    assert kept["train"][0].text == text[:cut] and kept["validation"][0].text == text[cut:] and not kept["test"]
    rows = jsonl(tmp_path / "r.jsonl", [f"row {i}" for i in range(10)])
    _, kept, _ = prepared(text=[rows], validation_fraction=0.2, test_fraction=0.1, **settings)
    assert [len(kept[s]) for s in SPLITS] == [7, 2, 1] and kept["test"][0].text == "row 9"


def test_tiny_shakespeare_is_cut_where_everybody_cuts_it(prepared, shared):
    audit, _, _ = prepared(
        text=[shared("char-lm/tinyshakespeare.txt")], split_by="position", documents="whole", validation_fraction=0.1
    )
    assert [audit["kept"][s]["characters"] for s in SPLITS] == [1_003_854, 111_540, 0]
    assert audit["cleaned"]["documents"] == 0


def test_files_named_for_validation_are_kept_out_of_training(tmp_path, prepared):
    jsonl(tmp_path / "train.jsonl", ["only train", "in both"])
    jsonl(tmp_path / "valid.jsonl", ["in both", "only valid"])
    audit, kept, _ = prepared(
        text=[tmp_path], validation_text=(str(tmp_path / "valid.jsonl"),), validation_fraction=0.3
    )
    assert [d.text for d in kept["train"]] == ["only train"]
    assert [d.text for d in kept["validation"]] == ["in both", "only valid"]
    assert audit["dropped"]["duplicate"]["documents"] == 1


def test_output_is_byte_identical_for_any_number_of_workers(prepared, many, monkeypatch):
    monkeypatch.setattr("idiolect.corpus.gather.PARALLEL_BYTES", 0)
    monkeypatch.setattr("idiolect.corpus.packs.PACK_BYTES", 2000)
    shares = {"validation_fraction": 0.1, "test_fraction": 0.1}
    outputs = [hashes(prepared(text=[many], workers=n, **shares)[2]) for n in (1, 2, 3, 1)]
    assert all(o == outputs[0] for o in outputs)
    assert set(outputs[0]) == {"audit.json", "dropped.parquet", "test.parquet", "train.parquet", "validation.parquet"}


def test_an_error_while_reading_is_never_a_short_corpus(prepared, many, monkeypatch):
    from idiolect.corpus.sources import jsonl as reader

    def breaks(file, config, rule):
        yield from list(original(file, config, rule))[:100]
        raise ZeroDivisionError("a bug in a reader")

    original = reader.read
    monkeypatch.setattr(reader, "read", breaks)
    with pytest.raises(ZeroDivisionError):
        prepared(text=[many])


def test_one_long_file_has_a_held_out_part(tmp_path, prepared):
    (tmp_path / "diary.txt").write_text("".join(f"Day {i}. Something happened on day {i}.\n\n" for i in range(1500)))
    _, kept, _ = prepared(text=[tmp_path / "diary.txt"], validation_fraction=0.05, test_fraction=0.05)
    assert kept["train"] and kept["validation"] and kept["test"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_characters": 1000}, ("too_short", "min_characters=1")),
        ({"max_characters": 2}, ("too_long", "max_characters=")),
    ],
)
def test_when_all_is_dropped_the_error_says_which_setting(prepared, many, settings, words):
    with pytest.raises(DataError, match="all 2,000 documents were dropped") as failure:
        prepared(text=[many], **settings)
    assert words[0] in failure.value.why and words[1] in failure.value.fix


def test_an_empty_held_out_part_names_a_share_that_works(tmp_path, prepared):
    few = jsonl(tmp_path / "few.jsonl", [f"text {i}" for i in range(6)])
    with pytest.raises(DataError, match="no document is left for validation") as failure:
        prepared(text=[few], validation_fraction=0.0001, test_fraction=0.0)
    fraction = float(failure.value.fix.split("validation_fraction=")[1].split(",")[0])
    _, kept, _ = prepared(text=[few], validation_fraction=fraction, test_fraction=0.0)
    assert kept["validation"]


def test_a_bad_pattern_is_a_recipe_error(many, prepared):
    with pytest.raises(RecipeError, match="document_start"):
        prepared(text=[many], documents="starts", document_start="(")


def test_config_refuses_what_cannot_be(tmp_path):
    for wrong in (
        {"text": ()},
        {"validation_fraction": 0.6, "test_fraction": 0.5},
        {"documents": "starts"},
        {"encoding": "klingon"},
        {"min_characters": 5, "max_characters": 4},
    ):
        with pytest.raises(ValueError):
            CorpusConfig(**wrong)


def test_fingerprint_follows_content_and_settings_and_nothing_else(tmp_path, many):
    config = CorpusConfig(text=(str(many),))
    first = fingerprint_of(config)
    json.dumps(first)
    assert fingerprint_of(CorpusConfig(text=(str(many),), workers=7)) == first
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "many.jsonl").write_bytes(many.read_bytes())
    assert fingerprint_of(CorpusConfig(text=(str(elsewhere / "many.jsonl"),))) == first
    assert fingerprint_of(CorpusConfig(text=(str(many),), min_characters=2)) != first
    many.write_bytes(many.read_bytes().replace(b"number 7 ", b"number 8 "))
    assert fingerprint_of(config) != first


REFUSED = """
import sys
from pathlib import Path
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup.config import DedupConfig, NearConfig
from idiolect.corpus import prepare as stage
from idiolect.errors import IdiolectError
from idiolect.progress import Progress
stage.PARALLEL_BYTES = 0
try:
    config = CorpusConfig(text=(sys.argv[1],), workers=int(sys.argv[3]), on_unreadable="refuse")
    stage.prepare(config, Path(sys.argv[2]), Progress.silent())
except IdiolectError as error:
    sys.exit(error.exit_code)
"""


def test_a_refusal_of_a_short_file_ends_the_process_properly(tmp_path):
    (tmp_path / "t.jsonl").write_text("not JSON\n")
    command = [sys.executable, "-c", REFUSED, str(tmp_path / "t.jsonl"), str(tmp_path), "1"]
    for _ in range(4):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_refusal_in_mid_stream_ends_the_process_properly(tmp_path, workers):
    # A stream of Daft's left half read used to abort the interpreter as it ended: exit 134 in place of 3.
    many = jsonl(tmp_path / "many.jsonl", [f"Document number {i}. " * 50 for i in range(5000)])
    many.write_text(many.read_text().replace('{"text": "Document number 99.', "not JSON", 1))
    command = [sys.executable, "-c", REFUSED, str(many), str(tmp_path), str(workers)]
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (3, "")


KILLED = """
import sys
from pathlib import Path
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup.config import DedupConfig, NearConfig
from idiolect.corpus import packs
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress
from idiolect.rundir import new_folder
import idiolect.corpus.gather as stage
stage.PARALLEL_BYTES = 0
packs.PACK_BYTES = 2000
print("started", flush=True)
with new_folder(Path(sys.argv[2])) as out:
    prepare(CorpusConfig(text=(sys.argv[1],), workers=2), out, Progress.silent())
"""


def test_a_killed_preparation_leaves_no_half_result(tmp_path, many):
    final = tmp_path / "prepared" / "corpus-x"
    command = [sys.executable, "-c", KILLED, str(many), str(final)]
    for seconds in (0.3, 1.2):
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not final.exists() or (final / "manifest.json").exists()
        process.stdout.close()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    assert (final / "manifest.json").exists()
    assert [p.name for p in final.parent.iterdir()] == ["corpus-x"]
