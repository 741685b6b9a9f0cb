"""A docstring's prose: whole sentences in flowing paragraphs, and nothing else.

Left out: doctests, code, signatures, tables, parameter lists, references, formulas, headings and their underlines.
Kept without their markup: roles, literals, emphasis, links. A paragraph that is mostly not sentences is left out
whole; the rest of its document stands. What a model learns from should be what a person would read aloud.
"""

import inspect
import re
from collections.abc import Iterator

# Sections that list names with explanations, and sections with nothing to read, in numpy's and Google's style.
EXPLAINED = (
    "parameters|other parameters|returns?|yields?|receives?|raises|warns|attributes|args|arguments|keyword args|"
    "keyword arguments|kwargs|inputs?|outputs?|properties|explanation of parameters|options|fields|side effects"
)
UNREAD = (
    "methods|see also|examples?|usage|references?|shape|shapes|inherited methods|variables|doctest|todo|signatures?|"
    "functions|classes|constructor|api|contents|authors?|members|call graph|bibliography|literature|sources?"
)
EXPLAINED_HEADING = re.compile(rf"(?:{EXPLAINED})(?:\s*\(.*\))?\s*:{{0,2}}", re.IGNORECASE)
UNREAD_HEADING = re.compile(rf"(?:{UNREAD})(?:\s*\(.*\))?\s*:{{0,2}}", re.IGNORECASE)
UNDERLINE = re.compile(r"\s*([=\-~^*`'\"#+._:])\1{2,}\s*")
SPOKEN_DIRECTIVES = {"note", "warning", "tip", "important", "caution", "attention", "hint", "admonition", "topic"}
DIRECTIVE = re.compile(r"\s*\.\.\s+([\w:-]+)::\s*(.*)")
COMMENT = re.compile(r"\s*\.\.(\s|$)")
BULLET = re.compile(r"\s*(?:[-*+\u2022]|\(?[0-9a-z]{1,2}[.)])\s+(?=\S)")
CODE_START = re.compile(
    r"\s*(?:>>>|\.\.\. |\$ |In \[\d+\]:|Out\[\d+\]:|import \w|from \w+ import|def \w+\(|class \w+[(:]|@\w|#|%|return |"
    r"for \w+ in .*:$|if .*:$|while .*:$|try:$|with .*:$|print\()"
)
TABLE = re.compile(r"\s*(?:[+|]|={3,}\s+=|-{3,}\s+-)")
FIELD = re.compile(r"\s*:(?:param|type|returns?|rtype|raises?|arg|keyword|ivar|cvar|var|meta|exc|kwarg)\b[^:]*:")
ITEM = re.compile(r"(?:[*`]*\w[\w.*`]{0,40})(?:, [*`]*\w[\w.*`]*)*(?:\s*\([^)]*\))?\s?:(?:\s+|$)")

SPECIAL = re.compile(
    "|".join(
        f"(?:{pattern})"
        for pattern in (
            *(p.pattern for p in (CODE_START, TABLE, FIELD, COMMENT, BULLET)),
            rf"\s*{ITEM.pattern}",
            rf"\s*(?i:{UNREAD}|{EXPLAINED})(?:\s*\(.*\))?\s*:{{0,2}}\s*$",
            r"\s*(?P<rule>[=\-~^*`'\"#+._:])(?P=rule){2,}\s*$",
        )
    )
)

ROLE_TITLE = re.compile(r":[\w:+-]+:`([^`<]+?)\s*<[^`>]*>`")
ROLE = re.compile(r":(?!math)[\w:+-]+:`[!~]?([^`]*)`")
MATH = re.compile(r":math:`[^`]*`")
LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`__?")
LITERAL = re.compile(r"``([^`]*)``|`([^`\n]*)`_{0,2}")
BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
EMPHASIS = re.compile(r"(?<![\w*\\])\*([A-Za-z_][^*\n]{0,80})\*(?![\w*])")
FOOTNOTE = re.compile(r"\s*\[(?:\d+|[A-Z]\w{0,12}\d*|#\w*)\]_?(?=[\s.,;:)]|$)")
MARKUP = re.compile(r"[`*\[|\u2019\u201c\u201d]|\(\)|--|::$")
CALL = re.compile(r"(?<![\w.])([A-Za-z]+)\(\)")
SUBSTITUTION = re.compile(r"\|([^|\n]{1,30})\|_?")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(]?[A-Z])")
ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Eq|Eqs|Fig|Ref|Sec|Ch|No|Dr|Mr|St|al|resp|approx|w\.r\.t)|\b[A-Z])\.$"
)

WORD = re.compile(r"[(\"']*[A-Za-z][a-z]*(?:[-'/\u2019][A-Za-z]?[a-z]+)*(?:'s|s')?[.,;:!?)\"']*")
COMMON = frozenset(
    "the a an of to is are in and or for it this that with as by be on if not which from can will when at has have "
    "you we was were been its their there but they all any each no into than then only may should must".split()
)
STRANGE = re.compile(r"[{}\\<>|=$^~@#%*_`\[\]]|\.\w+\(|\(\)|https?:|www\.|\w\.\w+\.\w|\d{4,}|::|--|\.\.|TODO|FIXME|XXX")
SMALLEST_CHARACTERS = 60


def prose_of(docstring: str) -> str:
    """The prose of a docstring or reference page as paragraphs set apart by a blank line; empty if there is none."""
    text = inspect.cleandoc(docstring.expandtabs(4))
    paragraphs = []
    for block in _blocks(text.split("\n")):
        sentences = list(_sentences(_plain(" ".join(block.split()))))
        good = [s for s in sentences if is_prose(s)]
        size = sum(map(len, sentences))
        if good and sum(map(len, good)) >= 0.6 * size:
            paragraphs.append(" ".join(good))
    out = "\n\n".join(dict.fromkeys(paragraphs))
    return out if len(out) >= SMALLEST_CHARACTERS else ""


def _blocks(lines: list[str]) -> Iterator[str]:
    """Paragraphs and list items that may be prose; everything with another purpose is passed over."""
    block: list[str] = []
    i, hidden = 0, -1
    while i <= len(lines):
        line = lines[i] if i < len(lines) else ""
        indent = len(line) - len(line.lstrip())
        below = lines[i + 1] if i + 1 < len(lines) else ""
        # One pattern for all that sets a line apart: most lines pay for a single match.
        special = bool(SPECIAL.match(line) or UNDERLINE.fullmatch(below))
        starts_other = (
            special or not line.strip() or (hidden >= 0 and indent > hidden) or (block and indent != _indent(block[-1]))
        )
        if starts_other and block:
            text = "\n".join(block)
            if text.rstrip().endswith("::"):
                hidden = _indent(block[0])
            yield text
            block = []
        if not line.strip() or (hidden >= 0 and indent > hidden):
            i += 1
            continue
        i, hidden, keep = _enter(lines, i, indent, below) if special else (i + 1, -1, line)
        if keep is not None:
            block.append(keep)


def _enter(lines: list[str], i: int, indent: int, below: str) -> tuple[int, int, str | None]:
    """(next line, indent beyond which lines are hidden or -1, line to keep or None) for a line with text."""
    line = lines[i]
    heading = line.strip()
    if UNDERLINE.fullmatch(below) and not UNDERLINE.fullmatch(line):
        i += 2
        return (_end_of_section(lines, i), -1, None) if UNREAD_HEADING.fullmatch(heading) else (i, -1, None)
    alone = heading.endswith(":") or not below.strip() or _indent(below) > indent
    if UNREAD_HEADING.fullmatch(heading) and alone:
        return i + 1, indent, None
    if EXPLAINED_HEADING.fullmatch(heading) and alone:
        return i + 1, -1, None
    if directive := DIRECTIVE.match(line):
        if directive[1] in SPOKEN_DIRECTIVES:
            return i + 1, -1, directive[2] or None
        return i + 1, indent, None
    if COMMENT.match(line) or FIELD.match(line):
        return i + 1, indent, None
    if CODE_START.match(line) or TABLE.match(line):
        while i < len(lines) and lines[i].strip():
            i += 1
        return i, -1, None
    if UNDERLINE.fullmatch(line):
        return i + 1, -1, None
    # `name : type` or `name (type): what it is` heads an entry; the lines further in go on explaining it.
    if item := ITEM.match(heading):
        if below.strip() and _indent(below) > indent:
            said = heading[item.end() :] if heading[item.end() - 2 : item.end() - 1] != " " else ""
            return i + 1, -1, " " * _indent(below) + said[:1].upper() + said[1:] if _spoken(said) else None
        said = heading[item.end() :]
        return i + 1, -1, " " * indent + said[:1].upper() + said[1:] if _spoken(said) else None
    bullet = BULLET.match(line)
    return i + 1, -1, " " * (len(bullet[0])) + line[bullet.end() :] if bullet else line


def _spoken(text: str) -> bool:
    """Whether what follows `name:` explains it in words, rather than naming its type."""
    words = text.split()
    return len(words) >= 4 and sum(word.lower() in COMMON for word in words) >= 2


def _end_of_section(lines: list[str], i: int) -> int:
    while i < len(lines) - 1:
        if UNDERLINE.fullmatch(lines[i + 1]) and lines[i].strip() and not lines[i].startswith(" "):
            return i
        i += 1
    return len(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _plain(text: str) -> str:
    """A paragraph without inline markup."""
    if not MARKUP.search(text):
        return text
    text = ROLE_TITLE.sub(r"\1", text)
    text = ROLE.sub(lambda m: m[1].rpartition(".")[2] if "~" in m[0] else m[1].lstrip("!~."), text)
    text = MATH.sub(lambda m: m[0][7:-1] if re.fullmatch(r":math:`\w{1,2}`", m[0]) else "$", text)
    text = LINK.sub(r"\1", text)
    text = LITERAL.sub(lambda m: m[1] or m[2] or "", text)
    text = BOLD.sub(r"\1", text)
    text = EMPHASIS.sub(r"\1", text)
    text = FOOTNOTE.sub("", text)
    text = SUBSTITUTION.sub(r"\1", text)
    text = CALL.sub(r"\1", text).replace(" -- ", " - ").replace("---", " - ")
    text = text.replace("\u2019", "'").replace("\u201c", '"').replace("\u201d", '"')
    return text.removesuffix("::") + (":" if text.endswith("::") else "")


def _sentences(paragraph: str) -> Iterator[str]:
    """Sentences, not cut after an abbreviation."""
    held = ""
    for part in SENTENCE_END.split(paragraph):
        held = f"{held} {part}" if held else part
        if not ABBREVIATION.search(held):
            yield held
            held = ""
    if held:
        yield held


def is_prose(sentence: str) -> bool:
    """Whether this reads as a sentence: it begins and ends as one, and is made of words rather than of signs."""
    if not (sentence[:1].isupper() or sentence[:1] in "\"'(") or sentence[-1:] not in ".!?)\"'":
        return False
    words = sentence.split()
    if len(words) < 4 or STRANGE.search(sentence) or not sentence.isascii():
        return False
    plain = sum(1 for word in words if WORD.fullmatch(word))
    common = sum(1 for word in words if word.lower().strip(".,;:!?()\"'") in COMMON)
    return plain >= 0.82 * len(words) and common >= 0.15 * len(words)
