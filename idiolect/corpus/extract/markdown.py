"""Markdown as plain words: the marks go, code and lists stay. Only asked for by `formats.markup = "plain"`."""

import html
import re

from idiolect.corpus.extract import BadDocument
from idiolect.corpus.extract.config import FormatsConfig

FENCE = re.compile(r"^ {0,3}(?:```|~~~)")
IMAGE = re.compile(r"!\[([^\[\]]*)\]\([^()\s]*(?:\s\"[^\"]*\")?\)")
LINK = re.compile(r"\[([^\[\]]*)\](?:\([^()\s]*(?:\s\"[^\"]*\")?\)|\[[^\[\]]*\])")
STRESS = re.compile(r"(\*\*\*|\*\*|\*|~~)(?=\S)([^*~\n]*?\S)\1|(?<!\w)(__|_)(?=\S)([^_\n]*?\S)\3(?!\w)")
RULE = re.compile(r"^ {0,3}(?:[-*_=] *){3,}$|^ {0,3}\[[^\]]+\]:\s+\S+.*$|^[ |:-]*\|[ |:-]*-[ |:-]*$")
TAG = re.compile(r"</?[a-z][^<>]*>|<!--[^>]*-->", re.IGNORECASE)


def extract(text: str, config: FormatsConfig) -> str:
    """The words. Raises BadDocument when there are none."""
    lines, in_code = [], False
    for line in text.replace("\r\n", "\n").split("\n"):
        if FENCE.match(line):
            in_code = not in_code
        elif in_code:
            lines.append(line)
        elif not RULE.match(line):
            lines.append(_words(line))
    plain = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    if not plain:
        raise BadDocument("it holds no words besides marks")
    return plain


def _words(line: str) -> str:
    line = re.sub(r"^ {0,3}(?:#{1,6} +|(?:> ?)+)", "", line)
    parts = re.split(r"(`[^`]*`)", line)
    parts[::2] = [html.unescape(_bare(part)) for part in parts[::2]]
    parts[1::2] = [part[1:-1] for part in parts[1::2]]
    words = "".join(parts)
    return re.sub(r" *\| *", "\t", words.strip().strip("|")) if line.lstrip().startswith("|") else words


def _bare(text: str) -> str:
    text = LINK.sub(r"\1", IMAGE.sub(r"\1", text))
    text = STRESS.sub(lambda m: m[2] or m[4], TAG.sub("", text))
    return re.sub(r"\\([\\`*_{}\[\]()#+.!|>~-])", r"\1", re.sub(r" +#+$", "", text))
