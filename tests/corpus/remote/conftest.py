"""A local server that misbehaves on demand, and a way to resolve names against it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idiolect.corpus.remote import resolve as resolving
from idiolect.corpus.remote.config import FetchConfig
from idiolect.progress import Progress


class Site:
    """Pages by path: bytes, or a function of (handler, number of this visit). Every request is remembered."""

    def __init__(self):
        self.pages, self.requests = {}, []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path
                site.requests.append((path, dict(self.headers)))
                page = site.pages.get(path, site.pages.get(path.partition("?")[0]))
                visit = sum(asked == path for asked, _ in site.requests)
                self.close_connection = True
                if page is None:
                    reply(self, b"not here", status=404)
                elif callable(page):
                    page(self, visit)
                else:
                    reply(self, page)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the other side went away: what many of these tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def asked(self, path: str) -> list[dict]:
        """The headers of every request for a path."""
        return [headers for p, headers in self.requests if p == path]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def reply(handler, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
    """A plain reply; `length` is announced instead of the true one."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def ranged(body: bytes, etag: str = '"one"', cut_at: int | None = None):
    """A page that honours Range and If-Range; the first visit is cut after `cut_at` bytes."""

    def page(handler, visit: int) -> None:
        wanted = handler.headers.get("Range")
        if wanted and handler.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            reply(handler, body[start:], 206, ETag=etag, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        elif cut_at is not None and visit == 1:
            reply(handler, body[:cut_at], length=len(body), ETag=etag)
        else:
            reply(handler, body, ETag=etag)

    return page


@pytest.fixture
def make_site():
    sites = []

    def make() -> Site:
        sites.append(Site())
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def config(site, tmp_path):
    """config(...): settings for tests: quick, and with the local server among the private hosts."""

    def make(**settings) -> FetchConfig:
        quick = {
            "cache": str(tmp_path / "cache"), "private_hosts": (site.host,), "seconds_between_requests": 0.0,
            "backoff_seconds": 0.01, "idle_seconds": 5.0, "retries": 2, "max_seconds": 60.0,
        }  # fmt: skip
        return FetchConfig(**{**quick, **settings})

    return make


@pytest.fixture
def resolve(config):
    """resolve(entry, **settings) -> locals, as a new command would."""

    def run(entry: str, **settings):
        resolving.forget()
        made = config(**settings)
        return resolving.resolve(entry, made, made.cache, Progress.silent())

    return run
