"""XML as a stream of events, with nothing fetched and nothing unfolded.

Expat alone, without a tree: memory is what the caller keeps. A file that declares an entity is refused, whatever its
encoding: entities that unfold into each other are how a kilobyte fills a memory, and external ones read files.
"""

from collections.abc import Iterable, Iterator
from xml.parsers import expat

MOST_DEPTH = 1000
START, END, TEXT = "start", "end", "text"


class BadXml(Exception):
    """XML that can't be read, or that nobody should; the message says why."""


def events(blocks: Iterable[bytes]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(START, name, attributes), (END, name, {}) and (TEXT, characters, {}), names without their namespaces.

    Raises BadXml where the XML is broken, declares entities, or is nested deeper than any document.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    found: list[tuple[str, str, dict[str, str]]] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEPTH:
            raise BadXml(f"its elements are nested more than {MOST_DEPTH:,} deep")
        found.append((START, name.rpartition(" ")[2], attributes))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        found.append((END, name.rpartition(" ")[2], {}))

    def entity(name: str, *_) -> None:
        raise BadXml(f"declares an entity of its own ({name[:40]}), which no text needs: refused")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: found.append((TEXT, text, {}))
    parser.EntityDeclHandler = entity
    try:
        for block in blocks:
            parser.Parse(block, False)
            yield from found
            found.clear()
        parser.Parse(b"", True)
        yield from found
    except expat.ExpatError as error:
        raise BadXml(f"is not valid XML: {error}") from error
    except (ValueError, LookupError) as error:  # what pyexpat has for encodings beyond Unicode's and those of one byte
        raise BadXml(f"is XML in an encoding that is not read ({error}): convert it to UTF-8") from error
