"""Encodings and mojibake, against labelled files; the short cuts of `clean` against ftfy itself."""

import codecs
import json
import random
import tarfile
import unicodedata

import ftfy
import pytest

from idiolect.corpus.clean.config import CleanConfig
from idiolect.corpus.clean.text import clean
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.encoding import decoder_of, detect, open_text
from idiolect.corpus.streams import Unreadable

TEXTS = {
    "french": "Être ou ne pas être, voilà la question. Là-bas, l'été, c'est très différent à Noël.",
    "german": "Größe, Maße und schöne Grüße über die Straße. Ärger mit Öl und Übermut.",
    "polish": "Zażółć gęślą jaźń. Łódź leży nad rzeką Łódką, a świat się kręci.",
    "hungarian": "Árvíztűrő tükörfúrógép. Őszintén szólva, a hűtő nem működik.",
    "russian": "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства.",
    "japanese": "日本語の文章はとても面白いです。これは試験のための短い文章です。",
}


def detected(text: str, encoding: str) -> str:
    data = "\n".join([text] * 5).encode(encoding)
    try:
        data.decode("utf-8")
        odd = None
    except UnicodeDecodeError:
        odd = data
    name, errors = decoder_of(detect(data, odd))
    return data.decode(name, errors).lstrip("\ufeff")


@pytest.mark.parametrize(
    ("language", "encoding"),
    [(language, e) for language in TEXTS for e in ("utf-8", "utf-8-sig", "utf-16", "utf-32")]
    + [(language, e) for language in ("french", "german", "russian") for e in ("utf-16-le", "utf-16-be", "utf-32-be")]
    + [("french", "cp1252"), ("german", "cp1252"), ("polish", "cp1250"), ("hungarian", "cp1250")]
    + [("polish", "iso8859-2"), ("french", "mac_roman"), ("german", "cp850"), ("russian", "cp1251")]
    + [("russian", "koi8-r"), ("japanese", "shift_jis"), ("japanese", "euc_jp"), ("japanese", "iso2022_jp")],
)
def test_encodings_are_found(language, encoding):
    # UTF-16 without a mark shows by its NULs, so only where most characters are below U+0100 or all above.
    if language == "russian" and encoding in ("utf-16-le", "utf-16-be"):
        pytest.skip("Cyrillic UTF-16 without a mark has too few NULs to tell")
    assert detected(TEXTS[language], encoding) == "\n".join([TEXTS[language]] * 5)


def test_utf8_with_a_few_stray_bytes_stays_utf8(tmp_path):
    data = ("Déjà vu à l'été. " * 200).encode() + b"caf\xe9 " + "Ça va très bien. ".encode()
    (tmp_path / "t.txt").write_bytes(data)
    text = open_text(tmp_path / "t.txt", "", CorpusConfig())
    assert text.encoding == "utf-8+cp1252"
    assert "".join(text.blocks()).endswith("café Ça va très bien. ")


def test_a_stated_encoding_is_held_to(tmp_path):
    (tmp_path / "t.txt").write_bytes("naïve".encode("cp1252"))
    with pytest.raises(Unreadable, match="not valid utf-8.*byte 2"):
        open_text(tmp_path / "t.txt", "", CorpusConfig(encoding="utf-8"))
    assert "".join(open_text(tmp_path / "t.txt", "", CorpusConfig(encoding="cp1252")).blocks()) == "naïve"


def test_characters_cut_by_a_block_are_whole(tmp_path):
    text = "é日\r\n" * 700_000
    (tmp_path / "t.txt").write_bytes(text.encode())
    opened = open_text(tmp_path / "t.txt", "", CorpusConfig())
    assert "".join(opened.blocks()) == text
    assert "".join(opened.blocks(unify=True)) == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("voilÃ\xa0 le travail", "voilà le travail"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("e\u0301", "é"),
        ("a\x00b\x1b[31mred\x1b[0m\ufeff\tc", "abred\tc"),
        ("“curly” &amp; ﬁne", "“curly” &amp; ﬁne"),
        ("plain", "plain"),
    ],
)
def test_cleaning(before, after):
    assert clean(before, CleanConfig()) == after


def test_everything_off_changes_nothing():
    off = CleanConfig(repair_mojibake=False, unicode_form="none", control_characters="keep", unify_line_ends=False)
    alphabet = "ab \n\r\t\x00\x1b[3m\x85é\u0301Ãâ€\u2028\ufeff日&;"
    for seed in range(200):
        text = "".join(random.Random(seed).choices(alphabet, k=30))
        assert clean(text, off) == text


def test_the_short_cuts_equal_ftfy():
    reference = ftfy.TextFixerConfig(
        unescape_html=False, fix_latin_ligatures=False, fix_character_width=False, uncurl_quotes=False, explain=False
    )
    words = ["plain", "été", "Größe", "日本", "I’m", "e\u0301", "don't", "naïve", "“so”", "–", "Łódź", "100 €"]
    between = [" ", " ", "\n", "\t", ", ", " \x07", "\ufeff ", "\u2028", "\x1b[31m ", "\x7f "]
    for seed in range(500):
        dice = random.Random(seed)
        text = ""
        for word in dice.choices(words, k=12):
            wrong = word.encode().decode("cp1252", "ignore") if dice.random() < 0.2 else word
            text += wrong + dice.choice(between)
        assert clean(text, CleanConfig()) == ftfy.fix_text(text, reference), repr(text)


def test_mojibake_against_gold(shared):
    config = CleanConfig()
    right = total = 0
    for name in ("in-the-wild", "synthetic", "language-names", "negative"):
        for case in json.loads((shared("mojibake") / f"{name}.json").read_text(encoding="utf-8")):
            gold = unicodedata.normalize("NFC", case.get("fixed-encoding", case["fixed"]))
            right, total = right + (clean(case["original"], config) == gold), total + 1
    assert total == 151 and right >= 145


def test_labelled_encodings(shared):
    """chardet's labelled files: share decoded exactly as their folder's name says."""
    right = total = 0
    with tarfile.open(shared("encodings") / "chardet-labelled-2of3.tar.gz") as archive:
        for member in archive:
            label = member.name.split("/")[0]
            data = archive.extractfile(member).read() if member.isfile() else b""
            readings = _readings(data, label)
            if not data or not readings:
                continue
            total += 1
            try:
                valid = True
                data.decode("utf-8")
            except UnicodeDecodeError:
                valid = False
            try:
                name, errors = decoder_of(detect(data[:65536], None if valid else data))
                right += data.decode(name, errors).lstrip("\ufeff") in readings
            except (Unreadable, UnicodeDecodeError):
                pass
    assert total > 250 and right / total > 0.97


def _readings(data: bytes, label: str) -> list[str]:
    wider = {"gb2312": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949", "iso-8859-1": "cp1252", "big5": "big5hkscs"}
    parts, out = label.split("-"), []
    for k in range(len(parts), 0, -1):
        name = {"MacCyrillic": "mac_cyrillic", "TIS": "tis-620", "IBM855": "cp855", "IBM866": "cp866"}.get(
            "-".join(parts[:k]), "-".join(parts[:k])
        )
        try:
            codecs.lookup(name)
        except LookupError:
            continue
        for codec in (name, wider.get(name.lower(), name)):
            try:
                out.append(data.decode(codec).lstrip("\ufeff"))
            except UnicodeDecodeError:
                pass
        return out
    return out
