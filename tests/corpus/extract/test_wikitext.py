"""Wikitext: what a reader sees stays, in order; against mwparserfromhell on a whole wiki; linear on hostile markup."""

import bz2
import re
import time
from xml.etree import ElementTree

import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.extract import BadDocument, text_of
from idiolect.corpus.extract.wikitext import plain
from idiolect.corpus.find import find
from idiolect.corpus.sources import Raw, reader_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("'''Riga''' is the [[capital city|capital]] of [[Latvia]].", "Riga is the capital of Latvia."),
        ("A fact.<ref>Author, ''Book'', {{p|3}}</ref> More.<ref name=a /> End.", "A fact. More. End."),
        ("{{Infobox|a={{b|[[c]]}}|d=e}}Text {{nobr|x}}here.", "Text here."),
        ("Before\n{| class=wikitable\n|-\n| cell || [[other]]\n{|\n| inner\n|}\n|}\nafter", "Before\n\nafter"),
        ("[[File:A.jpg|thumb|A [[nice]] picture]]Words[[Category:Towns]] [[de:Riga]]", "Words"),
        ("See [[:Category:Towns|towns]] there.", "See towns there."),
        ("== History ==\nOld.\n=== Later ===\nNew.", "History\n\nOld.\n\nLater\n\nNew."),
        ("* one\n* two\n** inner\n# first\n: said", "- one\n- two\n  - inner\n- first\nsaid"),
        ("[http://x.org A site] and [https://y.org].", "A site and ."),
        ("<!-- hidden --><nowiki>x</nowiki> <span style='a'>y</span> a&nbsp;b &amp; c __NOTOC__", "x y a b & c"),
        ("<math>a < b</math>The <sup>2</sup> rest", "The 2 rest"),
        ("Open [[link and {{template", "Open [[link and template"),
        ("An end ]] here", "An end ]] here"),
        ("{{a|}}b{{{c|d}}}e", "be"),
    ],
)
def test_markup_becomes_what_a_reader_sees(markup, text):
    assert plain(markup).replace("\n\n\n", "\n\n") == text


def test_articles_of_templates_alone_are_told():
    with pytest.raises(BadDocument, match="no text"):
        text_of("wikitext", "Title\n{{Stub}}\n[[Category:X]]")


@pytest.mark.parametrize(
    "piece", ["{{", "[[", "{|\n", "<ref>", "<ref", "'''", "==", "}}", "]]", "<!--", "[[a|", "&amp;"]
)
def test_time_is_linear_in_what_stands_open(piece):
    def seconds(n: int) -> float:
        began = time.perf_counter()
        plain(piece * n)
        return time.perf_counter() - began

    small, large = min(seconds(4_000) for _ in range(2)), seconds(40_000)
    assert large < 40 * small + 0.5


def test_a_whole_wiki_has_the_words_that_mwparserfromhell_finds(shared):
    parser = pytest.importorskip("mwparserfromhell")
    config = CorpusConfig(text=(str(shared("wiki-dump")),))
    file = find(config).files[0]
    articles = [item for item in reader_of(file)(file, config, None) if isinstance(item, Raw)]
    tree = ElementTree.fromstring(bz2.decompress(file.path.read_bytes()))
    pages = [{e.tag.rpartition("}")[2]: e.text for e in page.iter()} for page in tree if page.tag.endswith("}page")]
    titles = [p["title"] for p in pages if p["ns"] == "0" and "redirect" not in p and (p["text"] or "").strip()]
    assert [article.origin for article in articles] == titles and len(titles) == 903
    # The reference leaves in what tables and files hold, so it speaks where there are none.
    plainer = [a.text.partition("\n")[2] for a in articles if not any(m in a.text for m in ("{|", "px", "thumb"))]
    found = []
    for markup in plainer[::4]:
        code = parser.parse(
            re.sub(r"<ref[^<>]*/>|<ref\b.*?</ref>|\[\[[^\[\]|]+:[^\[\]]*\]\]", "", markup, flags=re.DOTALL)
        )
        for node in code.filter_templates(recursive=False):
            code.remove(node)
        ours = set(re.findall(r"\w{3,}", plain(markup)))
        found += [word in ours for word in re.findall(r"\w{3,}", code.strip_code())]
    assert len(found) > 3000 and sum(found) / len(found) > 0.995
    assert not any(mark in plain(a.text) for a in articles[:50] for mark in ("{{", "<ref", "'''"))
