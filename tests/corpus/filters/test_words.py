"""Listed words are found whole, folded, in phrases and in scripts without spaces; nothing else is."""

import csv

import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.filters.config import FilterConfig, WordsConfig
from idiolect.corpus.filters.judge import Judge
from idiolect.corpus.fingerprint import fingerprint_of
from idiolect.errors import DataError


@pytest.fixture
def listed(tmp_path):
    def make(*lists, **settings):
        files = []
        for i, (language, phrases) in enumerate(lists):
            path = tmp_path / f"list{i}.txt"
            path.write_text("\n".join(phrases) + "\n\n", "utf-8")
            files.append(f"{language}:{path}" if language else str(path))
        return Judge(FilterConfig(words=WordsConfig(files=tuple(files), **settings)))

    return make


def fails(judge, *texts, language="en"):
    return [failed == ["words_listed"] for failed in judge.failed(list(texts), [language] * len(texts))]


def test_words_are_found_whole_and_folded(listed):
    judge = listed(("", ["heck", "Straße", "ﬁsh"]))
    assert fails(judge, "What the HECK!", "(heck)", "in der STRASSE", "a fish") == [True] * 4
    assert fails(judge, "heckler", "by checking", "the street", "fisher", "") == [False] * 5


def test_phrases_of_several_words(listed):
    judge = listed(("", ["old goat", "so-and-so", "a b c"]))
    assert fails(judge, "you old\ngoat", "that so-and-so!", "A, b; c") == [True] * 3
    assert fails(judge, "old. The goat", "so and", "a b b c") == [False] * 3


def test_scripts_without_spaces_need_no_word_bounds(listed):
    judge = listed(("", ["混蛋", "कुत्ता"]))
    assert fails(judge, "他是个混蛋。", "वह कुत्ता है") == [True, True]
    assert fails(judge, "混沌的蛋", "कुत्ताघर") == [False, False]


def test_a_list_may_be_for_one_language(listed):
    judge = listed(("de", ["gift"]), ("", ["heck"]))
    assert fails(judge, "A gift!", language="en") == [False] and fails(judge, "Das Gift!", language="de") == [True]
    assert fails(judge, "heck", language="en") == fails(judge, "heck", language="de") == [True]
    assert fails(listed(("de", ["gift"])), "gift", language="und") == [False]


def test_hits_and_share_must_both_be_reached(listed):
    twice = listed(("", ["heck"]), min_hits=2)
    assert fails(twice, "heck no", "heck, heck") == [False, True]
    share = listed(("", ["heck"]), min_share=0.1)
    assert fails(share, "heck " + "word " * 9, "heck " + "word " * 10) == [True, False]


@pytest.mark.parametrize("content", [None, b"", b" \n\n", b"\xff\xfe\xfa"])
def test_a_list_that_can_not_be_used_is_refused(tmp_path, content):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="word list") as error:
        Judge(FilterConfig(words=WordsConfig(files=(str(path),))))
    assert error.value.why and "--corpus.filter.words.files" in error.value.fix


def test_a_corpus_is_known_by_what_its_lists_hold_and_refused_before_it_is_read(tmp_path):
    text, first, second = tmp_path / "a.txt", tmp_path / "list.txt", tmp_path / "same.txt"
    for path, content in ((text, "a text"), (first, "slur\n"), (second, "slur\n")):
        path.write_text(content)

    def made(path) -> dict:
        return fingerprint_of(CorpusConfig(text=(str(text),), filter={"words": {"files": (str(path),)}}))

    before = made(first)
    assert before == made(second) and str(tmp_path) not in str(before["config"])
    first.write_text("slur\nanother\n")
    assert made(first) != before
    with pytest.raises(DataError, match="word list"):
        made(tmp_path / "none.txt")


@pytest.mark.parametrize("setting", ["validation_text", "decontaminate.against"])
def test_names_that_lead_nowhere_are_refused_with_their_own_setting(tmp_path, setting):
    (tmp_path / "a.txt").write_text("a text")
    table, _, key = setting.rpartition(".")
    asked = {table: {key: ("nowhere",)}} if table else {key: ("nowhere",)}
    with pytest.raises(DataError) as failure:
        fingerprint_of(CorpusConfig(text=(str(tmp_path),), **asked))
    assert f"--corpus.{setting}=" in failure.value.fix and "corpus.text" not in failure.value.fix


def test_whom_a_list_silences(listed, shared):
    """On HateCheck a list of slurs also drops what people write who oppose them or reclaim them."""
    with open(shared("toxicity/hatecheck-test_suite_cases.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    slurs = [row["test_case"] for row in rows if row["functionality"] == "slur_h"]
    hateful = [row["test_case"] for row in rows if row["label_gold"] == "hateful"]
    benign = [row["test_case"] for row in rows if row["label_gold"] == "non-hateful"]
    common = {word for text in slurs for word in text.lower().split()}
    plain = {word for row in rows if "slur" not in row["functionality"] for word in row["test_case"].lower().split()}
    words = sorted(word.strip(".,!") for word in common - plain if word.strip(".,!").isalpha())
    judge = listed(("", words))
    caught, silenced = fails(judge, *hateful), fails(judge, *benign)
    assert 0.02 < sum(caught) / len(hateful) < 0.5
    assert sum(silenced) > 20
