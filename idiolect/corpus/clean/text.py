"""One document's text made clean: mojibake undone, one Unicode spelling, no invisible control characters.

ftfy does the repair; what it is asked to do is chosen in the config, and most text never needs to reach it.
"""

import functools
import html
import re
import unicodedata

import ftfy
from ftfy.badness import is_bad

from idiolect.corpus.clean.config import CleanConfig

# ftfy's own list, kept equal so that the short path for plain text gives the same result; tests compare them.
CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]")
TERMINAL = re.compile("\x1b\\[((?:\\d|;)*)([a-zA-Z])")
LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029\x85]")
# What ftfy might treat differently in a text that does not look garbled as a whole.
ODD = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffc\r]")
ODD_BYTES = bytes(b for b in range(128) if ODD.match(chr(b)))
CURLY = re.compile("[\u2018-\u201f\u02bc]")
# Whatever ftfy's `is_bad` finds holds two characters beyond ASCII in a row, or one of these, and reaches at most two
# ASCII characters to either side: its pattern takes 220 ns a character, this one 15.
SUSPECT = re.compile("[^\x00-\x7f](?:[^\x00-\x7f]+|(?<=[\x80-\x9f\u00c2\u00c3\u0152\u0153]))")
REACH = 2


def clean(text: str, config: CleanConfig) -> str:
    """The cleaned text; what is off in the config is left exactly as it was."""
    if config.unescape_html and "&" in text:
        text = html.unescape(text)
    plain = text.isascii()
    odd = _is_odd(text.encode()) if plain else bool(ODD.search(text))
    if not plain and config.repair_mojibake and (odd or looks_garbled(text)):
        # Control characters stay in until ftfy has looked: they are part of its evidence.
        text = ftfy.fix_text(
            text, _repair(config.control_characters == "remove", config.unify_line_ends, config.unicode_form)
        )
    if config.straighten_quotes and not plain and CURLY.search(text):
        text = ftfy.fixes.uncurl_quotes(text)
    if odd and config.unify_line_ends:
        text = LINE_ENDS.sub("\n", text)
    if odd and config.control_characters == "remove":
        text = CONTROLS.sub("", TERMINAL.sub("", text))
    if config.unicode_form != "none" and not plain and not unicodedata.is_normalized(config.unicode_form, text):
        text = unicodedata.normalize(config.unicode_form, text)
    return text


def looks_garbled(text: str) -> bool:
    """`ftfy.badness.is_bad`, asked only about the places of a text that it could mean."""
    places = [text[max(0, found.start() - REACH) : found.end() + REACH] for found in SUSPECT.finditer(text)]
    # A place that ends in the middle of the next may look bad where the text does not.
    return bool(places) and is_bad("\n".join(places)) and is_bad(text)


def _is_odd(text: bytes) -> bool:
    """`ODD` for ASCII: deleting bytes and comparing lengths is three times as fast as a character class."""
    return len(text.translate(None, ODD_BYTES)) != len(text)


@functools.cache
def _repair(controls: bool, line_ends: bool, form: str) -> ftfy.TextFixerConfig:
    """Only what undoes a wrong decoding, and what must be done along with it; the rest has its own setting here."""
    return ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=controls,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=line_ends,
        remove_control_chars=controls,
        normalization=None if form == "none" else form,
        explain=False,
    )


def encodable(text: str) -> str:
    """The text without lone surrogates (JSON may hold them, UTF-8 can't): each becomes U+FFFD."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
