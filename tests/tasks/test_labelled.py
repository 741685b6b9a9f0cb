"""Labelled examples from every format, real files with odd bytes, and what is left out and refused."""

import csv
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus.documents import SCHEMA
from idiolect.errors import DataError, RecipeError
from idiolect.tasks.config import ClassificationConfig
from idiolect.tasks.labelled import hold_out, read_splits

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "sentence-classification"

# A line separator and a next-line mark stand inside the second text, a comma, quotes and a newline in the third.
ROWS = [("good film", "1"), ("so\u2028bad \x85 film", "0"), ('he said "no", twice', "0"), ("fine", "1")]


def write_rows(folder, kind, rows=ROWS):
    path = folder / f"examples.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps({"text": t, "label": int(n)}, ensure_ascii=False) for t, n in rows))
    elif kind in ("csv", "tsv"):
        with open(path, "w", newline="", encoding="utf-8") as file:
            style = {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None} if kind == "tsv" else {}
            csv.writer(file, **style).writerows([("text", "label"), *rows])
    elif kind == "parquet":
        table = {"id": list(range(len(rows))), "text": [t for t, _ in rows], "label": [int(n) for _, n in rows]}
        pq.write_table(pa.table(table), path)
    else:
        path.write_text("".join(f"{label} {text}\n" for text, label in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet", "txt"])
def test_every_format_gives_the_same_examples(tmp_path, kind):
    path = write_rows(tmp_path, kind)
    splits = read_splits(ClassificationConfig(train=[path], validation=[path]))
    assert splits.names == ("0", "1")
    assert [(t, splits.names[i]) for t, i in zip(splits.train.texts, splits.train.labels_N, strict=True)] == ROWS
    assert splits.report["test_is_validation"] and splits.report["test_texts_also_in_train"] == 4


def test_a_table_without_header_takes_named_columns(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text('"3","Fears for T N","Unions say, ""no""."\n"4","Race","Team\n two"\n"3","a","b"\n"4","c","d"\n')
    config = ClassificationConfig(
        train=[str(path)], validation=[str(path)], columns=["class", "title", "body"], text_field="body",
        label_field="class",
    )  # fmt: skip
    splits = read_splits(config)
    assert splits.names == ("3", "4") and splits.train.texts[:2] == ('Unions say, "no".', "Team\n two")


def test_latin_1_bytes_are_read_and_said(tmp_path):
    path = tmp_path / "old.all"
    path.write_bytes("1 un café très agréable\n0 une idée fâcheuse et désolée\n".encode("latin-1") * 3)
    splits = read_splits(ClassificationConfig(train=[str(path)], validation=[str(path)]))
    assert splits.train.texts[0] == "un café très agréable"
    assert splits.report["encodings"]["old.all"] != "utf-8"


def test_empty_texts_and_rare_labels_are_counted(tmp_path):
    rows = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("  ", "y"), ("e", "rare")]
    path = write_rows(tmp_path, "jsonl", [(t, "0") for t, _ in rows])
    Path(path).write_text("\n".join(json.dumps({"text": t, "label": n}) for t, n in rows))
    report = read_splits(ClassificationConfig(train=[path], validation=[path])).report
    assert report["left_out"]["empty text"] == 2  # once in each split
    assert report["left_out"]["label 'rare' has under 2 training examples"] == 1
    assert report["left_out"]["validation: labels not learned: rare"] == 1
    assert report["labels"]["train"] == {"x": 2, "y": 2}


def test_held_out_by_hash_of_the_text():
    rows = [(f"text {i}", "a") for i in range(2000)]
    train, held = hold_out(rows, 0.1)
    assert len(held) == pytest.approx(200, abs=45) and sorted(train + held) == sorted(rows)
    more_train, more_held = hold_out([("new", "a"), *rows, (" text 3 ", "b")], 0.1)
    assert set(held) <= set(more_held) and set(train) <= set(more_train)
    assert ((" text 3 ", "b") in more_held) == (("text 3", "a") in held)  # equal texts stay together


def test_documents_are_labelled_by_their_library(tmp_path):
    for split, count in (("train", 6), ("validation", 4), ("test", 2)):
        rows = [
            {
                "id": str(i),
                "text": f"text {i}",
                "source": ("numpy/linalg", "torch/nn")[i % 2],
                "licence": "BSD",
                "language": "en",
                "label": "",
            }
            for i in range(count)
        ]
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / f"{split}.parquet")
    splits = read_splits(ClassificationConfig(), tmp_path)
    assert splits.names == ("numpy", "torch") and len(splits.train) == 6 and len(splits.test) == 2
    assert not splits.report["test_is_validation"]
    with pytest.raises(DataError, match="no labelled examples"):
        read_splits(ClassificationConfig())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "1 fine\nbroken\n", "row 2"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": \n', "row 2"),
        ("a.jsonl", '{"text": "a"}\n', 'has no "label"'),
        ("a.jsonl", '{"text": 3, "label": 1}\n', "not text"),
        ("a.jsonl", '{"text": "a", "label": null}\n', "is empty"),
        ("a.jsonl", "[1]\n", "not a JSON object"),
        ("a.csv", "text,class\na,b\n", 'has no "label"'),
        ("a.csv", "text,label\nonly\n", "is empty"),
        ("a.parquet", "no parquet", "as Parquet"),
        ("a.txt", "1 all\n1 the same\n", "nothing to tell apart"),
        ("a.txt", "", "can't be read"),
    ],
)
def test_what_cannot_be_understood_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_splits(ClassificationConfig(train=[str(path)], validation=[str(path)]))
    assert message in str(caught.value) and caught.value.fix


def test_impossible_requests_are_named():
    with pytest.raises(RecipeError, match="both"):
        ClassificationConfig(label_field="text")
    with pytest.raises(RecipeError, match="without task.train"):
        ClassificationConfig(test=["a"])
    with pytest.raises(DataError, match="nowhere.txt is not a file"):
        read_splits(ClassificationConfig(train=["nowhere.txt"]))


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not here")
def test_real_files_have_their_published_counts():
    sst = ClassificationConfig(train=[str(SHARED / "stsa.binary.train")], validation=[str(SHARED / "stsa.binary.dev")])
    splits = read_splits(sst)
    assert (len(splits.train), len(splits.test), splits.names) == (6920, 872, ("0", "1"))
    odd = {"subj.all": 10_000, "TREC.train.all": 5452, "custrev.all": 3775, "mpqa.all": 10_606}
    for name, count in odd.items():
        splits = read_splits(ClassificationConfig(train=[str(SHARED / name)]))
        assert splits.report["read"][name] == count
        assert (
            sum(splits.report["examples"][s] for s in ("train", "validation")) + sum(splits.report["left_out"].values())
            == count
        )
    assert Counter(splits.report["labels"]["train"])["0"] > 5000
