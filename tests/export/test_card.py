"""The card says what is known, a dash for what isn't, and nothing in a name can become markup."""

import json
import re

from idiolect.export.card import card

FACTS = {
    "name": "Tiny Shakespeare",
    "licence": "apache-2.0",
    "parameters": 1_234_567,
    "context_length": 256,
    "sources": [{"source": "plays.txt", "licence": "public domain", "documents": 38, "bytes": 1_115_394}],
    "scores": {"bits_per_byte": {"value": 1.98765, "low": 1.95, "high": 2.02, "n": 111_540}},
    "limits": ["It knows nothing after 1616."],
    "cost": {"seconds": 300, "energy": None},
    "check": {"max_logit_difference": 3.1e-6, "n_positions": 1024, "n_same_argmax": 1024, "n_texts": 16, "n_tokens": 9},
}


def test_every_fact_is_told():
    text = card(FACTS)
    for fact in ("# Tiny Shakespeare", "1,234,567", "256 tokens", "plays.txt", "public domain", "1,115,394", "1.988",
                 "1.95 to 2.02", "111,540", "nothing after 1616", "300", "3.1e-06", "apache-2.0"):  # fmt: skip
        assert fact in text


def test_what_is_unknown_is_a_dash_and_not_a_guess():
    text = card({})
    assert "| parameters | - |" in text and "None were measured." in text and "Not compared" in text
    assert "license" not in text


def test_hostile_names_stay_text():
    hostile = 'x"\n---\nevil: true\n<script>alert(1)</script>[a](javascript:b) | c `d` # e'
    text = card({"name": hostile, "licence": hostile, "languages": [hostile], "limits": [hostile],
                 "sources": [{"source": hostile, "licence": hostile}]})  # fmt: skip
    head = text.split("\n---\n")[0].removeprefix("---\n")
    values = dict(line.split(": ", 1) for line in head.splitlines())
    assert "evil" not in values and json.loads(values["license"]) == hostile
    body = text.split("\n---\n", 1)[1]
    assert "\nevil" not in body and not re.search(r"(?<!\\)(<script|\]\()", body)
    assert all(line.count("|") - line.count("\\|") in (0, 3, 5) for line in body.splitlines())
