"""Each rule at its threshold, by hand: what just passes and what just fails; and how rules are combined."""

import copy

import pytest

from idiolect.corpus.filters import c4, reasons
from idiolect.corpus.filters.characters import BREAK, CLASS, LETTER, TERMINAL, flags
from idiolect.corpus.filters.config import C4Config, FilterConfig, FineWebConfig, GopherConfig
from idiolect.corpus.filters.judge import Judge
from idiolect.corpus.filters.tokens import Tokens, hash_of

OFF = {name: 0 for name in GopherConfig.model_fields if name != "use"}


def gopher(**rules):
    return Judge(FilterConfig(gopher=GopherConfig(**{**OFF, **rules, "use": True})))


def fineweb(**rules):
    off = {"min_punctuated_lines": 0, "max_short_lines": 0, "max_repeated_characters": 0, "max_newlines": 0}
    return Judge(FilterConfig(fineweb=FineWebConfig(**{**off, **rules, "use": True})))


def verdict(judge, text, language="en"):
    return judge.failed([text], [language])[0]


def words(n):
    return " ".join(f"w{i}" for i in range(n))


AGAIN = "ab\n\nab\n\ncd", "ab\n\nab\n\nc"
BOUNDARIES = [
    # rule, setting, just passes, just fails
    ("gopher_few_words", {"min_words": 50}, words(50), words(49) + " ... !!"),
    ("gopher_many_words", {"max_words": 60}, words(60) + " , ;", words(61)),
    ("gopher_short_words", {"min_mean_word_length": 3.0}, "ab abcd , .", "ab abc abcd ab"),
    ("gopher_long_words", {"max_mean_word_length": 5.0}, "abcd abcdef", "abcd abcdefg ."),
    ("gopher_hashes", {"max_hashes": 0.1}, words(9) + " #", words(8) + " #"),
    ("gopher_ellipses", {"max_ellipses": 0.1}, words(9) + " …", words(8) + " ..."),
    ("gopher_bullets", {"max_bullet_lines": 0.5}, "- a\nb\n  • c\nd", "- a\n\t-b\n• c\nd"),
    ("gopher_ellipsis_lines", {"max_ellipsis_lines": 0.5}, "a...\nb", "a... \r\nb…\nc"),
    ("gopher_few_letters", {"min_alphabetic_words": 0.8}, "a b c d 1", "a b c d 1 2"),
    ("gopher_few_stop_words", {"min_stop_words": 2}, "cat of the hat", "The cat the cat OF"),
    ("gopher_repeated_lines", {"max_repeated_lines": 0.25}, "a\nb\n\nb\nc", "a\nb\nb"),
    ("gopher_repeated_paragraphs", {"max_repeated_paragraphs": 0.25}, "a\n\nb\n\n\nb\n\nc", "a\n\nb\n\nb"),
    ("gopher_repeated_line_characters", {"max_repeated_line_characters": 0.2}, "ab\nab\ncdef", "ab\nab\ncde"),
    ("gopher_repeated_paragraph_characters", {"max_repeated_paragraph_characters": 0.2}, *AGAIN),
    ("gopher_top_2_gram", {"max_top_2_gram": 0.3}, "a b c d a b e f g h ", "a b c d a b e f g"),
    ("gopher_top_3_gram", {"max_top_3_gram": 0.5}, "a b c d a b c e f g ", "a b c d a b c e f g"),
    ("gopher_top_4_gram", {"max_top_4_gram": 0.7}, "a b c d a b c d e f ", "a b c d a b c d e f"),
    ("gopher_repeated_5_grams", {"max_repeated_5_grams": 0.25}, "a b c d e a b c d e ", "a b c d e a b c d e"),
    ("gopher_repeated_10_grams", {"max_repeated_10_grams": 0.2}, words(30), words(10) + " " + words(10)),
    ("fineweb_line_ends", {"min_punctuated_lines": 0.5}, "a.\nb\n \n", "a.\nb. \nc"),
    ("fineweb_short_lines", {"max_short_lines": 0.5}, "x" * 31 + "\n" + "y" * 30, "x" * 30 + "\n" + "y" * 31 + "\nz"),
    ("fineweb_repeated_lines", {"max_repeated_characters": 0.2}, "ab\nab\n \ncdefg", "ab\nab\n\ncdefg"),
    ("fineweb_newlines", {"max_newlines": 0.5}, "a b\nc d\n", "a b\nc\n"),
]


@pytest.mark.parametrize(("rule", "setting", "passes", "fails"), BOUNDARIES, ids=[b[0] for b in BOUNDARIES])
def test_a_rule_turns_at_its_threshold(rule, setting, passes, fails):
    judge = (gopher if rule.startswith("gopher") else fineweb)(**setting)
    assert verdict(judge, passes) == []
    assert verdict(judge, fails) == [rule]
    assert judge.failed([fails, passes, "", fails], ["en"] * 4)[:2] == [[rule], []]


def test_every_rule_has_a_boundary_case_or_a_reason_why_not():
    tested = {rule for rule, *_ in BOUNDARIES}
    alike = {f"gopher_repeated_{n}_grams" for n in range(6, 10)}  # the same function with another n
    c4_rules = {rule for rule in reasons.REASONS if rule.startswith("c4_")}
    others = {"language_other", "language_unsure", "words_listed"}
    assert tested | alike | c4_rules | others == set(reasons.REASONS)


def test_all_failing_rules_are_named_in_table_order():
    text = "# # # - {\n- #\n- #\n- #" * 3
    everything = FilterConfig(gopher=GopherConfig(use=True), c4=C4Config(use=True), fineweb=FineWebConfig(use=True))
    failed = verdict(Judge(everything), text)
    order = [rule for rule in reasons.REASONS if rule in failed]
    assert failed == order and {"gopher_few_words", "gopher_hashes", "c4_curly_bracket"} < set(failed)
    assert any(rule.startswith("fineweb_") for rule in failed)


def test_a_verdict_does_not_depend_on_the_other_texts():
    texts = [words(60), "", "the of. " * 30, "日本語の文章です。" * 20, "a\r", "\n", "#", words(3) + "…"]
    judge = Judge(FilterConfig(gopher=GopherConfig(use=True), fineweb=FineWebConfig(use=True)))
    languages = ["en", "de", "", "ja", "und", "fr", "en", "xx"]
    together = judge.failed(texts, languages)
    assert together == [verdict(judge, text, language) for text, language in zip(texts, languages, strict=True)]
    assert judge.failed([], []) == []
    assert copy.deepcopy(judge).failed(texts, languages) == together


def test_nothing_is_on_by_default():
    judge = Judge(FilterConfig())
    assert judge.idle
    assert judge.failed(["#"], ["en"]) == [[]] and judge.edit(["a\n"]) == (["a\n"], [{}]) and judge.rules() == []


def test_language_decides_stop_words_and_whether_words_have_a_length():
    judge = gopher(min_stop_words=2)
    german = "Der Hund und die Katze sind im Haus"
    assert verdict(judge, german, "de") == [] and verdict(judge, german, "en") == ["gopher_few_stop_words"]
    assert verdict(judge, german, "und") == verdict(judge, german, "") == verdict(judge, german, "xx") == []
    chinese = "今天天气很好，我们去公园散步。"
    assert verdict(gopher(min_mean_word_length=3.0), chinese, "zh") == []
    assert verdict(gopher(min_mean_word_length=3.0), chinese, "en") == ["gopher_short_words"]


def test_words_are_what_the_definition_says():
    text = "It's 3.5 km—naïve हिन्दी 東京 x_y ... (ok)"
    tokens = Tokens(["", text])
    joined = "\n" + text + "\n"
    spelled = [joined[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)]
    assert spelled == "It ' s 3 . 5 km — naïve हिन्दी 東 京 x_y ... ( ok )".split()
    assert tokens.counts.tolist() == [0, len(spelled)]
    assert [int(h) for h in tokens.hashes] == [hash_of(word) for word in spelled]


def test_the_flags_are_those_of_python():
    table = flags(0x110000)
    some = [chr(c) for c in [*range(0x3000), *range(0xF900, 0x11000), 0x2028, 0x1F600]]
    assert all(((table[ord(c)] & CLASS) == 0) == c.isspace() for c in some)
    assert all(bool(table[ord(c)] & LETTER) == c.isalpha() for c in some)
    assert all(bool(table[ord(c)] & BREAK) == (len(f"a{c}b".splitlines()) == 2) for c in some)
    assert table[ord(".")] & TERMINAL and table[ord("。")] & TERMINAL and not table[ord(",")] & TERMINAL
    assert (flags(128) == table[:128]).all()


LINES = {
    "terminal_punctuation": ("This line has no end", "This line has one."),
    "min_line_words": ("Two words.", "Now three words."),
    "max_word_length": ("A " + "x" * 1001 + " word.", "A " + "x" * 1000 + " word."),
    "javascript": ("Please turn on JavaScript now.", "Please turn on the light."),
    "policy": ("Read our Privacy Policy first.", "Read our policy on privacy."),
}


@pytest.mark.parametrize("rule", LINES)
def test_c4_removes_a_line_for_each_rule(rule):
    bad, good = LINES[rule]
    text = f"{good}\n  {bad}\r\n{good}\n"
    edited, removed = c4.edit(text, C4Config())
    assert edited == f"{good}\n{good}" and removed == {rule: 1}
    off = {rule: False if type(getattr(C4Config(), rule)) is bool else 0}
    assert c4.edit(text, C4Config(**off)) == (f"{good}\n{bad}\n{good}", {})


def test_c4_takes_citations_out():
    text = "It is so.[12] It was so [citation needed] and will be.[edit]"
    assert c4.edit(text, C4Config())[0] == "It is so. It was so  and will be."
    assert c4.edit(text, C4Config(citations=False))[0] == ""


@pytest.mark.parametrize(
    ("line", "n"),
    [
        ("", 0), ("One", 1), ("One. Two", 2), ("One. Two.", 2), ('"Is it?" he said.', 2), ("3.14 is pi.", 1),
        ("Wait... what?!", 2), ("一句。两句！三", 3), ("(An aside.) More.", 2), (" . ", 1),
    ],
)  # fmt: skip
def test_sentences_end_where_they_should(line, n):
    spans = c4.sentences(line)
    assert len(spans) == n
    assert "".join(line[a:b] for a, b in spans).strip() == line.strip()


@pytest.mark.parametrize(
    ("rule", "setting", "text"),
    [
        ("c4_few_sentences", {"min_sentences": 5}, "One. Two. Three. Four."),
        ("c4_lorem_ipsum", {"lorem_ipsum": True}, "Lorem Ipsum dolor sit amet."),
        ("c4_curly_bracket", {"curly_bracket": True}, "A set { of things } here."),
    ],
)
def test_c4_drops_pages(rule, setting, text):
    off = {"min_sentences": 0, "lorem_ipsum": False, "curly_bracket": False}
    judge = Judge(FilterConfig(c4=C4Config(**{**off, **setting, "use": True})))
    (edited,), _ = judge.edit([text])
    assert verdict(judge, edited) == [rule]
    assert verdict(judge, "One. Two. Three. Four. Five.") == []


def test_every_reason_tells_a_setting_that_exists():
    config = FilterConfig()
    for rule, (sentence, fix) in reasons.REASONS.items():
        setting, _, value = fix.removeprefix("--corpus.filter.").partition("=")
        section, name = setting.split(".")
        assert hasattr(getattr(config, section), name), rule
        assert sentence and (value in ("0", "false", ""))
