"""Every heuristic rule alone, on real pages and on made ones, gives datatrove 0.10.1's verdict for the same words."""

import functools
import itertools
import json
import tarfile
import unicodedata
from pathlib import Path

import pytest

from idiolect.corpus.filters import c4
from idiolect.corpus.filters.characters import UNSPACED
from idiolect.corpus.filters.config import C4Config, FilterConfig, FineWebConfig, GopherConfig
from idiolect.corpus.filters.judge import Judge

pytest.importorskip("datatrove", reason="datatrove is the reference of this test")

from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter  # noqa: E402
from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter  # noqa: E402
from datatrove.utils.word_tokenizers import WordTokenizer  # noqa: E402


def _class(character: str) -> str:
    if character.isspace():
        return "space"
    code = ord(character)
    word = character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
    if word or code in (0x200C, 0x200D):
        alone = any(first <= code <= last for first, last in UNSPACED)
        return f"alone {code}" if alone else "word"
    return "symbol"


class SameWords(WordTokenizer):
    """Our words and sentences by the definition, a character at a time: independent of the arrays under test."""

    @functools.cache  # noqa: B019 (one instance, which lives as long as the tests)
    def word_tokenize(self, text: str) -> list[str]:
        words = []
        for kind, characters in itertools.groupby(text, _class):
            if kind != "space":
                run = "".join(characters)
                words += list(run) if kind.startswith("alone") else [run]
        return words

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return c4.sentences(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[a:b] for a, b in c4.sentences(text)]


WORDS = SameWords()
GOPHER_OFF = {name: 0 for name in GopherConfig.model_fields if name != "use"}
QUALITY = {
    "gopher_few_words": ("min_words", "min_doc_words"),
    "gopher_many_words": ("max_words", "max_doc_words"),
    "gopher_short_words": ("min_mean_word_length", "min_avg_word_length"),
    "gopher_long_words": ("max_mean_word_length", "max_avg_word_length"),
    "gopher_hashes": ("max_hashes", "max_symbol_word_ratio"),
    "gopher_ellipses": ("max_ellipses", "max_symbol_word_ratio"),
    "gopher_bullets": ("max_bullet_lines", "max_bullet_lines_ratio"),
    "gopher_ellipsis_lines": ("max_ellipsis_lines", "max_ellipsis_lines_ratio"),
    "gopher_few_letters": ("min_alphabetic_words", "max_non_alpha_words_ratio"),
    "gopher_few_stop_words": ("min_stop_words", "min_stop_words"),
}
OTHER = {"gopher_hashes": "gopher_too_many_ellipsis", "gopher_ellipses": "gopher_too_many_hashes"}
QUALITY_OFF = dict.fromkeys([theirs for _, theirs in QUALITY.values()])
REPETITION = {
    "gopher_repeated_paragraphs": ("max_repeated_paragraphs", "dup_para_frac"),
    "gopher_repeated_paragraph_characters": ("max_repeated_paragraph_characters", "dup_para_char_frac"),
    "gopher_repeated_lines": ("max_repeated_lines", "dup_line_frac"),
    "gopher_repeated_line_characters": ("max_repeated_line_characters", "dup_line_char_frac"),
}
REPETITION_OFF = {**dict.fromkeys(theirs for _, theirs in REPETITION.values()), "top_n_grams": (), "dup_n_grams": ()}
DEFAULTS = GopherConfig()


def _gopher(rule: str, names: tuple[str, str], cls: type, off: dict, tighter: float):
    ours, theirs = names
    value = getattr(DEFAULTS, ours)
    value = type(value)(value * tighter)
    judge = Judge(FilterConfig(gopher=GopherConfig(**{**GOPHER_OFF, "use": True, ours: value})))
    return rule, judge, cls(**{**off, theirs: value}, language=WORDS)


def _grams(n: int, tighter: float):
    top = n < 5
    name = f"max_top_{n}_gram" if top else f"max_repeated_{n}_grams"
    value = getattr(DEFAULTS, name) * tighter
    judge = Judge(FilterConfig(gopher=GopherConfig(**{**GOPHER_OFF, "use": True, name: value})))
    theirs = {**REPETITION_OFF, "top_n_grams" if top else "dup_n_grams": ((n, value),)}
    rule = f"gopher_top_{n}_gram" if top else f"gopher_repeated_{n}_grams"
    return rule, judge, GopherRepetitionFilter(**theirs, language=WORDS)


C4_OFF = {"lorem_ipsum": False, "curly_bracket": False, "min_sentences": 0}
FINEWEB = {
    "fineweb_line_ends": ("min_punctuated_lines", "line_punct_thr", 0.0),
    "fineweb_short_lines": ("max_short_lines", "short_line_thr", 1.0),
    "fineweb_repeated_lines": ("max_repeated_characters", "char_duplicates_ratio", 1.0),
    "fineweb_newlines": ("max_newlines", "new_line_ratio", 1e9),
}


def _fineweb(rule: str, tighter: float):
    ours, theirs, _ = FINEWEB[rule]
    value = getattr(FineWebConfig(), ours) * tighter
    config = FineWebConfig(**{name: 0 for name, _, _ in FINEWEB.values()} | {"use": True, ours: value})
    off = {name: neutral for _, name, neutral in FINEWEB.values()}
    return rule, Judge(FilterConfig(fineweb=config)), FineWebQualityFilter(**{**off, theirs: value}, language=WORDS)


def _rules(tighter: float):
    for rule, names in QUALITY.items():
        yield _gopher(rule, names, GopherQualityFilter, QUALITY_OFF, tighter)
    for rule, names in REPETITION.items():
        yield _gopher(rule, names, GopherRepetitionFilter, REPETITION_OFF, tighter)
    for n in range(2, 11):
        yield _grams(n, tighter)
    for rule in FINEWEB:
        yield _fineweb(rule, tighter)


def _theirs(oracle, text: str, rule: str) -> bool:
    verdict = oracle.filter(Document(text=text, id=""))
    if verdict is True:
        return False
    # One setting of theirs holds for # and for ellipses.
    return verdict[1] != OTHER.get(rule)


MADE = [
    "word " * 40 + "\n\n" + "the same line again and again\n" * 30,
    "- one\n- two\n  • three\n- four\n" * 5,
    "to be continued...\nand so on…\nthe end of that ... \r\nwith have\r" * 4,
    "# # # hash tags #everywhere #the #of\n" * 3,
    "12 34 56 78 90 11 12 13 14 15 " * 12,
    "a b c d e f g a b c d e f g a b c d e f g h i",
    "日本語の文章です。日本語の文章です。中文也是这样的。" * 6 + "\n短い行\n",
    "ภาษาไทยไม่มีช่องว่าง ภาษาไทยไม่มีช่องว่าง " * 5,
    "हिन्दी में लिखा हुआ एक पाठ है और यह दोहराया गया है। " * 6,
    "x" * 3000 + " and the " + "y" * 20,
    "a bc d ab c d " * 8 + "e f",
    "one\n\n\ntwo\n\n\ntwo\n\none\n\n  \n\nthree the of",
    "\nlead\n\n\nlead\ntrail\n\n",
    "single",
    "\u2028lines\u2029by\x85other\x0cmeans\x1cof the\x1ecut\r",
    'ends with a mark.  \nno mark\nstop!\n"quoted."\n“done”\nend？\n' * 3,
]


@pytest.fixture(scope="module")
def pages():
    root = Path(__file__).parents[4] / "shared" / "data"
    texts = list(MADE)
    web = root / "web-sample"
    if web.exists():
        rows = (web / "lf-c4_demo.jsonl").read_text("utf-8").split("\n")
        texts += [json.loads(row)["text"] for row in rows if row][:40]
        texts += (web / "lf-wiki_demo.txt").read_text("utf-8")[:40_000].split("\n\n\n")
    articles = root / "html-articles" / "ground-truth.json"
    if articles.exists():
        texts += [entry["articleBody"] for entry in json.loads(articles.read_text("utf-8")).values()][:30]
    for language in ("en", "de", "pl"):
        archive = root / "books" / f"{language}.tar.gz"
        if archive.exists():
            with tarfile.open(archive) as books:
                member = next(m for m in books if m.isfile())
                texts.append(books.extractfile(member).read().decode("utf-8")[20_000:32_000])
    chinese = root / "xquad"
    for path in sorted(chinese.glob("*zh*")):
        paragraphs = [p["context"] for a in json.loads(path.read_text("utf-8"))["data"] for p in a["paragraphs"]]
        texts += paragraphs[:10]
    return [text for text in texts if text.strip()]


@pytest.mark.parametrize("tighter", [1.0, 0.5, 0.1, 1.1])
def test_every_rule_alone_gives_their_verdict(pages, tighter):
    languages = ["en"] * len(pages)
    disagree, n_failed = {}, {}
    for rule, judge, oracle in _rules(tighter):
        ours = [failed == [rule] for failed in judge.failed(pages, languages)]
        theirs = [_theirs(oracle, text, rule) for text in pages]
        n_failed[rule] = sum(theirs)
        wrong = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
        if wrong:
            disagree[rule] = [(pages[i][:60], ours[i]) for i in wrong]
    assert not disagree
    # The comparison means something only where both verdicts occur.
    assert sum(n > 0 for n in n_failed.values()) > len(n_failed) / 2


@pytest.mark.parametrize("setting", ["published", "without_punctuation", "documents", "lines"])
def test_c4_edits_and_judges_like_theirs(pages, setting):
    ours, theirs = {
        "published": ({}, {}),
        "without_punctuation": ({"terminal_punctuation": False}, {"filter_no_terminal_punct": False}),
        "documents": ({"min_line_words": 0, "max_word_length": 0}, {"min_words_per_line": -1, "max_word_length": -1}),
        "lines": (C4_OFF, {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": -1}),
    }[setting]
    texts = pages + [
        "Lorem ipsum dolor sit amet. " * 4 + "\n" + "A line of Javascript with lorem ipsum is here.\n" * 2,
        "We use cookies to { serve } you.\nOne. Two. Three. Four. Five. Six words are in here.\n" * 2,
        "Turn on JavaScript { please }.\nThis is a fact.[12] It holds [citation needed].\nGo on. And on. To the end.\n",
        'one two. \n[1] a b.\nEnds in dots...\nSee the privacy policy of this site.\nIs it so? It is! "Quite so."\n',
        "z" * 1001 + " is a word too long.\nShort enough, is it? Yes. No. Maybe. It is so.",
    ]
    judge = Judge(FilterConfig(c4=C4Config(use=True, **ours)))
    edited, _ = judge.edit(texts)
    failed = judge.failed(edited, ["en"] * len(texts))
    oracle = C4QualityFilter(**theirs, language=WORDS)
    for text, mine, rules in zip(texts, edited, failed, strict=True):
        document = Document(text=text, id="")
        verdict = oracle.filter(document)
        assert (not rules) == (verdict is True), (text[:80], rules, verdict)
        if verdict is True:
            assert mine == document.text
        elif len(rules) == 1:
            assert rules[0].removeprefix("c4_") in verdict[1].replace("too_", "")
