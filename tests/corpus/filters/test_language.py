"""Languages are recognised, what is no language is not, and nothing is ever fetched."""

import gzip
import socket
from collections import Counter

import pytest

from idiolect.corpus.filters.config import LanguageConfig
from idiolect.corpus.filters.language import Identifier, check_languages, excerpt
from idiolect.errors import RecipeError

SENTENCES = {
    "en": "The weather was fine, and so we went for a walk along the river.",
    "de": "Das Wetter war schön, und so gingen wir am Fluss entlang spazieren.",
    "fr": "Il faisait beau, alors nous sommes allés nous promener le long de la rivière.",
    "es": "Hacía buen tiempo, así que fuimos a pasear por la orilla del río.",
    "pt": "O tempo estava bom, e por isso fomos passear ao longo do rio.",
    "pl": "Pogoda była ładna, więc poszliśmy na spacer wzdłuż rzeki.",
    "ru": "Погода была хорошая, и мы пошли гулять вдоль реки.",
    "zh": "天气很好，所以我们沿着河边散步，后来还在公园里坐了一会儿。",
    "ja": "天気がよかったので、私たちは川沿いを散歩しました。",
    "hi": "मौसम अच्छा था, इसलिए हम नदी के किनारे टहलने गए।",
    "ar": "كان الطقس جميلا، لذلك ذهبنا في نزهة على طول النهر.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_enough(language):
    ((found, score),) = Identifier(LanguageConfig()).identify([SENTENCES[language]])
    assert found == language and 0.5 < score <= 1


@pytest.mark.parametrize(
    "text", ["", "   ", "Hm.", "12 34 56 78 " * 50, "+---+---+\n" * 40, "https://example.com/a/b/c " * 9]
)
def test_what_is_no_language_is_undetermined(text):
    assert Identifier(LanguageConfig()).identify([text]) == [("und", 0.0)]


def test_capitals_addresses_and_line_ends_do_not_mislead():
    identifier = Identifier(LanguageConfig())
    texts = [
        SENTENCES["en"].upper(),
        "https://example.de/wetter/fluss " + SENTENCES["fr"],
        SENTENCES["de"].replace(" ", "\n"),
    ]
    assert [language for language, _ in identifier.identify(texts)] == ["en", "fr", "de"]


def test_long_texts_are_sampled_at_head_middle_and_tail():
    text = "a" * 5000 + "b" * 200 + "c" * 5000
    assert excerpt(text, 300) == f"{'a' * 100} {'b' * 100} {'c' * 100}"
    assert excerpt("short", 300) == "short"
    mixed = SENTENCES["en"] * 100 + SENTENCES["pl"] * 500
    assert Identifier(LanguageConfig()).identify([mixed])[0][0] == "pl"


def test_which_languages_are_kept():
    identifier = Identifier(LanguageConfig(keep=("en", "de"), min_score=0.7))
    assert identifier.reason("en", 0.9) == identifier.reason("de", 0.7) == ""
    assert identifier.reason("fr", 0.9) == identifier.reason("und", 0.0) == "language_other"
    assert identifier.reason("en", 0.69) == "language_unsure"
    assert Identifier(LanguageConfig()).reason("fr", 0.1) == ""


def test_a_language_nobody_can_have_is_refused_before_any_text_is_read(tmp_path, prepared):
    check_languages(("en", "und", "code:python", "tlh"), ("", "tlh"))
    with pytest.raises(RecipeError, match="names no language") as caught:
        check_languages(("en", "english"), ("",))
    assert 'keep=["en"]' in caught.value.fix
    (tmp_path / "mine.txt").write_text("A text of mine. " * 200)
    with pytest.raises(RecipeError, match="klingon"):
        prepared(text=[tmp_path / "mine.txt"], filter={"language": {"keep": ["klingon"]}})


def test_the_model_is_in_the_wheel(monkeypatch):
    from idiolect.corpus.filters import language

    def refuse(*arguments, **more):
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    language._model.cache_clear()
    assert Identifier(LanguageConfig()).identify([SENTENCES["en"]])[0][0] == "en"


def test_accuracy_on_79_languages(shared):
    """Measured 2026-11-21 on all 62,507 sentences: 78.2 %, 89.7 % of those in languages that the model knows."""
    with gzip.open(shared("language-id/lingua-79lang.tsv.gz"), "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t", 2) for line in file][::30]
    found = Identifier(LanguageConfig(min_letters=1)).identify([text for _, _, text in rows])
    right, n, sure, sure_right = Counter(), Counter(), 0, 0
    for (language, kind, _), (label, score) in zip(rows, found, strict=True):
        hit = label == language or (language in ("nb", "nn") and label in ("no", "nn"))
        right[kind] += hit
        n[kind] += 1
        if kind == "sentences" and score >= 0.65:
            sure += 1
            sure_right += hit
    accuracy = {kind: right[kind] / n[kind] for kind in n}
    assert accuracy["sentences"] > 0.76 > accuracy["word-pairs"] > 0.55 > accuracy["single-words"] > 0.4
    assert sure_right / sure > 0.94
