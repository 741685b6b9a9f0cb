"""The filters in a preparation: languages recorded, rules counted alone and together, the books balanced."""

import json

import pytest

from idiolect.corpus.explain import REASONS
from idiolect.corpus.filters.config import FilterConfig, LanguageConfig
from idiolect.corpus.filters.steps import Filters

ENGLISH = (
    "The weather was fine that day, and so we went for a walk with the dog along the river. Nobody else had come out "
    "yet, though smoke rose from several chimneys, and in one of the gardens an old man stood among his roses, looking "
    "at the sky as if it had promised him something. We asked him whether rain was likely; he shook his head and gave "
    "us three flowers instead.\n"
)
GERMAN = "Das Wetter war an dem Tag schön, und so gingen wir mit dem Hund am Fluss entlang spazieren. " * 5
NUMBERS = "12 34 56 78\n" * 30


@pytest.fixture
def rows(tmp_path):
    def write(*texts):
        path = tmp_path / "in.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
        return [path]

    return write


def test_each_document_is_given_its_language(prepared, rows):
    audit, splits, _ = prepared(text=rows(ENGLISH, GERMAN, NUMBERS))
    assert [d.language for d in splits["train"]] == ["en", "de", "und"]
    assert [entry["language"] for entry in audit["languages"]] == ["de", "en", "und"]
    assert audit["rules"] == {}


def test_a_language_that_is_stated_is_believed(prepared, rows):
    _, splits, _ = prepared(text=rows(ENGLISH), language="nl")
    assert splits["train"][0].language == "nl"


def test_languages_are_kept_or_dropped(prepared, rows):
    audit, splits, _ = prepared(text=rows(ENGLISH, GERMAN, NUMBERS), filter={"language": {"keep": ("de",)}})
    assert [d.text for d in splits["train"]] == [GERMAN]
    assert audit["dropped"]["language_other"]["documents"] == 2
    assert audit["rules"]["language_other"] == {"failed": 2, "alone": 2}


def test_each_rule_is_counted_alone_and_among_others(prepared, rows):
    short = "Nobody saw the cat and the dog."
    audit, splits, _ = prepared(
        text=rows(ENGLISH, short, NUMBERS),
        filter={"gopher": {"use": True, "max_top_2_gram": 0.0, "max_top_3_gram": 0.0, "max_top_4_gram": 0.0}},
    )
    rules = audit["rules"]
    assert rules["gopher_few_words"] == {"failed": 1, "alone": 1}
    assert rules["gopher_few_letters"]["failed"] == 1 and rules["gopher_few_letters"]["alone"] == 0
    assert rules["gopher_few_stop_words"]["not_asked"] == {"und": 1}
    assert "gopher_top_2_gram" not in rules and "fineweb_newlines" not in rules
    read, kept = audit["read"]["documents"], sum(s["documents"] for s in audit["kept"].values())
    assert read == kept + sum(d["documents"] for d in audit["dropped"].values())
    assert set(audit["dropped"]) <= set(REASONS)


def test_source_code_is_not_judged_by_rules_for_prose_and_the_audit_says_so(prepared, rows, tmp_path):
    code = tmp_path / "sum.py"
    code.write_text("def total(numbers):\n    return {n: n for n in numbers}\n")
    rules = {"language": {"keep": ("en",)}, "gopher": {"use": True}, "fineweb": {"use": True}}
    audit, splits, _ = prepared(text=[*rows(ENGLISH), code], filter=rules | {"c4": {"use": True}})
    assert [(d.language, d.text) for d in splits["train"] if d.language != "en"] == [("code:python", code.read_text())]
    for name in ("language_other", "gopher_few_words", "gopher_few_stop_words", "c4_curly_bracket", "fineweb_newlines"):
        assert audit["rules"][name]["not_asked"] == {"code:python": 1}
    # The control: the same text as prose falls.
    audit, splits, _ = prepared(text=[*rows(ENGLISH), code.rename(tmp_path / "sum.txt")], filter=rules)
    assert [d.text for d in splits["train"]] == [ENGLISH]
    assert audit["rules"]["gopher_few_words"] == {"failed": 1, "alone": 0}


def test_lines_that_c4_removes_are_counted_and_may_leave_nothing(prepared, rows):
    page = "Menu\n" + "This is a sentence. " * 5 + "\nTurn on Javascript, please.\n"
    audit, splits, _ = prepared(
        text=rows(page, "Menu\nAbout\nContact"), filter={"c4": {"use": True, "min_sentences": 0}}
    )
    assert [d.text for d in splits["train"]] == [("This is a sentence. " * 5).strip()]
    assert audit["cleaned"]["places"] == {"c4_javascript": 1, "c4_terminal_punctuation": 4}
    assert audit["dropped"]["empty"]["documents"] == 1


def test_rows_that_pass_are_left_as_they_are():
    filters = Filters(FilterConfig())
    filters([])

    class Row:
        text, language, reason, failed, tidied, changed = ENGLISH, "", "", "", "", False

    row = Row()
    Filters(FilterConfig(language=LanguageConfig(identify=False)))([row])
    assert row.language == ""
    filters([row])
    assert (row.text, row.language, row.reason, row.failed) == (ENGLISH, "en", "", "")
