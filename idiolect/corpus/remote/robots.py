"""What a site's owner allows: robots.txt by RFC 9309, read once for each site in a run."""

import threading
from collections.abc import Callable

from protego import Protego

from idiolect.corpus.remote import NOT_ALLOWED
from idiolect.corpus.remote.urls import Unfetchable, Url

TOKEN = "idiolect"
# RFC 9309, 2.5: at least 500 KiB must be read; what stands after that is not.
LIMIT = 500 << 10


class Robots:
    """The rules of every site met so far. `read(url)` gives (status, body) of a small file, or raises Unfetchable."""

    def __init__(self, read: Callable[[Url], tuple[int, bytes]]):
        self._read = read
        self._rules: dict[tuple, Protego | Unfetchable] = {}
        self._lock = threading.Lock()

    def check(self, url: Url) -> float:
        """Seconds that the site wants between requests. Raises Unfetchable when it does not want this one."""
        rules = self._of(url)
        if isinstance(rules, Unfetchable):
            raise Unfetchable(
                f"{url.host} can't be asked what it allows: robots.txt {rules.why}",
                fix=f"{rules.fix or 'try again later'}, or --corpus.fetch.robots=false if its owner allowed you to "
                "fetch this",
                again=False,
            )
        if not rules.can_fetch(url.wire, TOKEN):
            raise Unfetchable(
                f"{url.host}/{NOT_ALLOWED}",
                fix="--corpus.fetch.robots=false, if its owner allowed you to fetch this",
            )
        return float(rules.crawl_delay(TOKEN) or 0)

    def _of(self, url: Url) -> Protego | Unfetchable:
        with self._lock:
            known = self._rules.get(url.origin)
        if known is None:
            # One thread a host asks (fetch.py); a redirect that crosses over asks at worst twice.
            known = self._ask(Url(*url.origin, "/robots.txt"))
            with self._lock:
                self._rules[url.origin] = known
        return known

    def _ask(self, url: Url) -> Protego | Unfetchable:
        try:
            status, body = self._read(url)
        except Unfetchable as error:
            return error
        if status >= 500 or status == 429:
            # RFC 9309, 2.3.1.4: unreachable means that everything is disallowed. Too busy to say is no yes, either.
            return Unfetchable(f"answered {status}")
        if status >= 400:
            # RFC 9309, 2.3.1.3: unavailable means that everything is allowed.
            return Protego.parse("")
        return Protego.parse(body.decode("utf-8-sig", "replace"))
