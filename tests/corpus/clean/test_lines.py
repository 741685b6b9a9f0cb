"""White space, invisible characters, boilerplate, licences and pages: what goes, and what must stay."""

import re

import pytest

from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.clean.lines import joined, tidy
from idiolect.corpus.clean.text import clean

GUTENBERG = [
    "3261/3261.txt", "972/972.txt", "9198/9198-8.txt", "13272/13272-8.txt", "14263/14263-8.txt", "14881/14881-8.txt",
    "18195/18195-8.txt", "20170/20170-8.txt", "21937/21937-8.txt", "24675/24675-8.txt", "31894/31894-8.txt",
    "44157/44157-8.txt",
]  # fmt: skip


def tidied(text, **settings):
    return tidy(text, CleanConfig(**settings))[0]


@pytest.mark.parametrize(
    "before, after",
    [
        ("so\u00adft hy\u00adphen", "soft hyphen"),
        ("zero\u200bwidth\u2060joined\u202dover\u202c", "zerowidthjoinedover"),
        ("e\u200ce and e\u200de", "ee and ee"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d👩\u200d👧 👩🏽\u200d🚀 ❤️\u200d🔥", "👩\u200d👩\u200d👧 👩🏽\u200d🚀 ❤️\u200d🔥"),
        ("ไทย\u200bไทย", "ไทย\u200bไทย"),
        ("שלום\u200f (a)", "שלום\u200f (a)"),
        ("plain\u200f text", "plain text"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"),
    ],
)
def test_invisible_characters_go_but_where_they_are_needed(before, after):
    assert tidied(before) == after
    assert tidied(before, invisible_characters="keep") == before


CODE = "def f(x):\n    if x:   # why\n        return  x\t\n\n\n\n    return 0 \n"


@pytest.mark.parametrize(
    "settings, after",
    [
        ({}, CODE),
        ({"trailing_space": True}, CODE.replace("\t\n", "\n").replace("0 \n", "0\n")),
        ({"space_runs": True}, CODE.replace("   #", " #").replace("return  x", "return x")),
        ({"blank_lines": 1}, CODE.replace("\n\n\n\n", "\n\n")),
        ({"blank_lines": 3}, CODE),
    ],
)
def test_white_space(settings, after):
    assert tidied(CODE, **settings) == after


def test_odd_spaces():
    assert tidied("1\u202f000\u00a0€\u3000x", odd_spaces=True) == "1 000 € x"
    assert tidied("1\u202f000\u00a0€\u3000x") == "1\u202f000\u00a0€\u3000x"


@pytest.mark.parametrize(
    "before, after",
    [
        ("an exam-\nple here", "an example here"),
        ("the well-\nknown, yes well-known man", "the well-known, yes well-known man"),
        ("Jean-\nPaul", "Jean-Paul"),
        ("a list:\n- one\n- two", "a list:\n- one\n- two"),
        ("pages 10-\n12", "pages 10-\n12"),
        ("so -\nwell", "so -\nwell"),
    ],
)
def test_words_cut_at_line_ends(before, after):
    assert joined(before)[0] == after


def test_boilerplate_lines_in_several_languages():
    text = (
        "The trial began.\nRead more »\nWe use cookies to improve your visit.\nWeiterlesen …\nLire la suite\nIt ended."
    )
    assert tidy(text, CleanConfig(boilerplate_lines=True)) == ("The trial began.\nIt ended.", {"boilerplate_lines": 4})
    assert tidied(text) == text


def test_prose_that_speaks_of_such_things_stays():
    text = (
        "We read more and more.\nShe used to share this article of faith with him.\nCookies are baked at 180 degrees."
    )
    long = "In the interview he explained at some length why we use cookies: " + "the reasons were many. " * 8
    for line in (text, long):
        assert tidied(line, boilerplate_lines=True) == line


@pytest.mark.parametrize("name", ["char-lm/tinyshakespeare.txt", "char-lm/warandpeace.txt", "wikitext-2/valid.txt"])
def test_published_text_is_as_it_was(shared, name):
    text = shared(name).read_text(encoding="utf-8")
    assert tidy(text, CleanConfig()) == (text, {})
    kept = tidied(text, boilerplate_lines=True)
    assert len(text) - len(kept) < 100, "lines of books taken for boilerplate"


@pytest.mark.parametrize("name", GUTENBERG)
def test_a_gutenberg_book_is_the_book_alone(shared, name):
    text = clean(shared(f"gutenberg-raw/{name}").read_bytes().decode("latin-1"), CleanConfig())
    book, counts = tidy(text, CleanConfig(gutenberg_licence=True))
    start = re.search(r"\*\*\* ?START OF[^*]+\*\*\*[^\n]*\n", text).end()
    end = re.search(r"\n(?:End of (?:the )?Project Gutenberg|\*\*\* ?END OF)", text).start()
    assert counts == {"gutenberg_licence": 2}
    # All of the licence goes; of what stands between the markers, no more than who typed it.
    assert book in text[start:end] + "\n" and end - start - len(book) < 600


def test_a_gutenberg_book_in_pieces(shared):
    """Cut before it is cleaned, most pieces hold no marker: the licence is known by its words."""
    missed = lost = licence = own = 0
    for name in GUTENBERG[::3]:
        text = clean(shared(f"gutenberg-raw/{name}").read_bytes().decode("latin-1"), CleanConfig())
        end = re.search(r"\n(?:End of (?:the )?Project Gutenberg|\*\*\* ?END OF)", text).start()
        start = re.search(r"\*\*\* ?START OF[^*]+\*\*\*[^\n]*\n", text).end()
        for at in range(0, len(text), 4000):
            piece = text[at : at + 4000]
            kept = tidied(piece, gutenberg_licence=True)
            book = max(0, min(end, at + 4000) - max(start, at))
            own, licence = own + book, licence + len(piece) - book
            missed, lost = missed + max(0, len(kept) - book), lost + max(0, book - len(kept))
    assert licence > 70_000 and missed / licence < 0.05, missed / licence
    assert lost / own < 0.005, lost / own


def pages(n, number="{}"):
    words = "stone gravel dust mud sand clay chalk tar brick".split()
    bodies = (f"It was {word}.\nNobody spoke of {word}.\n{word} it was\nunder a {word} sky." for word in words)
    return "\f".join(
        f"A History of Roads\n\n{body}\n\n{number.format(i)}" for i, body in enumerate(bodies, 1) if i <= n
    )


def test_headers_and_page_numbers_of_pages():
    kept, counts = tidy(pages(9), CleanConfig(repeated_lines=True))
    assert "History" not in kept and "\f" not in kept and not re.search(r"^\d+$", kept, re.MULTILINE)
    assert kept.count("Nobody spoke of") == 9 and counts["repeated_lines"] == 18


def test_few_pages_and_no_pages_stay():
    for text in (pages(3), "Refrain\nla la\n" * 50, "1\n2\n3\n4\n5\n"):
        assert tidied(text, repeated_lines=True) == text
