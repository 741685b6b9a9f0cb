"""The datasheet and the public summary, from a small prepared corpus."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus.audit.answers import KEYS, read_answers
from idiolect.corpus.audit.datasheet import FACTS, NOT_ANSWERED, datasheet
from idiolect.corpus.audit.markdown import said, table
from idiolect.corpus.audit.origins import CRAWLED, OTHER, PUBLIC, host_of, kind_of, origins
from idiolect.corpus.audit.questions import SECTIONS
from idiolect.corpus.audit.summary import FACTS as SUMMARY_FACTS
from idiolect.corpus.audit.summary import PENDING, domains, summary
from idiolect.corpus.audit.template import FIELDS
from idiolect.errors import RecipeError

HOSTILE = "<img src=x onerror=alert(1)>|`a`[x](javascript:alert(1))\x1b[31m\n# no heading"


@pytest.fixture
def corpus(prepared, tmp_path):
    """Four kept documents and three dropped, of files with a licence in one of two."""
    rows = [{"text": f"A sentence about number {i}, long enough to stay.", "licence": "CC0-1.0"} for i in range(3)]
    rows += [rows[0], rows[0], {"text": ""}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.txt").write_text("This file says nothing of its licence, which is not unusual.")
    audit, _, _ = prepared(text=[tmp_path / "rows.jsonl", tmp_path / "own.txt"], licence_column="licence")
    return audit


def section(text: str, title: str) -> str:
    """What stands under a heading of the third level, up to the next."""
    return re.split(r"\n#{2,3} ", text.partition(title)[2])[0]


def test_all_questions_of_all_seven_sections_are_there_once(corpus):
    text = datasheet(corpus, {})
    assert len(SECTIONS) == 7 and sum(len(questions) for _, questions in SECTIONS) == 57
    keys = [key for _, questions in SECTIONS for key, _ in questions]
    assert len(keys) == len(set(keys)) and set(FACTS) <= set(keys)
    for title, questions in SECTIONS:
        assert f"\n## {title}\n" in text
        for key, question in questions:
            assert text.count(f"### {question}\n") == 1, key


def test_facts_are_the_manifest_s_and_balance(corpus):
    text = datasheet(corpus, {})
    assert "4 documents with" in section(text, "How many instances")
    assert "7 documents were read" in section(text, "How many instances")
    assert "1 of 4 documents (25.0 %) have no stated licence" in text
    assert "| duplicate | equal to an earlier document but for white space | 2 |" in text
    assert "CC0-1.0" in text and "not stated" in text


def test_what_nobody_answered_stays_visible_with_its_key(corpus):
    text = datasheet(corpus, {"purpose": "to test"})
    assert "**Stated.** to test" in section(text, "For what purpose")
    assert "Not answered" not in section(text, "For what purpose")
    assert NOT_ANSWERED in section(text, "Who paid") and '`funding = "…"`' in section(text, "Who paid")
    answered = len(FACTS) - 2 + 1  # all but labels and identifiable, of which this corpus has none
    assert f"{answered} of 57 questions are answered." in text
    assert text.count(NOT_ANSWERED) == 57 - answered


def test_every_field_of_the_template_is_there_and_waits_for_its_word(corpus):
    text = summary(corpus, {})
    keys = [key for _, fields in FIELDS for key, _ in fields]
    assert set(SUMMARY_FACTS) <= set(keys)
    for title, fields in FIELDS:
        assert f"\n### {title}\n" in text
        for _, label in fields:
            assert text.count(f"**{label}**") == 1
    assert f'{PENDING} `provider = "…"`' in text and f'{PENDING} `opt_outs = "…"`' in text
    stated = summary(corpus, dict.fromkeys(KEYS, "our word"))
    assert PENDING not in stated and stated.count("Stated: our word") == len(keys)


def test_measured_sizes_and_their_ranges(corpus):
    corpus["profile"] = {"unique": {"tokens": 1_234_567, "assumed": True}}
    assert "less than 1 billion tokens (1.23 M tokens, estimated at 4 bytes a token" in summary(corpus, {})
    corpus["profile"]["unique"] = {"tokens": 2 * 10**9, "assumed": False}
    assert "1 billion to 10 trillion tokens (2 G tokens, counted" in summary(corpus, {})
    corpus["profile"]["unique"]["tokens"] = 10**13
    assert "more than 10 trillion tokens" in summary(corpus, {})


@pytest.mark.parametrize(
    ("address", "kind", "host"),
    [
        ("hf:imdb@0123:train.parquet", PUBLIC, ""),
        ("https://www.example.org/a.html", CRAWLED, "example.org"),
        ("crawl.warc.gz#http://example.org:8080/x", CRAWLED, "example.org"),
        ("httpd.txt", OTHER, ""),
        ("http://[broken/", OTHER, ""),
        ("", OTHER, ""),
    ],
)
def test_where_a_document_comes_from(address, kind, host):
    assert kind_of(address) == kind and host_of(address) == host


def test_domains_are_summed_and_sources_have_a_kind(tmp_path):
    def rows(*documents):
        names = [(name, pa.string()) for name in ("text", "source", "origin")]
        return pa.Table.from_pylist([dict(zip(("source", "origin", "text"), d, strict=True)) for d in documents],
                                    pa.schema(names))  # fmt: skip

    pq.write_table(rows(("web/1", "https://b.example/1", "four"), ("web/2", "https://www.b.example/2", "two"),
                        ("web/3", "https://a.example/", "é" * 10), ("own/x", "", "mine")),
                   tmp_path / "train.parquet")  # fmt: skip
    for split in ("validation", "test"):
        pq.write_table(rows(("hub/1", "hf:x@1:f", "text")), tmp_path / f"{split}.parquet")
    assert origins(tmp_path) == {
        "domains": [{"domain": "a.example", "documents": 1, "bytes": 20},
                    {"domain": "b.example", "documents": 2, "bytes": 7}],
        "kinds": {"hub": PUBLIC, "own": OTHER, "web": CRAWLED},
    }  # fmt: skip


def test_sources_stand_under_their_kind(corpus):
    corpus["sources"] = [
        {"source": name, "licence": "CC0-1.0", "documents": 1, "bytes": size}
        for name, size in (("large", 99_000), ("little", 1000), ("web", 500), ("own", 10))
    ]
    corpus["kinds"] = {"large": PUBLIC, "little": PUBLIC, "web": CRAWLED, "own": OTHER}
    text = summary(corpus, {})
    order = [text.index(part) for part in ("Large publicly", "| large |", "Other publicly", "| little |",
             "Content and kinds", "| web |", "none of these kinds", "| own |")]  # fmt: skip
    assert order == sorted(order)


@pytest.mark.parametrize(("small", "listed"), [("no", 300), ("yes", 150)])
def test_the_first_tenth_of_domains_is_listed_and_fewer_of_a_small_enterprise(small, listed):
    rows = [{"domain": f"d{i:04}.example", "documents": 1, "bytes": 3000 - i} for i in range(3000)]
    text = domains({"domains": rows}, {"small_enterprise": small})
    assert text.count(".example") == listed and "d0000.example" in text
    many = [{"domain": f"d{i}", "documents": 1, "bytes": 1} for i in range(40_000)]
    assert domains({"domains": many}, {"small_enterprise": "yes"}).count("\n| d") == 1000 + 1  # and the head


def test_hostile_names_stay_text(corpus):
    corpus["sources"][0] |= {"source": HOSTILE, "licence": HOSTILE}
    corpus["dropped"][HOSTILE] = {"documents": 1, "bytes": 1}
    corpus["profile"] = {"topics": {"clusters": [{"words": [HOSTILE], "share": 1.0}]}}
    for text in (datasheet(corpus, {"purpose": HOSTILE}, HOSTILE), summary(corpus, {"provider": HOSTILE}, HOSTILE)):
        assert "<img" not in text and "\x1b" not in text and not re.search(r"(?<!\\)\]\(", text)
        assert not re.search(r"^# no heading", text, re.MULTILINE)
    raw = table(["a"], [["x|y"]])
    assert raw.endswith("| x\\|y |") and said("a*b") == "a\\*b"


def test_no_document_names_this_machine(corpus, tmp_path):
    for text in (datasheet(corpus, {}), summary(corpus, {})):
        assert str(tmp_path) not in text and not re.search(r"(?<![\w.])/(?:home|root|tmp|Users|var)/", text)


def test_answers_are_read_and_mistakes_named(tmp_path):
    assert read_answers("") == {}
    file = tmp_path / "about.toml"
    file.write_text('purpose = "  to test  "\nfunding = ""\nsmall_enterprise = "yes"\n')
    assert read_answers(str(file)) == {"purpose": "to test", "small_enterprise": "yes"}
    for content, complaint in (
        ('purpos = "x"', "did you mean purpose"),
        ("purpose = 3", "is no text"),
        ("purpose", "can't be read"),
    ):
        file.write_text(content)
        with pytest.raises(RecipeError, match=complaint) as raised:
            read_answers(str(file))
        assert raised.value.why and raised.value.fix
    with pytest.raises(RecipeError, match="can't be read"):
        read_answers(str(tmp_path / "none.toml"))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="can't be read"):
        read_answers(str(file))
