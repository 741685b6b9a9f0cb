"""A page's main text: better than resiliparse alone on pages with gold bodies; lists and tables readable; no bombs."""

import gzip
import json
import re
import tarfile
import time
from collections import Counter
from statistics import mean

import pytest

from idiolect.corpus.extract import BadDocument, text_of
from idiolect.corpus.extract.config import FormatsConfig
from idiolect.corpus.extract.html import MOST_DEPTH, check_depth

resiliparse = pytest.importorskip("resiliparse.extract.html2text")

SENTENCES = "A paragraph of words long enough to be the main text of a page, with a second sentence after it. " * 3
PAGE = f"""<html><head><title>T</title><script>var a = "<div>";</script></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About</a></li></ul></nav>
<article><h1>The heading</h1><p class="byline">By Ann Author</p><p>{SENTENCES}</p>
<p>Advertisement</p><figure><img src=x><figcaption>What the picture shows</figcaption></figure>
<ol><li>the first step</li><li>the second step</li></ol><p>{SENTENCES}</p>
<table><tr><th>Name</th><th>Age</th></tr><tr><td>Ann</td><td>3</td></tr></table>
<pre>def f():
    return 1</pre><p>The end of it &amp; all.</p></article>
<aside>Related stories of today</aside><footer>Copyright 2026</footer></body></html>"""


def test_the_article_stays_and_what_surrounds_it_goes():
    text = text_of("html", PAGE)
    for gone in ("Home", "By Ann", "Advertisement", "picture", "Related", "Copyright", "var a"):
        assert gone not in text
    assert text.startswith("The heading\n\nA paragraph") and text.endswith("The end of it & all.")
    assert "1. the first step" in text and "2. the second step" in text
    assert re.search(r"Name\t+Age\nAnn\t+3", text), "a table keeps a line a row, a tab a cell"
    assert "def f():\n    return 1" in text


def test_the_whole_page_can_be_asked_for():
    text = text_of("html", PAGE, FormatsConfig(pages="whole"))
    assert "Home" in text and "Copyright" in text and "The end of it & all." in text


@pytest.mark.parametrize("page", ["", "<html><body><script>x</script></body></html>", "<p> \n </p>", "\0\0"])
def test_pages_without_text_are_told(page):
    with pytest.raises(BadDocument, match="no text"):
        text_of("html", page)


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 200_000 + "x",
        "<div>" * 200_000 + "x" + "</div>" * 200_000,
        "<div></b>" * 100_000 + "x",
        "</div>" * 300_000 + "<section>" * 200_000 + "x",
    ],
)
def test_what_is_nested_deeper_than_any_page_is_refused_at_once(page):
    began = time.monotonic()
    with pytest.raises(BadDocument, match=f"{MOST_DEPTH:,} deep"):
        text_of("html", page)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("page", [PAGE * 40, "<p>word " * 20_000, "<table><tr><td>x" * 900, "<br><img>" * 50_000])
def test_long_and_sloppy_pages_are_not_nested(page):
    check_depth(page)


def shingles(text: str) -> Counter:
    words = re.findall(r"\w+", text)
    return Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3)) or Counter([tuple(words)] if words else [])


def precision_recall(gold: str, found: str) -> tuple[float, float]:
    """Of one page, as scrapinghub's article-extraction-benchmark has it (evaluate.py)."""
    true, got = shingles(gold), shingles(found)
    both, more, less = (sum(c.values()) for c in (true & got, got - true, true - got))
    if not more and not less:
        return 1.0, 1.0
    return (both / (both + more) if both + more else 1.0), (both / (both + less) if both + less else 1.0)


def test_gold_bodies_are_found_better_than_by_resiliparse_alone(shared):
    gold = json.loads(shared("html-articles/ground-truth.json").read_text())
    ours, alone = [], []
    with tarfile.open(shared("html-articles/article-extraction-benchmark-html.tar.gz")) as archive:
        for number, member in enumerate(archive):
            # A quarter of the 181: all of them take half a minute (docs/corpus.md has their figures).
            if not member.isfile() or number % 4:
                continue
            page = gzip.decompress(archive.extractfile(member).read()).decode("utf-8", "replace")
            body = gold[member.name.rpartition("/")[2].removesuffix(".html.gz")]["articleBody"]
            ours.append(precision_recall(body, text_of("html", page)))
            alone.append(precision_recall(body, resiliparse.extract_plain_text(page, main_content=True)))
    assert len(ours) >= 40
    p, r = (mean(values) for values in zip(*ours, strict=True))
    p_alone, r_alone = (mean(values) for values in zip(*alone, strict=True))
    assert r > 0.96 and p > p_alone + 0.04
    assert 2 * p * r / (p + r) > 0.92 > 2 * p_alone * r_alone / (p_alone + r_alone)
