"""A raw payload of a kind becomes plain text, in the worker that received it: one module a kind, one row here.

Readers (`sources/`) find documents in files, one process, in order; what costs time (a page's main text, a book's
chapters) is done here, by many. A payload is always a string: of a page or an article its characters; of formats
that are bytes (PDF, EPUB, mail) one character a byte (latin-1). A path would be cheaper still, but a member of an
archive has none, and a worker on another machine would not find it; base64 is a third more characters, and slower.
"""

from importlib import import_module

from idiolect.corpus.extract.config import FormatsConfig

TEXT = "text"  # a document as it stands
WHOLE = "whole"  # the text of a whole file, which is divided as files are
EXTRACTORS = {
    "html": "html",
    "wikitext": "wikitext",
    "pdf": "pdf",
    "epub": "epub",
    "mail": "mail",
    "markdown": "markdown",
    "rst": "rst",
    "code": "code",
}
BYTES = ("pdf", "epub", "mail")  # kinds whose payload is bytes, one character each
DIVIDED = (WHOLE, *(kind for kind in EXTRACTORS if kind != "code"))  # kinds whose texts nobody has divided before


class BadDocument(Exception):
    """A document can't be turned into text, or is none; the message says why, `reason` under what it is counted."""

    def __init__(self, why: str, reason: str = "bad_row"):
        super().__init__(why)
        self.reason = reason

    def __reduce__(self):
        return BadDocument, (str(self), self.reason)


def text_of(kind: str, payload: str, config: FormatsConfig = FormatsConfig()) -> str:  # noqa: B008  (it is frozen)
    """The plain text of a payload. Raises BadDocument, whatever the payload holds."""
    if kind in (TEXT, WHOLE):
        return payload
    extract = import_module(f"{__name__}.{EXTRACTORS[kind]}").extract
    try:
        return extract(payload, config)
    except RecursionError:
        raise BadDocument("it is nested too deep") from None


def as_payload(data: bytes) -> str:
    """Bytes on their way to a worker: one character a byte."""
    return data.decode("latin-1")


def as_bytes(payload: str) -> bytes:
    """The bytes that `as_payload` was given. Raises BadDocument when it was given none."""
    try:
        return payload.encode("latin-1")
    except UnicodeEncodeError:
        raise BadDocument("its bytes were changed on the way") from None
