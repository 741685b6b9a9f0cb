"""The audit page of a corpus: every figure is on it, hostile text stays text, nothing loads, nothing stands empty."""

import copy
import re
import shutil
import subprocess
from dataclasses import fields

import pytest

from idiolect.corpus.explain import REASONS
from idiolect.report import audit as room
from idiolect.report.audit import documents, funnel, page, shares, story
from idiolect.stages.mixing import Row
from tests.report import audited, hostile
from tests.report.test_page import Dom, active


def poisoned(value, text: str):
    """A copy in which every string, and every name of a reason, rule or kind, holds `text`."""
    if isinstance(value, dict):
        free = {"dropped", "rules", "pii", "encodings", "removed", "threshold", "percentiles"}
        for key in free & {key for key, inner in value.items() if isinstance(inner, dict)}:
            value = value | {key: {f"{text}{name}": inner for name, inner in value[key].items()}}
        return {key: poisoned(inner, text) for key, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(one, text) for one in value]
    return text + value if isinstance(value, str) else value


def shown(value: dict) -> str:
    """What a reader sees of a page."""
    return " ".join("".join(Dom(page.render(value)).texts).split())


def test_the_page_tells_the_whole_story():
    text = page.render(audited.audit(), "web and books")
    dom = Dom(text)
    assert not active(dom) and not dom.open and not dom.scripts
    assert [a["id"] for n, a in dom.elements if n == "section"] == [identity for identity, *_ in room.CHAPTERS]
    words = " ".join("".join(dom.texts).split())
    for said in (
        "web and books",
        "24\u202f118 documents in 61 files went in; 16\u202f031 are kept, 46.1\u202fMB of text from 3 sources",
        "33.2\u202f% of this text has no known licence", "unknown (said so)",
        "14\u202f480 train, 761 validation, 790 test",
        "10.3 M unique tokens, read 4 times",
        "CC-BY-SA-4.0", "alike by 87.1\u202f%", "evaluation: hellaswag", "broken.pdf", "no text: it is a scan",
        "the threshold is 0.35", "0.971 [0.966, 0.976]", "captain, ship, sea", "at the end of the",
        "Nothing failed: gopher hashes", "gsm8k.jsonl", "of those looked for", "1.0\u202f%", "14 bands of 8 MinHash",
        "alike by 80", "92.0\u202f%", "cut out", "187\u202fkB", "These came nearest to it", "0.5\u00a0to\u00a00.8",
        "times read",
        "what stays lies between 0.2 and 1.9", "Priced by: Kneser-Ney of order 5", "fell as surprising",
        "trailing space", "Every text was transformed: lowercase, stem", "robots.txt does not allow them",
        "201 characters (limit: at least 200)", "9 characters (limit: at least 200)",
        "0.29 line ends a word (limit: at most 0.3)", "0.3004 line ends a word (limit: at most 0.3)",
        "row 7: no text", "A row is one or none.",
        "read 40 times", "Emma Woodhouse", "click here", "Heaps",
    ):  # fmt: skip
        assert " ".join(said.split()) in words, said
    assert len(text) < 300_000


def test_every_reason_has_a_stage_of_its_own():
    assert not [reason for reason in REASONS if funnel.stage_of(reason) == funnel.OTHER]


def test_the_table_of_a_mixture_is_the_one_that_prepare_makes():
    assert {field.name for field in fields(Row)} == set(audited.audit()["mixture"][0])


def test_the_policy_forbids_all_scripts():
    policy = next(
        a["content"]
        for _, a in Dom(page.render(audited.audit())).elements
        if a.get("http-equiv", "").startswith("Cont")
    )
    assert "script-src 'none'" in policy and "default-src 'none'" in policy


@pytest.mark.parametrize("text", hostile.STRINGS, ids=range(len(hostile.STRINGS)))
def test_hostile_text_stays_text(text):
    dom = Dom(page.render(poisoned(audited.audit(), text), text))
    assert not active(dom) and not dom.open and not dom.scripts


def test_the_detector_sees_a_page_that_does_not_escape():
    """Negative control."""
    raw = page.render(audited.audit(), "NAME").replace("NAME", "<b onclick=alert(1)>x</b>")
    assert active(Dom(raw))


def test_the_account_balances_stage_by_stage():
    audit = audited.audit()
    left = funnel.total(audit)
    for _, reasons in funnel.stages(audit):
        left -= funnel.documents(reasons.values())
    assert left == funnel.documents(audit["kept"].values())
    drawn = re.findall(r'class="left">([^<]+)<', str(funnel.drawing(audit)))
    assert drawn[-1] == drawn[-2] == "16\u202f031"


@pytest.mark.parametrize(
    ("reason", "stage"),
    [
        ("near_duplicate", "near duplicates"), ("duplicate", "duplicates"), ("gopher_words", "rules"),
        ("c4_braces", "rules"), ("too_short", "length"), ("bad_row", "reading"), ("my_own_rule", funnel.OTHER),
    ],
)  # fmt: skip
def test_each_reason_has_its_stage(reason, stage):
    assert funnel.stage_of(reason) == stage


@pytest.mark.parametrize("missing", sorted([*audited.audit(), *(f"profile.{key}" for key in audited.profile())]))
def test_what_is_missing_breaks_nothing_and_leaves_no_empty_frame(missing):
    for empty in ("gone", None, {}, []):
        audit = audited.audit()
        within, key = (audit["profile"], missing[8:]) if missing.startswith("profile.") else (audit, missing)
        within.pop(key) if empty == "gone" else within.update({key: empty})
        dom = Dom(page.render(audit))
        assert not active(dom) and not dom.open
        assert "None" not in "".join(dom.texts)


def test_an_empty_corpus_has_no_chapters():
    dom = Dom(page.render({"read": {"files": 0, "documents": 0, "bytes": 0}, "kept": {}, "dropped": {}}))
    assert [n for n, _ in dom.elements if n in ("section", "table", "figure")] == []


def test_only_the_books_of_a_small_corpus_give_a_short_page():
    audit = {key: audited.audit()[key] for key in ("read", "kept", "dropped", "sources")}
    assert [identity for identity, *_ in room.chapters(audit)] == ["funnel", "shares", "repeats"]


def test_personal_data_is_masked_in_every_sample():
    audit = audited.audit()
    secret = "Write to jane.roe@example.org or call +44 20 7946 0958, card 4111 1111 1111 1111."
    audit["dropped"]["too_short"]["samples"][0]["text"] = secret
    audit["kept_samples"][0]["text"] = secret
    audit["dropped"]["near_duplicate"]["pairs"][0]["kept"]["text"] = secret
    audit["profile"]["topics"]["clusters"][0]["samples"][0]["example"] = secret
    audit["profile"]["lengths"]["longest"]["example"] = secret
    audit["quality"]["samples"][0]["example"] = secret
    words = shown(audit)
    assert words.count("[mail address]") >= 6
    for private in ("jane.roe", "7946", "4111", "ahab@"):
        assert private not in words


def test_what_differs_is_marked_and_nothing_else():
    left, right = documents.marked("the cat sat down", "the dog sat down")
    assert str(left) == "<span>the <mark>cat</mark> sat down</span>"
    assert str(right) == "<span>the <mark>dog</mark> sat down</span>"
    same, _ = documents.marked("a < b", "a < b")
    assert str(same) == "<span>a &lt; b</span>" or "<mark>" not in same


def test_unstated_licences_are_summed_and_named():
    audit = copy.deepcopy(audited.audit())
    audit["sources"] += [{"source": "more", "licence": "", "documents": 1, "bytes": 846_000}]
    rows = {row["name"]: row["bytes"] for row in shares.licences(audit)}
    assert rows["not stated"] == 846_000 and rows["unknown (said so)"] == 15_300_000
    for row in audit["sources"]:
        row["licence"] = "unknown"
    assert "None of this text has a stated licence" in str(story.warning(audit))
    for row in audit["sources"]:
        row["licence"] = "CC0-1.0"
    assert story.warning(audit) is None


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_shows_it_and_runs_nothing(tmp_path):
    audit = poisoned(audited.audit(), "</script><img src=x onerror=document.title='owned'>")
    out = tmp_path / "audit.html"
    out.write_text(page.render(audit), encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr", "--dump-dom", out.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.count("<section") == len(room.chapters(audit)) > 8
    assert "<title>owned" not in done.stdout and "Refused to" not in done.stderr and "Uncaught" not in done.stderr
