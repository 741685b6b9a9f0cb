"""What each character is to the rules: part of a word, a symbol, a letter, the end of a sentence or of a line.

One byte of flags a code point, in tables that numpy looks up for a whole pack of texts at once.
"""

import functools
import re
import unicodedata

import numpy as np

WORD, SYMBOL, ALONE = 1, 2, 4  # the classes; a token is a run of one class, or a character that stands alone
CLASS = WORD | SYMBOL | ALONE  # 0 in all three: white space
LETTER, SENSE, TERMINAL, BREAK = 8, 16, 32, 64

# Scripts written without spaces between words. Their characters are tokens by themselves: any grouping would need a
# dictionary for each language, and a whole sentence as one word would fail every rule.
UNSPACED = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x323AF),
)
UNSPACED_LANGUAGES = frozenset("zh yue wuu ja th lo km my bo dz".split())
# Where str.splitlines breaks; \r\n is one break.
BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# datatrove/utils/text.py, PUNCTUATION: what a word must have more than, to count as a word.
PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»" + "".join(
    map(chr, (*range(9), *range(11, 32), *range(127, 160)))
)
# Characters that end a sentence, in any script: the list of datatrove/utils/text.py, TERMINAL_PUNCTUATION.
_SPANS = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6
17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E
2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52
FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6
111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944
11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F
1DA88
"""


def _spelled(spans: str) -> str:
    ends = ([int(code, 16) for code in span.split("-")] for span in spans.split())
    return "".join(chr(code) for end in ends for code in range(end[0], end[-1] + 1))


TERMINALS = _spelled(_SPANS)


@functools.cache
def flags(size: int) -> np.ndarray:
    """The flags of the first `size` code points. All of Unicode takes a quarter of a second, ASCII nothing."""
    table = np.full(size, SYMBOL, np.uint8)
    text = "".join(map(chr, range(min(size, 0xD800)))) + "\0" * (0x800 if size > 0xD800 else 0)
    text += "".join(map(chr, range(0xE000, size)))
    marks = np.fromiter((unicodedata.category(c)[0] == "M" for c in text), bool, size)
    marks[[c for c in (0x200C, 0x200D) if c < size]] = True  # joiners belong to the word they stand in
    table[_where(r"\w", text, size) | marks] = WORD
    unspaced = np.zeros(size, bool)
    for first, last in UNSPACED:
        unspaced[first : last + 1] = True
    table[unspaced & (table == WORD)] = ALONE
    table[_where(r"\s", text, size)] = 0
    table[np.fromiter(map(str.isalpha, text), bool, size)] |= LETTER
    sense = np.ones(size, bool)
    for character in PUNCTUATION + TERMINALS:
        if ord(character) < size:
            sense[ord(character)] = False
    table[sense] |= SENSE
    for characters, flag in ((TERMINALS, TERMINAL), (BREAKS, BREAK)):
        table[[ord(c) for c in characters if ord(c) < size]] |= flag
    return table


def _where(pattern: str, text: str, size: int) -> np.ndarray:
    found = np.zeros(size, bool)
    for match in re.finditer(f"(?:{pattern})+", text):
        found[match.start() : match.end()] = True
    return found
