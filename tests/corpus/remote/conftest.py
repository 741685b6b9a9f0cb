"""A local server that misbehaves on demand, and a way to resolve names against it."""

import hashlib
import io
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idiolect.corpus import bring
from idiolect.corpus.remote import body as bodies
from idiolect.corpus.remote import resolve as resolving
from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.sources import parquet
from idiolect.progress import Progress

COMMIT = "a" * 40


class Site:
    """Pages by path: bytes, or a function of (handler, number of this visit). Every request is remembered.

    Those for headers alone (`heads`) are answered only where `answers_heads`.
    """

    def __init__(self):
        self.pages, self.requests, self.heads, self.answers_heads = {}, [], [], False
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                site.heads.append(self.path)
                if site.answers_heads:
                    self.answer()
                else:
                    reply(self, b"", status=405)

            def do_GET(self):
                site.requests.append((self.path, dict(self.headers)))
                self.answer()

            def answer(self):
                path = self.path
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
    if handler.command != "HEAD":
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


class Hub:
    """Repositories as {name: {commit: {path: bytes}}}, each with a card; data files lie on another host, signed."""

    def __init__(self, site, storage):
        self.site, self.storage, self.repositories, self.cards, self.revisions = site, storage, {}, {}, {}
        self.private, self.lie, self.page = set(), b"", lambda body: body
        site.pages = self

    def get(self, path, default=None):
        return default or self.answer

    def add(self, name, files, card=None, commit=COMMIT, revision="main"):
        self.repositories[name, commit] = files
        self.cards[name, commit] = card or {}
        self.revisions[name, revision] = commit

    def answer(self, handler, _):
        path, _, query = handler.path.partition("?")
        parts = unquote(path).split("/")
        if parts[1] == "api":
            name, kind, revision = self._named(parts[3:])
            if name in self.private and handler.headers.get("Authorization") != "Bearer hf_HIDDEN":
                return reply(handler, b"", 401)
            commit = self.revisions.get((name, revision), revision)
            if (name, commit) not in self.repositories:
                return reply(handler, b'{"error": "not found"}', 404)
            if kind == "revision":
                info = {"id": name, "sha": commit, "cardData": self.cards[name, commit]}
                return reply(handler, json.dumps(info).encode())
            return self._tree(handler, self.repositories[name, commit], path, query)
        name, _, rest = self._named(parts[2:])
        commit, _, file = rest.partition("/")
        body = self.repositories[name, commit][file]
        self.storage.pages[f"/{commit}/{file}"] = self.page(self.lie or body)
        location = self.storage.url(f"/{commit}/{file}?X-Amz-Signature=HIDDEN")
        return reply(handler, b"", 302, Location=location)

    def _named(self, parts):
        n = next(i for i, part in enumerate(parts) if part in ("revision", "tree", "resolve"))
        return "/".join(parts[:n]), parts[n], "/".join(parts[n + 1 :])

    def _tree(self, handler, files, path, query, page=2):
        start = int(query.rpartition("cursor=")[2]) if "cursor=" in query else 0
        items = [{"type": "directory", "path": "data", "size": 0}] if not start else []
        for name, body in list(files.items())[start : start + page]:
            items.append({"type": "file", "path": name, "size": len(body), "oid": "0" * 40})
            if name.endswith(".parquet"):
                items[-1]["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body)}
        following = self.site.url(f"{path}?recursive=true&cursor={start + page}")
        link = {"Link": f'<{following}>; rel="next"'} if start + page < len(files) else {}
        reply(handler, json.dumps(items).encode(), **link)


class Counted:
    """Pages that give ranges of their bodies and count what they send; `cut_at` breaks a reply off, once a body."""

    def __init__(self, cut_at: int | None = None, etag: str = '"one"'):
        self.sent, self.replies, self.cut_at, self.etag, self._cut = 0, 0, cut_at, etag, set()

    def __call__(self, body: bytes):
        def page(handler, _visit: int) -> None:
            wanted = handler.headers.get("Range", "")
            start, _, last = wanted.removeprefix("bytes=").partition("-")
            stop = min(int(last) + 1, len(body)) if last else len(body)
            piece = body[int(start or 0) : stop]
            whole, self.replies = len(piece), self.replies + 1
            if wanted and self.cut_at is not None and whole > self.cut_at and handler.path not in self._cut:
                self._cut.add(handler.path)
                piece = piece[: self.cut_at]
            place = {"Content_Range": f"bytes {start}-{stop - 1}/{len(body)}"} if wanted else {}
            self.sent += len(piece) if handler.command != "HEAD" else 0
            reply(handler, piece, 206 if wanted else 200, length=whole, ETag=self.etag, **place)

        return page


def noise(seed: int, n: int) -> str:
    return random.Random(seed).randbytes(n // 2).hex()


def table(seed: int, rows: int = 400, group: int = 50) -> bytes:
    """A Parquet file with a column of text between two much wider ones."""
    columns = {
        "before": [noise(seed + i, 2000) for i in range(rows)],
        "text": [f"Row {i} of table {seed}, like no other." for i in range(rows)],
        "after": [noise(seed - i, 2000) for i in range(rows)],
    }
    out, plain = io.BytesIO(), {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.table(columns), out, row_group_size=group, **plain)
    return out.getvalue()


def hosts(hub, **settings) -> dict:
    return {"private_hosts": (hub.site.host, hub.storage.host), **settings}


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
def hub(site, make_site, monkeypatch):
    storage = make_site()
    monkeypatch.setenv("HF_ENDPOINT", site.url(""))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return Hub(site, storage)


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


@pytest.fixture
def small(monkeypatch):
    """Sizes at which little files are what large ones are outside."""
    monkeypatch.setattr(bodies, "LARGE", 1)
    monkeypatch.setattr(parquet, "GAP", 1 << 10)
    monkeypatch.setattr(parquet, "TAIL", 8 << 10)
    monkeypatch.setattr(bring, "TAIL", 8 << 10)
    resolving.forget()


@pytest.fixture
def tables(hub):
    """A data set of three files on the hub, and who counts what is sent of them."""
    files = {f"data/train-{n}.parquet": table(1000 * n) for n in range(3)}
    hub.add("owner/name", files)
    hub.page = Counted()
    return hub, sum(map(len, files.values()))


def lines(site, page, files: int = 6, rows: int = 60) -> tuple[str, list[bytes]]:
    """A list of files of lines on a site; its name, and their contents."""
    contents = [
        "".join(json.dumps({"text": f"{noise(7 * n + i, 1500)} {n}"}) + "\n" for i in range(rows)).encode()
        for n in range(files)
    ]
    for n, content in enumerate(contents):
        site.pages[f"/{n}.jsonl"] = page(content)
    return contents


@pytest.fixture
def listed(site, tmp_path):
    def make(page):
        contents = lines(site, page)
        names = tmp_path / "list.txt"
        names.write_text("".join(site.url(f"/{n}.jsonl") + "\n" for n in range(len(contents))))
        return f"urls:{names}", contents

    return make
