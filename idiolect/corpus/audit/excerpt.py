"""How a document begins, as an audit page may show it: short, and without what a corpus may hide."""

from idiolect.corpus.clean.pii import hidden

CHARACTERS = 300


def example(text: str) -> str:
    """The first 300 characters; masked before the cut, with room for what the cut would part."""
    return hidden(text[: 2 * CHARACTERS])[:CHARACTERS]
