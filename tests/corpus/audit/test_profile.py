"""The audit page's figures: right against plain counting, the same every time, and true of planted cases."""

import json
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus.audit.config import AuditConfig
from idiolect.corpus.audit.feeds import feeds
from idiolect.corpus.audit.profile import profile
from idiolect.corpus.audit.sketch import Distinct
from idiolect.corpus.audit.topics import topics
from idiolect.corpus.documents import SCHEMA
from idiolect.corpus.hashed import mixed, ngrams_of, words_of
from idiolect.corpus.split import SPLITS

WORDS = {
    "sea": "whale ship captain sail harbour crew deck anchor storm mast rope tide".split(),
    "kitchen": "flour butter oven sugar bake dough knead whisk spoon pastry cream yeast".split(),
    "law": "court judge statute appeal verdict counsel plaintiff clause ruling motion brief tort".split(),
}
COMMON = "the and of to in a was with for on".split()


def about(subject, n, seed):
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS[subject] * 2 + COMMON, 60)) for _ in range(n)]


@pytest.fixture
def stood(tmp_path):
    """stood({split: texts}) -> a folder as `prepare` leaves it."""

    def make(**splits):
        for split in SPLITS:
            texts = splits.get(split, [])
            rows = [
                {
                    "id": f"{split}{i:05d}",
                    "text": t,
                    "source": f"lib{i % 2}/x",
                    "licence": "CC0",
                    "language": "en",
                    "label": "",
                }
                for i, t in enumerate(texts)
            ]
            columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in SCHEMA]
            pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), tmp_path / f"{split}.parquet")
        audit = {"dropped": {"duplicate": {"documents": 2, "bytes": 99}, "too_short": {"documents": 1, "bytes": 1}}}
        (tmp_path / "audit.json").write_text(json.dumps(audit | {"pii": {"email": {"found": 3, "documents": 2}}}))
        return tmp_path

    return make


def look(folder, evaluation=None, **settings):
    return profile(folder, AuditConfig(**settings), lambda seen, unique: min(seen, 4 * unique), evaluation)


def test_hashed_words_are_the_words_that_a_regular_expression_finds(shared):
    rows = [json.loads(line)["text"] for line in open(shared("web-sample/lf-c4_demo.jsonl"), encoding="utf-8")]
    found = words_of(rows)
    # Letters, marks and digits; `\w` has the underscore besides, and not every mark.
    expected = [re.findall(r"[^\W_]+", row.lower()) for row in rows]
    spelled = [found.spelled(i) for i in range(len(found.hashes))]
    assert abs(len(spelled) - sum(map(len, expected))) <= 5 and len(rows) == 300
    assert len(set(spelled)) == len(np.unique(found.hashes))
    assert all(spelled[i] == spelled[0] for i in np.flatnonzero(found.hashes == found.hashes[0]))


def test_ngrams_never_reach_over_the_end_of_a_text():
    found = words_of(["a b c", "", "d", "e f"])
    assert [found.spelled(i, 2) for i in ngrams_of(found, 2)[1]] == ["a b", "b c", "e f"]
    assert len(ngrams_of(found, 3)[0]) == 1 and not len(ngrams_of(found, 9)[0])
    alone = words_of(["e f"])
    assert ngrams_of(found, 2)[0][2] == ngrams_of(alone, 2)[0][0]


@pytest.mark.parametrize("n", [0, 10, 5_000, 60_000, 400_000])
def test_distinct_counts_are_within_their_error(n):
    counter = Distinct()
    hashes = mixed(np.arange(n, dtype=np.uint64) * np.uint64(77) + np.uint64(5))
    counter.add(hashes)
    counter.add(hashes[::2])
    assert counter.count() == pytest.approx(n, rel=0.03)


def test_figures_agree_with_plain_counting(stood):
    texts = about("sea", 40, 1) + about("kitchen", 40, 2)
    found = look(stood(train=texts, validation=about("law", 10, 3)))
    words = [w for text in texts + about("law", 10, 3) for w in text.split()]
    assert found["counted"]["documents"] == 90 and found["sampled"]["share"] == 1.0
    assert found["vocabulary"]["words"] == found["counted"]["words"] == len(words)
    assert found["vocabulary"]["distinct"] == len(set(words))
    assert found["splits"]["train"]["bytes"] == sum(len(t.encode()) for t in texts)
    tops = {row["ngram"]: row["count"] for row in found["ngrams"][0]["top"]}
    counts = Counter(words)
    assert all(counts[word] == n for word, n in tops.items())
    assert sorted(tops.values()) == sorted(n for _, n in counts.most_common(20))
    assert sum(b["documents"] for b in found["lengths"]["bins"]) == 90
    assert found["lengths"]["shortest"]["characters"] == min(map(len, texts + about("law", 10, 3)))
    assert [row["name"] for row in found["shares"]["source"]] and found["shares"]["label"] == []
    assert found["unique"]["removed"] == {"duplicate": {"documents": 2, "bytes": 99}} and found["pii"] == {"email": 3}


def test_planted_overlaps_are_found_and_nothing_else(stood):
    train, passage = about("sea", 60, 1), " ".join(f"word{i}" for i in range(30))
    held = about("law", 9, 2) + [passage]
    found = look(
        stood(train=[*train, f"before {passage} after"], validation=held), {"quiz": [passage, "nothing of it"]}
    )
    rows = {(row["of"], row["n"]): row for row in found["overlap"]}
    assert rows["validation", 13]["shared"] == 18 and rows["validation", 13]["touched"] == 1
    assert rows["validation", 8]["shared"] == 23 and rows["validation", 8]["worst"][0]["id"] == "validation00009"
    assert rows["evaluation: quiz", 13]["touched"] == 1 and rows["evaluation: quiz", 13]["share"] == 1.0


def test_repetition_shrinks_what_the_text_can_feed(stood):
    once = look(stood(train=[" ".join(f"w{k}x{i}" for i in range(200)) for k in range(50)]))
    twice = look(stood(train=[" ".join(f"w{k % 25}x{i}" for i in range(200)) for k in range(50)]))
    assert once["repetition"]["repeated_share"] == 0.0
    assert twice["repetition"]["repeated_share"] == pytest.approx(0.5, abs=0.02)
    assert twice["unique"]["of_distinct_passages"]["tokens"] == pytest.approx(once["unique"]["tokens"] / 2, rel=0.05)


def test_topics_part_what_differs_and_name_it():
    documents = [
        {"id": f"{subject}{i}", "source": f"{subject}/x", "language": "en", "bytes": len(text), "text": text}
        for subject in WORDS
        for i, text in enumerate(about(subject, 60, len(subject)))
    ]
    found = topics(documents, 3, seed=0)
    assert found == topics(documents, 3, seed=0)
    assert [c["documents"] for c in found["clusters"]] == [60, 60, 60]
    for cluster in found["clusters"]:
        [(source, share)] = cluster["sources"]
        assert share == 1.0 and set(cluster["words"]) <= set(WORDS[source])


def test_the_profile_is_a_pure_function_of_the_corpus(stood):
    folder = stood(train=about("sea", 80, 1), test=about("law", 8, 2))
    assert json.dumps(look(folder)) == json.dumps(look(folder))
    sampled = look(folder, sample_bytes=5000)
    assert 0 < sampled["sampled"]["share"] < 1 and sampled["counted"]["documents"] == 88
    assert sampled["counted"]["words"] == pytest.approx(88 * 60, rel=0.05)


def test_an_empty_corpus_and_one_without_words_are_described_too(stood):
    for texts in ([], ["!!! ... ???"], ["汉字汉字"]):
        found = look(stood(train=texts))
        json.dumps(found, allow_nan=False)
        assert found["counted"]["documents"] == len(texts)


def test_sizes_fed_by_unique_tokens():
    found = feeds(1_000_000, lambda seen, unique: min(seen, 4 * unique))
    assert found["parameters"] == 200_000 and [row["parameters"] for row in found["epochs"]][:3] == [
        50_000,
        100_000,
        200_000,
    ]
    assert "1 million unique tokens" in found["sentence"] and feeds(0, min)["epochs"] == []
