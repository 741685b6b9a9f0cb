"""Web addresses: taken apart once, by one parser, and written down only without their secrets.

What one parser takes for the host, another takes for a password (CVE-2026-24779 was bypassed with a backslash), so
everything downstream uses the parts found here, and an address with anything odd in it is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

PORTS = {"http": 80, "https": 443}
ODD = re.compile(r"[\x00-\x20\x7f\\]")
# Presigned addresses of S3, Google and Azure, CloudFront, and the usual names of tokens.
SECRETS = re.compile(
    r"x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|key-pair-id|signature|sig|s[vrpte]|skoid|sktid|policy|expires"
    r"|(access|api|auth|id|refresh|session)?[-_]?(token|key)|auth|authorization|password|passwd|pwd|secret",
    re.IGNORECASE,
)
# Short values of these are page numbers or names as often as secrets; a signed address has a signature besides.
ONLY_WHEN_SIGNED = re.compile(r"s[vrpte]|expires|policy|key", re.IGNORECASE)
SIGNED = re.compile(r"[?&](sig|signature|x-amz-signature|x-goog-signature)=", re.IGNORECASE)


class Unfetchable(Exception):
    """A file that could not be had: why, what to do, and whether trying again (after `wait` seconds) may help."""

    def __init__(self, why: str, *, fix: str = "", again: bool = False, wait: float | None = None):
        self.why, self.fix, self.again, self.wait = why, fix, again, wait
        super().__init__(why)


def changed() -> Unfetchable:
    """What is said of a file that is no longer the one that was found."""
    return Unfetchable(
        "it changed since it was found",
        fix="run the same command again with --corpus.fetch.refresh=changed; it begins anew with what is there now",
    )


def stopped() -> Unfetchable:
    """What is said of a file that was on its way when somebody wanted us to stop."""
    return Unfetchable("it was stopped", fix="run the same command again; it goes on where it stopped")


def too_late(seconds: float) -> Unfetchable:
    """What is said of an attempt that was given up after so long."""
    return Unfetchable(
        f"it took longer than {seconds:g} s (max_seconds)",
        fix="--corpus.fetch.max_seconds=86400; what has arrived is kept where the server allows it",
    )


@dataclass(frozen=True)
class Url:
    """A web address in parts; `str` of it, and its repr, leave out whatever is secret."""

    scheme: str
    host: str
    port: int
    target: str
    credentials: tuple[str, str] | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def wire(self) -> str:
        """The address with its query whole but no password: what is asked for, and never written down."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def name(self) -> str:
        """What files fetched from here are called: host, path and what is not secret of the query."""
        path, _, query = _without_secrets(self.target).partition("?")
        return f"{self.netloc}{unquote(path)}".rstrip("/") + (f"?{query}" if query else "")

    @property
    def key(self) -> str:
        """Names this address in the cache; signed anew, it is still the same file."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{_without_secrets(self.target)}"

    __repr__ = __str__

    def joined(self, location: str) -> "Url":
        """Where a redirect leads; credentials are for this origin alone. Raises Unfetchable."""
        target = parse(urljoin(self.wire, location))
        if target.credentials:
            raise Unfetchable("it redirects to an address with a password in it")
        if (self.scheme, target.scheme) == ("https", "http"):
            raise Unfetchable(
                f"it redirects from https to {target}, where anybody on the way could change the text",
                fix=f"name {target} itself if you trust the way there",
            )
        return target


def parse(text: str) -> Url:
    """The parts of an http or https address. Raises Unfetchable when it is neither, or odd."""
    if ODD.search(text):
        raise Unfetchable("its address holds spaces, control characters or backslashes", fix="write them as %20, %5C")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode()
    except (ValueError, UnicodeError):
        raise Unfetchable("its address can't be read", fix="https://host/path") from None
    if parts.scheme not in PORTS or not host or "%" in host:
        raise Unfetchable(f"a {parts.scheme or 'missing'} address is not fetched", fix="https://host/path")
    path = quote(parts.path or "/", safe="%/:=&~+!$,;'@()*[]")
    query = "?" + quote(parts.query, safe="%/:=&?~+!$,;'@()*[]") if parts.query else ""
    credentials = (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
    return Url(parts.scheme, host, PORTS[parts.scheme] if port is None else port, path + query, credentials)


def holds_secrets(url: Url) -> bool:
    """Whether this address can't be written down as it is: in a recipe, in an audit, in a name."""
    return url.credentials is not None or _without_secrets(url.target) != url.target


def _without_secrets(target: str) -> str:
    path, _, query = target.partition("?")
    if not query:
        return target
    signed = bool(SIGNED.search(target))
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(k, v) for k, v in pairs if not _is_secret(k, v, signed)]
    if len(kept) == len(pairs):
        return target
    return f"{path}?{urlencode(kept)}" if kept else path


def _is_secret(name: str, value: str, signed: bool) -> bool:
    if not SECRETS.fullmatch(name):
        return False
    return signed or not ONLY_WHEN_SIGNED.fullmatch(name) or len(value) >= 20
