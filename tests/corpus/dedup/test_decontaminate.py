"""Planted leaks are found and unrelated text is left alone; real evaluation items in real books."""

import copy
import csv
import gzip
import json
import random
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus.dedup.config import DecontaminateConfig
from idiolect.corpus.dedup.cuts import without
from idiolect.corpus.dedup.decontaminate import Finder, gather
from idiolect.corpus.dedup.words import words_of
from idiolect.errors import DataError


@pytest.fixture
def finder(tmp_path):
    """finder(rows, ...) -> Finder over one .jsonl of these rows."""

    def build(rows, **settings):
        (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        books = gather(DecontaminateConfig(against=(str(tmp_path / "items.jsonl"),), **settings), tmp_path / "table")
        return Finder(tmp_path / "table"), books

    return build


def sentence(rng, n):
    return " ".join(f"w{rng.randrange(20_000)}" for _ in range(n))


def disguised(text, rng):
    """Other case, other punctuation, other white space."""
    words = [rng.choice([w, w.upper(), w.title()]) + rng.choice(["", ",", ".", " -", '"']) for w in text.split()]
    return rng.choice([" ", "\n"]).join(words)


def test_planted_leaks_are_all_found_and_nothing_else(finder):
    rng = random.Random(1)
    items = [sentence(rng, rng.randrange(8, 60)) for _ in range(200)]
    find, books = finder([{"question": text, "id": i} for i, text in enumerate(items)])
    assert books == {"items.jsonl": {"items": 200, "too_short": 0}}
    verbatim = items[:50]
    altered = [disguised(text, rng) for text in items[50:100]]
    embedded = [f"{sentence(rng, 2000)} {disguised(text, rng)} {sentence(rng, 900)}" for text in items[100:150]]
    clean = [sentence(rng, rng.randrange(1, 500)) for _ in range(150)]
    leaks = find.find([*verbatim, *altered, *embedded, *clean])
    assert [leak.items.tolist() if leak else None for leak in leaks] == [[i] for i in range(150)] + [None] * 150


def test_part_of_a_long_item_is_found_and_twelve_words_are_not(finder):
    rng = random.Random(2)
    item = sentence(rng, 40)
    find, _ = finder([{"text": item}])
    words = item.split()
    around = sentence(rng, 30)
    texts = [f"{around} {' '.join(words[a : a + n])} {around}" for a, n in ((5, 13), (27, 13), (5, 12), (20, 30))]
    leaks = find.find(texts)
    assert [leak and leak.words.tolist() for leak in leaks] == [[[30, 43]], [[30, 43]], None, [[30, 50]]]
    assert without(texts[0], leaks[0].spans(texts[0])) == f"{around} {around}"


def test_words_in_a_row_do_not_run_over_from_one_document_to_the_next(finder):
    rng = random.Random(3)
    words = sentence(rng, 13).split()
    find, _ = finder([{"text": " ".join(words)}])
    assert find.find([" ".join(words[:6]), " ".join(words[6:]), "", " ".join(words)])[:3] == [None] * 3


def test_short_items_are_looked_for_whole_and_shorter_ones_not(finder):
    find, books = finder(
        [
            {"good": "the cat that the dogs chase runs fast", "bad": "the cat that the dogs chase run fast"},
            {"good": "yes"},
        ]
    )
    assert books["items.jsonl"] == {"items": 2, "too_short": 1}
    leaks = find.find(["See: The cat that the dogs chase runs fast!", "the cat that the dogs chase runs", "yes"])
    assert leaks[0].items.tolist() == [0] and leaks[1:] == [None, None]


def test_nothing_long_enough_is_an_error(finder):
    with pytest.raises(DataError, match="looked for"):
        finder([{"text": "too short"}])


def test_every_format_and_the_way_to_a_worker(tmp_path):
    item = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    (tmp_path / "a.txt").write_text(f"{item}\nanother line that is none of the others at all today\n")
    with open(tmp_path / "b.csv", "w", newline="") as file:
        csv.writer(file).writerows([["question", "id"], [item, "1"]])
    pq.write_table(pa.table({"q": [item], "n": [3], "answers": [["a", "b"]]}), tmp_path / "c.parquet")
    with gzip.open(tmp_path / "d.jsonl.gz", "wt") as file:
        file.write(json.dumps({"q": item, "n": 3}) + "\n")
    against = tuple(str(tmp_path / name) for name in ("a.txt", "b.csv", "c.parquet", "d.jsonl.gz"))
    books = gather(DecontaminateConfig(against=against), tmp_path / "table")
    assert [book["items"] for book in books.values()] == [2, 1, 1, 1]
    find = Finder(tmp_path / "table")
    assert find.find(["nothing"]) == [None]
    # What goes to a worker are the settings, not the tables.
    find = copy.deepcopy(find)
    assert find.__dict__ == {"folder": tmp_path / "table", "_tables": None}
    text = f"It says: {item.upper()}!"
    (leak,) = find.find([text])
    assert leak.items.tolist() == [0, 2, 3, 4]
    assert [text[a:b] for a, b in leak.spans(text)] == [item.upper() + "!"]
    items = pq.read_table(tmp_path / "table" / "items.parquet")
    assert items["text"][int(leak.items[0])].as_py() == item and items["file"][3].as_py() == "c.parquet"


def test_real_items_planted_in_a_real_book(shared, tmp_path):
    """SQuAD paragraphs, LAMBADA passages and BLiMP sentences, disguised, in pieces of War and Peace."""
    rng = random.Random(4)
    with gzip.open(shared("squad-sample/squad-v1.1-30articles.json.gz")) as file:
        articles = json.load(file)["data"]
    with gzip.open(shared("eval-tasks/lambada_openai.jsonl.gz"), "rt", encoding="utf-8", newline="\n") as file:
        lambada = [" ".join(json.loads(line).values()) for line in file]
    with zipfile.ZipFile(shared("eval-minimal-pairs/BLiMP.zip")) as pairs:
        names = sorted(name for name in pairs.namelist() if name.startswith("data/") and name.endswith(".jsonl"))[::7]
        blimp = [json.loads(line)["sentence_good"] for name in names for line in pairs.read(name).splitlines()]
    squad = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    sets = {"squad": squad, "lambada": lambada, "blimp": blimp}
    for name, items in sets.items():
        rows = (json.dumps({"text": text.replace("\n\n", "\n")}) + "\n" for text in items)
        (tmp_path / f"{name}.jsonl").write_text("".join(rows), "utf-8")
    gather(DecontaminateConfig(against=tuple(str(tmp_path / f"{name}.jsonl") for name in sets)), tmp_path / "table")
    find = Finder(tmp_path / "table")
    book = shared("char-lm/warandpeace.txt").read_text("utf-8-sig").split("\n\n")
    pieces = ["\n\n".join(book[i : i + 20]) for i in range(0, len(book), 20)]
    clean = find.find(pieces)
    assert not any(clean), "precision: nothing is found where nothing was planted"
    for first, items in ((0, squad), (len(squad), lambada), (len(squad) + len(lambada), blimp)):
        long_enough = [i for i, text in enumerate(items) if len(words_of([text]).hashes) >= 8]
        chosen = rng.sample(long_enough, 100)
        hosts = [rng.choice(pieces) for _ in chosen]
        leaks = find.find([f"{h} {disguised(items[i], rng)} {h}" for h, i in zip(hosts, chosen, strict=True)])
        found = sum(leak is not None and first + i in leak.items for leak, i in zip(leaks, chosen, strict=True))
        assert found >= 99, "recall"


def test_questions_that_are_asked_twice(shared, tmp_path):
    """Half of TREC's questions as an evaluation set: those that stand in the other half word for word are found."""
    lines = shared("sentence-classification/TREC.train.all").read_text("latin-1").split("\n")
    questions = [line.split(" ", 1)[1] for line in lines if line]
    (tmp_path / "half.txt").write_text("\n".join(questions[::2]), "utf-8")
    gather(DecontaminateConfig(against=(str(tmp_path / "half.txt"),), min_words=2), tmp_path / "table")
    leaks = Finder(tmp_path / "table").find(questions[1::2])
    asked = set(questions[::2])
    twice = [leak for question, leak in zip(questions[1::2], leaks, strict=True) if question in asked]
    assert len(twice) > 10 and None not in twice


def test_hashes_are_sorted_for_the_look_up(finder, tmp_path):
    rng = random.Random(5)
    finder([{"text": sentence(rng, 30)} for _ in range(50)])
    hashes = np.load(tmp_path / "table" / "hashes-13.npy")
    assert len(hashes) == 50 * 18 and (np.diff(hashes.astype(object)) >= 0).all()
