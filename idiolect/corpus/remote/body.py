"""What a reply says of its body: its type and version, whether it is the rest of one we have, and how to unpack it."""

import contextlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from idiolect.corpus.remote.cache import Part
from idiolect.corpus.remote.kinds import ending_of
from idiolect.corpus.remote.local import Remote
from idiolect.corpus.remote.urls import Unfetchable, Url
from idiolect.corpus.remote.wire import Reply
from idiolect.corpus.streams import RATIO_FLOOR

# Smaller files are taken at once: asking for them a second time would cost their server more than it spares our disk.
LARGE = 8 << 20


def known_of(reply: Reply) -> dict[str, str]:
    """What identifies this body, and its type. What is unpacked on the way can't be gone on with in the middle."""
    known = {"type": reply.headers.get("Content-Type", "")}
    if not reply.headers.get("Content-Encoding", ""):
        known |= {"etag": reply.headers.get("ETag", ""), "modified": reply.headers.get("Last-Modified", "")}
    return known


def left_there(url: Url, reply: Reply, known: dict[str, str], sha256: str) -> Remote | None:
    """A body to come back for: large, of a known size and version. None for pages and whatever can't be identified."""
    validator = strong(known.get("etag", "")) or known.get("modified", "")
    size = reply.headers.get("Content-Length", "")
    if not validator or not size.isdigit() or int(size) < LARGE or reply.headers.get("Accept-Ranges") == "none":
        return None
    version = f"sha256:{sha256}" if sha256 else f"{validator} {size}"
    ending = ending_of(known["type"], url.path)
    return Remote("web", url, int(size), version, ending, validator, sha256)


def strong(etag: str) -> str:
    """An ETag that promises equal bytes, or nothing."""
    # RFC 9110, 13.1.5: a weak ETag does not promise equal bytes, so If-Range must not be given one.
    return "" if etag.startswith("W/") else etag


def check_range(reply: Reply, part: Part, known: dict[str, str]) -> None:
    """Raise when a 206 is not the rest of what we have."""
    start = reply.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    changed = any(
        reply.headers.get(header, known.get(name, "")) != known.get(name, "")
        for name, header in (("etag", "ETag"), ("modified", "Last-Modified"))
    )
    if start != str(part.n_bytes) or changed or reply.headers.get("Content-Encoding"):
        part.clear()
        raise Unfetchable("it changed while it was fetched", fix="run the same command again", again=True)


def decoded(reply: Reply, blocks: Iterator[bytes], max_ratio: int) -> Iterator[bytes]:
    """The body without its Content-Encoding, which we did not ask for but may get."""
    encoding = reply.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from blocks
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unfetchable(f"its body is encoded as {encoding}, which we did not ask for", fix="tell the site's owner")
    inner, packed_bytes, total = zlib.decompressobj(47), 0, 0
    try:
        for packed in blocks:
            packed_bytes += len(packed)
            while packed:
                block = inner.decompress(packed, 1 << 20)
                total += len(block)
                if total > RATIO_FLOOR and total > packed_bytes * max_ratio:
                    raise Unfetchable(f"it unpacks to more than {max_ratio} times its size (max_ratio): a bomb")
                yield block
                packed = inner.unconsumed_tail or inner.unused_data
                inner = zlib.decompressobj(47) if inner.eof and packed else inner
    except zlib.error as error:
        raise Unfetchable(f"its encoding is broken: {error}", again=True) from None
    if not inner.eof:
        raise Unfetchable("its body was cut off", again=True)


def too_long(limit: int) -> Unfetchable:
    """What is said of a body beyond its limit."""
    return Unfetchable(f"it is longer than max_bytes = {limit:,}", fix=f"--corpus.fetch.max_bytes={limit * 4}")


def retry_after(text: str) -> float | None:
    """Seconds, given as such or as a date (RFC 9110, 10.2.3)."""
    if text.strip().isdigit():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        at = parsedate_to_datetime(text)
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None
