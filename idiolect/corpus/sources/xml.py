"""`.xml`: MediaWiki dumps, an article at a time, and TEI, a text a file. Other XML is refused with its root's name.

Streamed through `extract.xml`: memory is one page's, nothing external is read, entities are refused.
"""

from collections.abc import Iterator

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.divide import Rule
from idiolect.corpus.extract import WHOLE
from idiolect.corpus.extract.xml import START, TEXT, BadXml, events
from idiolect.corpus.find import InputFile
from idiolect.corpus.sources import BadRow, Opened, Raw
from idiolect.corpus.sources.tables import place_rows
from idiolect.corpus.streams import Unreadable, byte_blocks

ARTICLES = "0"  # MediaWiki's number for them; the others are talk, users, templates, ...
FIELDS = ("title", "ns", "text")
# What TEI (P5) keeps words in, each on a line of its own, and what stands there that is no part of the text.
WORDS = {"p", "head", "l", "speaker", "stage", "item", "salute", "signed", "dateline", "opener", "closer", "cell"}
APART = {"note", "fw", "figDesc", "teiHeader", "gap", "del", "orig", "sic", "abbr"}


def read(file: InputFile, config: CorpusConfig, rule: Rule) -> Iterator[Raw | BadRow | Opened]:
    """One document an article, or one a TEI file. Raises Unreadable for other XML and for what is broken."""
    try:
        root = next((name for event, name, _ in _stream(file, config) if event == START), "")
        if root not in ("mediawiki", "TEI", "TEI.2", "teiCorpus"):
            raise Unreadable(f"is XML whose root is <{root[:40]}>: neither a MediaWiki dump nor TEI")
        yield Opened("xml", file.n_bytes)
        if root == "mediawiki":
            yield from place_rows(lambda: _articles(file, config), file, config)
        else:
            yield Raw(_tei(file, config), kind=WHOLE)
    except BadXml as error:
        raise Unreadable(str(error)) from error


def _stream(file: InputFile, config: CorpusConfig) -> Iterator[tuple[str, str, dict[str, str]]]:
    return events(byte_blocks(file.path, file.compression, config))


def _articles(file: InputFile, config: CorpusConfig) -> Iterator[Raw | BadRow]:
    """Articles as their title, a newline and their markup; redirects and other namespaces are no articles."""
    most = config.formats.max_document_bytes
    page: dict[str, list[str]] = {}
    field, size, redirect = "", 0, False
    for event, name, _ in _stream(file, config):
        if event == TEXT:
            if field:
                size += len(name)
                if size <= most:
                    page.setdefault(field, []).append(name)
        elif event == START:
            if name == "page":
                page, size, redirect = {}, 0, False
            elif name == "revision":
                # Of a dump with histories the last revision counts.
                page.pop("text", None)
                size = 0
            redirect = redirect or name == "redirect"
            field = name if name in FIELDS else ""
        else:
            field = ""
            if name == "page" and "".join(page.get("ns", ())) == ARTICLES and not redirect:
                yield _article(page, size, most)


def _article(page: dict[str, list[str]], size: int, most: int) -> Raw | BadRow:
    title, markup = ("".join(page.get(name, ())) for name in ("title", "text"))
    where = f"page {title[:80]!r}"
    if size > most:
        return BadRow(where, f"it is larger than max_document_bytes = {most:,}", markup[:300])
    if not markup.strip():
        return BadRow(where, "it is empty", "")
    return Raw(f"{title}\n{markup}", kind="wikitext", origin=title)


def _tei(file: InputFile, config: CorpusConfig) -> str:
    """The words of the body, a line for each paragraph, heading and verse."""
    lines, words, inside, apart, size = [], [], 0, 0, 0
    for event, name, _ in _stream(file, config):
        if event == TEXT:
            if inside and not apart:
                words.append(name)
                size += len(name)
                if size > config.formats.max_document_bytes:
                    raise Unreadable(f"is larger than max_document_bytes = {config.formats.max_document_bytes:,}")
            continue
        step = 1 if event == START else -1
        if name in APART:
            apart += step
        elif name in WORDS and not apart:
            if line := " ".join("".join(words).split()):
                lines.append(line)
            words, inside = [], inside + step
        elif name in ("lb", "pb"):
            words.append(" ")
    if not lines:
        raise Unreadable("is TEI without text: no paragraph, heading or verse")
    return "\n".join(lines)
