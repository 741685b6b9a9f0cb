"""The polite fetcher: one file from the web into the cache, whatever the server on the other side does.

It obeys robots.txt, asks a host once at a time and not too often, tries again when that may help, goes on with a
body that was cut, and gives up on one that is too long, too slow, endless, or unpacks without end.
"""

import base64
import contextlib
import netrc
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from idiolect import __version__
from idiolect.corpus.remote.body import check_range, decoded, known_of, left_there, retry_after, strong, too_long
from idiolect.corpus.remote.cache import Cache, Entry, Part, put
from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.kinds import ending_of, holds_data
from idiolect.corpus.remote.local import Remote
from idiolect.corpus.remote.robots import LIMIT, TOKEN, Robots
from idiolect.corpus.remote.urls import Unfetchable, Url, stopped, too_late
from idiolect.corpus.remote.wire import Reply

REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429, 500, 502, 503, 504)
# A server may start slowly; from here on its average counts.
SLOW_START_SECONDS = 10.0
Advance = Callable[[int], None]


class Fetcher:
    """What all downloads of one command share: each host's pace and rules, and a way to stop them."""

    def __init__(self, config: FetchConfig, cache: Cache):
        self.config, self.cache = config, cache
        self.robots = Robots(lambda url: self.read(url, limit=LIMIT, cut=True, robots=False)[:2])
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._open_replies: set[Reply] = set()

    def stop(self) -> None:
        """End every download and every pause, soon."""
        self._stopped.set()
        for reply in list(self._open_replies):
            reply.kill()

    def download(
        self,
        url: Url,
        *,
        robots: bool = True,
        authorization: str = "",
        sha256: str = "",
        later: bool = False,
        advance: Advance = lambda n: None,
    ) -> Entry | Remote:
        """One file, from the cache or fetched into it. Raises Unfetchable, or ResourceError when the disk is full.

        With `later`, a large one whose server says what it is stays where it is, until it is read.
        """
        held = self.cache.entry(url.key)
        if held and self.config.refresh == "never":
            return held
        with self.cache.lock(url.key):
            if self.config.refresh == "never" and (held := self.cache.entry(url.key)):
                return held  # another process was quicker
            robots = robots and self.config.robots
            if later and holds_data(url.path) and (remote := self._announced(url, robots, authorization, sha256)):
                return remote
            return self.patiently(lambda: self._attempt(url, held, robots, authorization, sha256, later, advance))

    def read(
        self, url: Url, *, limit: int, cut: bool = False, robots: bool = False, authorization: str = ""
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of something small. A longer body is cut, or Unfetchable is raised."""

        def attempt():
            body = b""
            with self.open(url, {}, robots, authorization) as reply:
                if reply.status in BUSY:
                    self.refuse(reply)
                for block in self.watched(url.host, reply.blocks()):
                    body += block
                    if len(body) > limit and not cut:
                        raise Unfetchable(f"it is longer than {limit:,} bytes")
                    if len(body) > limit:
                        break
                return reply.status, body[:limit], {k.lower(): v for k, v in reply.headers.items()}

        return self.patiently(attempt)

    def patiently(self, attempt: Callable):
        """What an attempt returns, made again as long as that may help."""
        for n in range(self.config.retries + 1):
            try:
                return attempt()
            except Unfetchable as error:
                if not error.again or n == self.config.retries or self.stopped:
                    raise
                self._sleep(
                    max(error.wait or 0.0, min(self.config.backoff_seconds * 2**n, self.config.max_wait_seconds))
                )
        raise AssertionError("the last attempt returns or raises")

    def _announced(self, url: Url, robots: bool, authorization: str, sha256: str) -> Remote | None:
        """A large file to come back for, if its server says so without sending it; otherwise a GET will tell."""
        with contextlib.suppress(Unfetchable), self.open(url, {}, robots, authorization, method="HEAD") as reply:
            if reply.status == 200:
                return left_there(url, reply, known_of(reply), sha256)
        return None

    def _attempt(
        self,
        url: Url,
        held: Entry | None,
        robots: bool,
        authorization: str,
        sha256: str,
        later: bool,
        advance: Advance,
    ) -> Entry | Remote:
        part = self.cache.part(url.key)
        known, headers = part.known(), {}
        validator = strong(known.get("etag", "")) or known.get("modified", "")
        if validator:
            headers = {"Range": f"bytes={part.n_bytes}-", "If-Range": validator}
        elif held and self.config.refresh == "changed":
            named = {"If-None-Match": held.etag, "If-Modified-Since": held.modified}
            headers = {name: value for name, value in named.items() if value}
        with self.open(url, headers, robots, authorization) as reply:
            if reply.status == 304 and held:
                return held
            if reply.status == 206 and validator:
                check_range(reply, part, known)
            elif reply.status == 200:
                known = known_of(reply)
                if later and (remote := left_there(url, reply, known, sha256)):
                    return remote
                part.begin(known)
            else:
                if reply.status in (206, 416):
                    part.clear()  # what we have can't be gone on with: the next attempt begins anew
                self.refuse(reply)
            self._receive(reply, part, advance)
        ending = ending_of(known.get("type", ""), url.path)
        accept = self.config.refresh != "never"
        return self.cache.keep(url.key, part, url=str(url), ending=ending, known=known, accept=accept, sha256=sha256)

    def _receive(self, reply: Reply, part: Part, advance: Advance) -> None:
        total, limit = part.n_bytes, self.config.max_bytes
        announced = reply.headers.get("Content-Length", "")
        if announced.isdigit() and total + int(announced) > limit:
            raise too_long(limit)
        with open(part.path, "ab") as file:
            for block in decoded(reply, self.watched(reply.url.host, reply.blocks()), self.config.max_ratio):
                total += len(block)
                if total > limit:
                    part.clear()
                    raise too_long(limit)
                put(block, file, advance)

    def watched(self, host: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks, unless they come too slowly, for too long, or somebody wants us to stop."""
        started, received = time.monotonic(), 0
        for block in blocks:
            received += len(block)
            seconds = time.monotonic() - started
            slow = received < seconds * self.config.min_bytes_per_second
            if slow and seconds > min(SLOW_START_SECONDS, self.config.idle_seconds):
                raise Unfetchable(
                    f"{host} sends less than {self.config.min_bytes_per_second:g} bytes a second "
                    "(min_bytes_per_second)", fix="try again later, or --corpus.fetch.min_bytes_per_second=0",
                )  # fmt: skip
            if seconds > self.config.max_seconds:
                raise too_late(self.config.max_seconds)
            self.check_stopped()
            yield block

    @contextlib.contextmanager
    def open(
        self,
        url: Url,
        headers: dict[str, str],
        robots: bool,
        authorization: str,
        *,
        method: str = "GET",
        pause: bool = True,
    ) -> Iterator[Reply]:
        """The reply at the end of the redirects. Each address on the way is asked for like the first one."""
        own = authorization or _credentials(url)
        first, met = url, set()
        while True:
            met.add(url.wire)
            crawl_delay = self.robots.check(url) if robots else 0.0
            if pause:
                self._pace(url, crawl_delay)
            sent = {"User-Agent": self._agent, "Accept-Encoding": "identity", "Accept": "*/*", **headers}
            if own and url.origin == first.origin:
                sent["Authorization"] = own
            with Reply(url, sent, self.config, method) as reply:
                self._open_replies.add(reply)
                try:
                    if reply.status not in REDIRECTS:
                        yield reply
                        return
                finally:
                    self._open_replies.discard(reply)
                location = reply.headers.get("Location", "")
            url = url.joined(location)
            if url.wire in met:
                raise Unfetchable("it redirects in a circle", fix="open it in a browser, and name where that ends up")
            if len(met) > self.config.max_redirects:
                raise Unfetchable(
                    f"it redirects more than {self.config.max_redirects} times (max_redirects)",
                    fix="open it in a browser, and name where that ends up",
                )

    @property
    def _agent(self) -> str:
        contact = f"; {self.config.contact}" if self.config.contact else ""
        return f"{TOKEN}/{__version__} (collects text for language models{contact})"

    def refuse(self, reply: Reply) -> None:
        """Raise what a status means that brings no file."""
        status, why = reply.status, f"{reply.url.host} answered {reply.status} {reply.reason}".rstrip()
        if status in (401, 403, 407):
            raise Unfetchable(
                why, fix="if you have an account there, put it into ~/.netrc (for the Hugging Face hub: HF_TOKEN)"
            )
        wait = retry_after(reply.headers.get("Retry-After", ""))
        if wait is not None and wait > self.config.max_wait_seconds:
            raise Unfetchable(
                f"{why} and asks us to come back in {wait:,.0f} s", fix="run the same command again by then"
            )
        raise Unfetchable(why, fix="check the address", again=status in BUSY or status in (206, 416), wait=wait)

    def _pace(self, url: Url, crawl_delay: float) -> None:
        pause = max(self.config.seconds_between_requests, crawl_delay)
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next.get(url.host, 0.0))
            if start - now > self.config.max_wait_seconds:
                raise Unfetchable(
                    f"{url.host} wants {crawl_delay:g} s between requests (Crawl-delay)",
                    fix=f"--corpus.fetch.max_wait_seconds={crawl_delay:g}, if you have the time",
                )
            self._next[url.host] = start + pause
        self._sleep(start - now)

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        self.check_stopped()

    @property
    def stopped(self) -> bool:
        """Whether somebody wants us to stop."""
        return self._stopped.is_set()

    def check_stopped(self) -> None:
        """Raise when somebody wants us to stop."""
        if self.stopped:
            raise stopped()


def _credentials(url: Url) -> str:
    """Basic credentials of the address or, over https, of ~/.netrc."""
    user, password = url.credentials or ("", "")
    if not user and url.scheme == "https":
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            user, _, password = netrc.netrc().hosts.get(url.host, ("", "", ""))
    if not user:
        return ""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
