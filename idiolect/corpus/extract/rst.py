"""reStructuredText as plain words, without docutils, which would read files that a text includes."""

import re

from idiolect.corpus.extract import BadDocument
from idiolect.corpus.extract.config import FormatsConfig

UNDERLINE = re.compile(r"^([=\-`:.'\"~^_*+#<>])\1{2,}\s*$")
TABLE = re.compile(r"^\s*(?:\+[-=+]+\+|=+(?: +=+)+)\s*$")
DIRECTIVE = re.compile(r"^(\s*)\.\.(?:\s|$)")
KEPT = re.compile(r"^\s*\.\. (?:note|warning|tip|hint|important|caution|danger|seealso|admonition|topic)::\s*(.*)$")
FIELD = re.compile(r"^\s*:[\w .-]+:(?:\s.*)?$")
ROLE = re.compile(r":[\w:.+-]+:`(?:[^`<]*?([^`<>]+?)\s*<[^`]*>|~?([^`]*))`|`([^`<]+?)\s*<[^`]*>`_{1,2}")
MARKS = re.compile(r"``([^`]*)``|`([^`]*)`_{0,2}|\*\*([^*\n]+)\*\*|(?<!\w)\*([^*\s][^*\n]*)\*|\|([^|\s]+)\|_{0,2}")


def extract(text: str, config: FormatsConfig) -> str:
    """The words: directives but notes left out with their options, roles as what they show."""
    kept: list[str] = []
    inside = -1
    for line in text.replace("\r\n", "\n").expandtabs(8).split("\n"):
        indent = len(line) - len(line.lstrip())
        if inside >= 0 and (not line.strip() or indent > inside):
            continue
        inside = -1
        if note := KEPT.match(line):
            kept.append(_words(note[1]))
        elif DIRECTIVE.match(line):
            inside = indent
        elif not (UNDERLINE.match(line) or TABLE.match(line) or FIELD.match(line)):
            kept.append(_words(line.removesuffix("::") + ":" if line.endswith("::") else line))
    plain = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    if not plain:
        raise BadDocument("it holds no words besides directives")
    return plain


def _words(line: str) -> str:
    line = ROLE.sub(lambda m: m[1] or m[2] or m[3] or "", line)
    return MARKS.sub(lambda m: next((group for group in m.groups() if group), ""), line).rstrip()
