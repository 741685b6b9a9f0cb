"""Transforms of words: what each does, in which languages, and that none is on by itself."""

import builtins

import pytest

from idiolect.corpus.clean import transforms
from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.clean.transforms import described, left_out, transform
from idiolect.errors import MissingExtra

TEXT = "The mice were running happily, and MICE don't run!"


def changed(language="en", text=TEXT, **settings):
    return transform(text, language, CleanConfig(**settings))


def test_nothing_is_on_by_itself():
    assert CleanConfig().transforms == () and changed() == TEXT and described(CleanConfig()) == ""


def test_each_transform():
    pytest.importorskip("snowballstemmer"), pytest.importorskip("simplemma"), pytest.importorskip("stop_words")
    assert changed(lowercase=True) == "the mice were running happily, and mice don't run!"
    assert changed(remove_punctuation=True) == "The mice were running happily and MICE dont run"
    assert changed(stem=True) == "The mice were run happili, and MICE don't run!"
    assert changed(lemmatise=True).startswith("the mouse be run happily, and")
    assert changed(remove_stop_words=True, stop_words=("the", "AND", "don't")) == "mice were running happily, MICE run!"
    assert changed(remove_stop_words=True) == "mice running happily, MICE !"


def test_they_come_in_an_order_in_which_each_still_finds_its_words():
    pytest.importorskip("simplemma")
    every = dict.fromkeys(("lowercase", "remove_punctuation", "lemmatise"), True)
    assert changed(**every) == "the mouse be run happily and mouse do run", "simplemma makes `don't` `do`"
    assert described(CleanConfig(**every)) == "lemmatised, lower-cased, without punctuation"


@pytest.mark.parametrize(
    "language, word, stem",
    [
        ("de", "Häuser", "Haus"),
        ("fr", "continuellement", "continuel"),
        ("ru", "книгами", "книг"),
        ("es-MX", "casas", "cas"),
    ],
)
def test_stems_follow_the_language(language, word, stem):
    pytest.importorskip("snowballstemmer")
    assert changed(language, word, stem=True) == stem


def test_a_language_without_rules_is_left_as_it_is_and_named():
    pytest.importorskip("snowballstemmer")
    config = CleanConfig(stem=True, lowercase=True)
    assert transform("Runs ON", "xx", config) == "runs on" and left_out("xx", config) == ("stem",)
    assert left_out("", config) == ("stem",) and left_out("en", config) == ()


def test_small_letters_follow_the_language():
    assert changed("tr", "ISPARTA İzmir", lowercase=True) == "ısparta izmir"
    assert changed("en", "ISPARTA", lowercase=True) == "isparta"


def test_vowel_signs_are_no_punctuation():
    assert changed("hi", "हिन्दी, में।", remove_punctuation=True) == "हिन्दी में"


def test_a_missing_library_is_named(monkeypatch):
    real = builtins.__import__

    def without_it(name, *rest, **named):
        if name in ("simplemma", "snowballstemmer", "stop_words"):
            raise ImportError(name)
        return real(name, *rest, **named)

    transforms._step.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without_it)
    for setting, needs in (
        ("stem", "snowballstemmer"),
        ("lemmatise", "simplemma"),
        ("remove_stop_words", "stop-words"),
    ):
        with pytest.raises(MissingExtra, match=needs):
            changed("en", **{setting: True})
    transforms._step.cache_clear()
