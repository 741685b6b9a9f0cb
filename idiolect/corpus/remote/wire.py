"""One HTTP request and its reply, over a connection that `guard.dial` made, with an end in sight whatever comes.

The standard library's client, because it lets us hand it the connected socket (docs/decisions/0011-fetching.md).
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from functools import cache

from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.guard import dial
from idiolect.corpus.remote.urls import Unfetchable, Url, too_late

BLOCK = 1 << 16


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Connection(http.client.HTTPConnection):
    """A connection whose socket is the guarded one."""

    def __init__(self, url: Url, config: FetchConfig):
        super().__init__(url.host, url.port)
        self._url, self._config = url, config
        # http.client forgets a socket once a reply is going to end with it; whoever ends it early must not.
        self.guarded: socket.socket | None = None

    def connect(self) -> None:
        self.sock = self.guarded = dial(self._url, self._config.private_hosts, self._config.idle_seconds)
        if self._url.scheme == "https":
            # The handshake comes after the socket is ours, so that the clock can end it, too.
            self.sock = self.guarded = _tls().wrap_socket(
                self.sock, server_hostname=self._url.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()


class Reply:
    """A status, headers and a body that streams. Use it as a context: leaving closes the connection."""

    def __init__(self, url: Url, headers: dict[str, str], config: FetchConfig, method: str = "GET"):
        self.url, self._config, self._late = url, config, False
        self._connection = _Connection(url, config)
        # A timeout of the socket starts anew with each byte, even within a header; this clock does not.
        self._clock = threading.Timer(config.max_seconds, self._end)
        self._clock.daemon = True
        self._clock.start()
        try:
            with self._explained():
                self._connection.request(method, url.target, headers={"Host": url.netloc, **headers})
                self._response = self._connection.getresponse()
        except BaseException:
            self.close()
            raise
        self.status, self.reason = self._response.status, self._response.reason
        self.headers = self._response.headers

    def blocks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Unfetchable when it ends before its announced length, or stalls."""
        with self._explained():
            while block := self._response.read1(BLOCK):
                yield block
            if self._response.length or self._late:
                raise http.client.IncompleteRead(b"", self._response.length)

    def kill(self) -> None:
        """End it from another thread: whoever waits for this server wakes up with an error."""
        if self._connection.guarded is not None:
            with contextlib.suppress(OSError):
                # The plain socket's own: TLS's would let the reading thread go on as if there were none.
                socket.socket.shutdown(self._connection.guarded, socket.SHUT_RDWR)

    def close(self) -> None:
        self._clock.cancel()
        self._connection.close()
        if hasattr(self, "_response"):
            self._response.close()

    def __enter__(self) -> "Reply":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _end(self) -> None:
        self._late = True
        self.kill()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise Unfetchable(
                f"{self.url.host} has no valid certificate: {error.verify_message}", fix="tell the site's owner"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._of(error) from None

    def _of(self, error: Exception) -> Unfetchable:
        if self._late:
            return too_late(self._config.max_seconds)
        if isinstance(error, TimeoutError):
            why = f"{self.url.host} said nothing for {self._config.idle_seconds:g} s (idle_seconds)"
        elif isinstance(error, http.client.IncompleteRead):
            why = "its body was cut off"
        else:
            why = f"the connection to {self.url.host} failed: {getattr(error, 'strerror', None) or error}"
        return Unfetchable(why, fix="run the same command again; it goes on where it stopped", again=True)
