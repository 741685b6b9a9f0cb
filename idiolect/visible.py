"""Text that can't act on its reader: what would move a cursor, reorder a line or break UTF-8 is spelt out."""

import re

# C0/C1 controls, bidirectional overrides and lone surrogates.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with unprintable characters written as `\\x1b`-style escapes, so that nothing hides in a sample."""
    return UNPRINTABLE.sub(_spelt, text.replace("\r\n", "\n"))


def _spelt(match: re.Match) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
