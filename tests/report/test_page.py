import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from idiolect.errors import DataError
from idiolect.report import charts, page
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import curves, headline
from tests.report import example, hostile

VOID = {"meta", "br", "hr", "col", "link"}


class Dom(HTMLParser):
    """Every element with its attributes, the text of scripts apart from the text people read."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)
        if name == "script":
            self.scripts.append([dict(attributes), ""])

    def handle_endtag(self, name):
        assert self.open.pop() == name, f"</{name}> closes something else"

    def handle_data(self, text):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += text
        elif not self.open or self.open[-1] != "style":
            self.texts.append(text)


def active(dom: Dom) -> list:
    """Whatever could run or load, beyond the page's own two scripts and its data block."""
    found = [attributes for attributes, _ in dom.scripts if attributes.get("type") != "application/json"][2:]
    for name, attributes in dom.elements:
        if name in {
            "iframe",
            "object",
            "embed",
            "base",
            "link",
            "form",
            "img",
            "image",
            "animate",
            "foreignobject",
            "use",
        }:
            found.append(name)
        if name == "meta" and attributes.get("http-equiv", "").lower() not in ("", "content-security-policy"):
            found.append((name, attributes))
        for key, value in attributes.items():
            if key.startswith("on") or key in {"src", "srcset", "srcdoc", "action", "style"}:
                found.append((name, key))
            if key in {"href", "xlink:href"} and not re.fullmatch("#[a-z]+", value):
                found.append((name, key, value))
    return found


def poisoned(text: str) -> dict:
    """A full run in which every place that takes a user's words holds `text`."""
    data = example.run()
    data["metrics"] = data["metrics"][::30]
    data["audit"]["lengths"] = data["audit"]["lengths"][:50]
    data["name"] = text
    data["samples"] = [{"prompt": text, "text": text + " and on"}]
    data["recipe"] = {"model.kind": text, text: text}
    audit = data["audit"]
    audit["dropped"][text] = {"documents": 3, "bytes": 9, "samples": [{"id": text, "source": text, "text": text}]}
    audit["sources"].append({"source": text, "licence": text, "documents": 1, "bytes": 1})
    audit["skipped_files"] = [{"file": text, "reason": text}]
    data["tokenizer"] |= {"longest": [text], "unseen": [text], "examples": [[text, text]], "kind": text, text: text}
    data["model"]["parameters"][text] = 5
    data["floors"][text] = {"bits_per_byte": 2.5, "nats": 3.0}
    data["evaluation"][text] = {text: {"value": 1.0, "low": 0.9, "high": 1.1, "n": 4}}
    data["finetune"] |= {"task": text, "dataset": text}
    data["lineage"] |= {"commands": [text], text: {text: text}, "created": text}
    data["cost"] |= {"currency": text, "stages": {text: 4.0}}
    data["plan"]["lines"] = [text]
    seen = data["embeddings"]
    seen |= {"source": text, "neighbours": {text: [{"word": text, "cosine": 0.5}]}}
    seen["map"]["words"] = [text] * 5
    seen["drift"]["most_moved"] = [{"word": text, "cosine": 0.1}]
    seen["coverage"] |= {"steps": {text: 3}, "not_found": [{"token": text, "count": 2}]}
    return data


def test_the_page_holds_every_part_and_loads_nothing(tmp_path):
    out = page.write(example.run(), tmp_path / "report.html")
    text = out.read_text(encoding="utf-8")
    dom = Dom(text)
    assert not active(dom) and not dom.open
    assert [a["id"] for n, a in dom.elements if n == "section"] == [identity for identity, _, _ in page.SECTIONS]
    shown = "".join(dom.texts)
    for words in (
        "library docs, five minutes",
        "Kneser–Ney 5-gram",
        "TF-IDF",
        "BSD-3-Clause",
        "eigenvalues of the matrix",
        "idiolect run demo.toml",
        "8.7 epochs",
        "[0.896, 0.932]",
    ):
        assert words in shown, words
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", text)


def test_every_script_that_runs_is_named_by_its_hash_and_nothing_else_may():
    dom = Dom(page.render(example.run()))
    policy = next(a["content"] for n, a in dom.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    running = [text for attributes, text in dom.scripts if attributes.get("type") != "application/json"]
    named = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in running]
    assert rules["script-src"].split() == named and len(named) == 2
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe-eval" not in policy and "http:" not in policy and "https:" not in policy


@pytest.mark.parametrize("text", hostile.STRINGS, ids=range(len(hostile.STRINGS)))
def test_hostile_text_stays_text(text):
    dom = Dom(page.render(poisoned(text)))
    assert not active(dom) and not dom.open
    assert len(dom.scripts) == 3
    block = next(body for attributes, body in dom.scripts if attributes.get("type") == "application/json")
    assert "<" not in block and "&" not in block
    json.loads(block)
    title = "".join(dom.texts)
    printable = re.sub("[\x00-\x1f\u202e\ud800-\udfff]", "", text)
    if printable == text:
        assert text in title


def test_the_detector_sees_an_unescaped_page():
    """Negative control: the same strings as markup do become active nodes."""
    seen = 0
    for text in hostile.STRINGS:
        raw = page.render(example.run() | {"metrics": []}).replace("library docs, five minutes", text)
        try:
            dom = Dom(raw)
            seen += bool(active(dom)) or len(dom.scripts) != 0
        except AssertionError:
            seen += 1
    assert seen >= 20


def test_markup_refuses_what_runs():
    for attributes in ({"onclick": "x"}, {"src": "x"}, {"href": "javascript:alert(1)"}, {"href": "//evil.example"}):
        with pytest.raises(AssertionError):
            tag("a", "x", **attributes)
    assert tag("p", "a < b", Markup("<b>c</b>"), title='"') == '<p title="&quot;">a &lt; b<b>c</b></p>'


@pytest.mark.parametrize("missing", sorted(page.PARTS))
def test_a_missing_part_is_shown_as_absent_and_breaks_nothing(missing):
    full = example.run()
    full.pop(missing)
    assert not active(Dom(page.render(full)))
    assert not active(Dom(page.render({missing: None})))


def test_an_empty_run_says_what_is_absent_and_carries_no_script():
    dom = Dom(page.render({"name": "empty"}))
    assert not dom.scripts
    text = " ".join(dom.texts)
    for words in ("no audit", "was not evaluated", "not fine-tuned", "No samples", "no lineage", "logged no steps"):
        assert words in text
    assert not re.search(r"\d", text.replace("95 times in 100", ""))


def test_an_unknown_part_is_refused(tmp_path):
    with pytest.raises(DataError, match="no place for evalution"):
        page.write({"evalution": {}}, tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_numbers_that_are_not_finite_leave_gaps():
    data = example.run()
    data["metrics"][5]["train_nats"] = float("nan")
    data["metrics"][6]["train_bits_per_byte"] = float("inf")
    block = next(body for a, body in Dom(page.render(data)).scripts if a.get("type") == "application/json")
    drawn = json.loads(block)
    assert drawn["train"]["nats"][5] is None and drawn["train"]["bits_per_byte"][6] is None


def test_long_curves_are_thinned_by_means():
    rows = [{"step": step, "train_nats": float(step % 2)} for step in range(10_000)]
    thin = charts.thin(rows, ["train_nats"], most=1000)
    assert len(thin) == 1000 and thin[-1]["step"] == 9999
    assert all(row["train_nats"] == 0.5 for row in thin)


def test_a_floor_known_in_bits_gets_its_nats_from_the_held_out_text():
    data = {
        "metrics": [{"step": 1, "validation_nats": 4.0, "validation_bits_per_byte": 2.0}],
        "floors": {"unigram": {"value": 3.0, "low": 2.9, "high": 3.1, "n": 10}},
    }
    assert curves.curve_data(data)["floors"] == [{"name": "unigram", "bits_per_byte": 3.0, "nats": 6.0}]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_draws_the_curves_and_runs_nothing_hostile(tmp_path):
    data = poisoned("<img src=x onerror=document.title='owned'><b>bold</b>")
    out = page.write(data, tmp_path / "report.html")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=8000",
        "--enable-logging=stderr",
        "--dump-dom",
        out.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.count('class="main-svg"') >= 5, "plotly drew nothing"
    assert "<title>owned" not in done.stdout and "Refused to" not in done.stderr and "violates" not in done.stderr
    assert "Uncaught" not in done.stderr


def test_the_headline_compares_with_the_floors_of_its_own_split():
    """Floors of validation beside a score on test would flatter or slander the model."""
    data = {
        "evaluation": {"test": {"bits_per_byte": {"value": 2.0, "low": 1.9, "high": 2.1, "n": 9}}},
        "floors": {"validation": {"unigram": {"bits_per_byte": 3.25}}, "test": {"unigram": {"bits_per_byte": 4.5}}},
    }
    shown = str(headline.ladder(data))
    assert "4.500" in shown and "3.250" not in shown
    assert curves.curve_data(data | {"metrics": []})["floors"][0]["bits_per_byte"] == 3.25
    del data["floors"]["test"]
    assert headline.ladder(data) is None


def test_the_verdict_takes_the_paired_difference_of_its_own_split():
    floors = {
        "validation": {"kneser_ney_5": {"label": "modified Kneser-Ney 5-gram", "bits_per_byte": 1.9, "nats": 1.3}},
        "test": {"kneser_ney_5": {"label": "modified Kneser-Ney 5-gram", "bits_per_byte": 2.0, "nats": 1.4}},
    }
    own = {"difference": {"value": -0.1, "low": -0.2, "high": 0.05, "n": 9}, "verdict": "no difference"}
    data = {"floors": floors, "evaluation": {"test": {"against": {"kneser_ney_5": own}}}}
    found = headline.paired(data, "modified Kneser-Ney 5-gram", "test")
    assert found == own["difference"]
