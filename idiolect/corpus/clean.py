"""One document's text made clean: mojibake undone, one Unicode spelling, no invisible control characters.

ftfy does the repair; what it is asked to do is chosen in the config, and most text never needs to reach it.
"""

import functools
import html
import re
import unicodedata

import ftfy
from ftfy.badness import is_bad

from idiolect.corpus.config import CorpusConfig

# ftfy's own list, kept equal so that the short path for plain text gives the same result; tests compare them.
CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]")
TERMINAL = re.compile("\x1b\\[((?:\\d|;)*)([a-zA-Z])")
OTHER_LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029\x85]")
C1 = re.compile("[\x80-\x9f]")
CURLY = re.compile("[\u2018-\u201f\u02bc]")


def clean(text: str, config: CorpusConfig) -> str:
    """The cleaned text; what is off in the config is left exactly as it was."""
    if config.unescape_html and "&" in text:
        text = html.unescape(text)
    # Before the repair, since a control character inside a garbled one hides it; after it, for those that it uncovers.
    text = _without_controls(text, config)
    plain = text.isascii()
    if config.repair_mojibake and not plain and (is_bad(text) or C1.search(text)):
        text = _without_controls(ftfy.fix_text(text, _repair()), config)
    if config.straighten_quotes and not plain and CURLY.search(text):
        text = ftfy.fixes.uncurl_quotes(text)
    if config.unify_line_ends and OTHER_LINE_ENDS.search(text):
        text = OTHER_LINE_ENDS.sub("\n", text)
    if config.unicode_form != "none" and not plain and not unicodedata.is_normalized(config.unicode_form, text):
        text = unicodedata.normalize(config.unicode_form, text)
    return text


def _without_controls(text: str, config: CorpusConfig) -> str:
    if config.control_characters == "keep":
        return text
    if "\x1b" in text:
        text = TERMINAL.sub("", text)
    return CONTROLS.sub("", text) if CONTROLS.search(text) else text


@functools.cache
def _repair() -> ftfy.TextFixerConfig:
    """Only what undoes a wrong decoding: everything else has its own setting here."""
    return ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=True,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )


def encodable(text: str) -> str:
    """The text without lone surrogates (JSON may hold them, UTF-8 can't): each becomes U+FFFD."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
