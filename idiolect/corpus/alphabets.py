"""Which single-byte encoding a Latin-script text is in, told by the alphabets it then spells.

charset-normalizer takes cp1250, cp775 and the like for many a cp1252 text. The languages' own letters tell them
apart: Hungarian read as cp1252 has both ö and õ, which no Western language has. Ties go to the commoner encoding.
"""

import re

LATIN = ("cp1252", "cp1250", "iso8859_2", "cp1254", "cp1257", "mac_roman", "cp850")
ALPHABETS = {
    "cp1252": (
        "àâçèéêëîïôùûüœæÿ", "äöüßé", "áéíñóúüçªº", "àáâãçéêíóôõúü", "àèéìíîòóù", "áéèëïöüóúê",
        "åäöéüšž", "æøåéóòôäö", "áéíóúýþæöðå", "àçèéíïòóúü", "âêîôûáéïö", "ëçâéôûê",
    ),
    "cp1250": (
        "áéíóöőúüű", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "čšžćđ", "ăâîşţ", "ëç",
    ),
    "cp1254": ("çğıöşüâîûi̇",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "õäöüšž"),
}  # fmt: skip
ALPHABETS |= {"iso8859_2": ALPHABETS["cp1250"], "mac_roman": ALPHABETS["cp1252"], "cp850": ALPHABETS["cp1252"]}
HIGH_RUN = re.compile(rb"[\x80-\xff]+")
# Letters that a wrong encoding turns into signs end up inside words.
SIGN_IN_WORD = re.compile(r"(?<=[a-z])[^\w\s'’‘`´\-–—.·…,;:!?\"“”«»()\[\]{}<>/\\&%$*#@=+|~^\x00-\x7f](?=[a-z])")


def is_latin_script(sample: bytes) -> bool:
    """Whether odd bytes stand alone among ASCII letters, as accents do; other scripts come in runs."""
    runs = HIGH_RUN.findall(sample)
    alone = sum(1 for run in runs if len(run) == 1)
    return bool(runs) and alone > 0.8 * len(runs) and len(HIGH_RUN.sub(b"", sample)) > 3 * sum(map(len, runs))


def latin_encoding(sample: bytes) -> str:
    """The encoding whose best-fitting alphabet covers most of the accented letters."""
    best, best_score = "cp1252", -1.0
    for name in LATIN:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            if name != "cp1252":
                continue
            text = sample.decode(name, "replace")
        score = max(_coverage(text, letters) for letters in ALPHABETS[name])
        if score > best_score + 0.02:
            best, best_score = name, score
    return best


def _coverage(text: str, letters: str) -> float:
    """Share of the odd characters that this alphabet explains; letters of no alphabet count half in cp1252's range."""
    odd = [c for c in text if not c.isascii()]
    accented = [c for c in odd if c.isalpha()]
    known = sum(1 for c in accented if c.lower() in letters)
    other = sum(1 for c in accented if c.lower() not in letters and "À" <= c <= "ÿ")
    fine = sum(1 for c in odd if c in "‘’“”„–—…«»°§·¿¡©®€£\xa0")
    # In a wrong code page a word begins small and goes on in capitals.
    wrong = len(SIGN_IN_WORD.findall(text)) + len(re.findall(r"(?<=[a-z])[^\W\d_a-zA-Z](?=[a-z])", _upper_only(text)))
    return (known + 0.4 * other + fine - wrong) / max(len(odd), 1)


def _upper_only(text: str) -> str:
    return "".join(c if c.isascii() or c.isupper() else " " for c in text)
