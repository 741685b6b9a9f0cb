"""Web pages: the main text, with headings, lists and tables in a readable shape.

Resiliparse (C++) finds the main content. What it leaves in is named here: captions, bylines and boxes by their class,
and lines that are buttons. On the 181 gold pages of scrapinghub's article-extraction-benchmark (4-gram shingles) the
F1 is 0.945, of resiliparse alone 0.898; the lists below were chosen on one half, and on the other they give 0.939
(docs/corpus.md, section Formats).
"""

import re

from idiolect.corpus.extract import BadDocument
from idiolect.corpus.extract.config import FormatsConfig
from idiolect.errors import MissingExtra

# Finding the main content takes time quadratic in the depth: 8,000 nested elements cost 3 s, 200,000 half an hour.
MOST_DEPTH = 1000
# Elements that hold nothing, or that the next of their kind closes.
VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|p|li|tr|td|th|dt|dd|option"
TAG = re.compile(rf"<(/?)(?!(?:{VOID})\b)([a-z][a-z0-9:-]*)", re.IGNORECASE)
BOXES = """figcaption aside footer button time [class*=caption] [class*=Caption] [class*=byline] [class*=Byline]
    [class*=credit] [class*=dateline] [class*=timestamp] [class*=newsletter] [class*=share-] [class*=sharing]
    [class*=social-] [class*=-social] [class*=related-] [class*=-related] [class*=recommend] [class*=cookie]
    [id*=cookie] [class*=copyright] [class*=disclaimer] [class*=slideshow] [class*=gallery]""".split()
# Whole lines that are a button, a notice or a byline, never a sentence of the article.
BUTTON = re.compile(
    r"""\W*(?:advertise?ment|advert|share(?:\ this.*)?|share\ on\ .*|sharing\ is\ caring.*|read\ more.*|related:?.*
    |(?:sign\ up|subscribe).*|more:?|more\ (?:on|in)\ .*|tags:?.*|filed\ under.*|see\ also.*|you\ may\ also\ like.*
    |follow\ (?:us|\w+)\ on\ .*|by|published|posted:?.*|updated:?.*|first\ published.*|last\ updated.*|close|caption
    |(?:photo|image|source)s?:.*|\(?image:\ .*|©.*|copyright\ .*|all\ rights\ reserved.*|continue\ reading.*
    |click\ here.*|comments?|about\ the\ author|get\ the\ .*\ app.*)\W*
    |\W*(?:by|von|por|par|oleh)\ \S+(?:\ \S+){0,7}
    |.{0,60}\b(?:19|20)\d\d\b.{0,40}(?:\d\d?:\d\d|AM|PM|[ECP]ST|GMT).{0,12}""",
    re.IGNORECASE | re.VERBOSE,
)
LONGEST_BUTTON = 120


def extract(page: str, config: FormatsConfig) -> str:
    """The page's text. Raises BadDocument when there is none, or it is nested so deep that nobody wrote it."""
    check_depth(page)
    text = main_text(page) if config.pages == "main" else ""
    # To the extractor some pages are all menus; what can be seen there may still be text.
    text = text or whole_text(page)
    if not text:
        raise BadDocument("it holds no text: a page of scripts or of pictures")
    return text


def main_text(page: str) -> str:
    """The main content without boxes and buttons."""
    text = _plain(page, main_content=True, comments=False, skip_elements=BOXES)
    kept = (line for line in text.split("\n") if len(line) > LONGEST_BUTTON or not BUTTON.fullmatch(line.strip()))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def whole_text(page: str) -> str:
    """All visible text of a page: of a chapter, of which all is meant to be read."""
    return re.sub(r"\n{3,}", "\n\n", _plain(page, main_content=False)).strip()


def check_depth(page: str) -> None:
    """Raise BadDocument for elements nested deeper than on any page that somebody wrote."""
    # Every element that encloses another has a tag of its own: most pages need no closer look.
    if page.count("<") <= MOST_DEPTH:
        return
    # Counted for each name apart: a closing tag that closes nothing must not hide an opening one.
    unclosed: dict[str, int] = {}
    depth = 0
    for closes, name in TAG.findall(page):
        n = unclosed.get(name, 0)
        step = (-1 if n else 0) if closes else 1
        unclosed[name] = n + step
        depth += step
        if depth > MOST_DEPTH:
            raise BadDocument(f"its elements are nested more than {MOST_DEPTH:,} deep")


def _plain(page: str, **settings) -> str:
    try:
        from resiliparse.extract.html2text import extract_plain_text
    except ImportError:
        raise MissingExtra("corpus", needs="resiliparse, which reads web pages,") from None
    text = extract_plain_text(page, preserve_formatting=True, alt_texts=False, links=False, **settings)
    return text.replace("\xa0", " ")
