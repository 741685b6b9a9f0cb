"""TLS, and a kill: what only a real handshake and a real signal can show."""

import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from idiolect.corpus.remote import wire
from idiolect.corpus.remote.cache import Cache
from idiolect.corpus.remote.urls import Unfetchable, parse

from .conftest import ranged, reply


@pytest.fixture
def secure(make_site, tmp_path, monkeypatch):
    """A site with a certificate of its own for 127.0.0.1, and that certificate's file."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    site = make_site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    return site, certificate


def get(url: str, config) -> bytes:
    with wire.Reply(parse(url), {"User-Agent": "idiolect"}, config) as answer:
        return b"".join(answer.blocks())


def test_a_certificate_is_checked(secure, config, monkeypatch):
    site, certificate = secure
    site.pages["/t"] = b"over TLS"
    trusting = config(private_hosts=("127.0.0.1", "localhost"))
    with pytest.raises(Unfetchable, match="no valid certificate"):
        get(f"https://127.0.0.1:{site.port}/t", trusting)
    monkeypatch.setattr(wire, "_tls", lambda: ssl.create_default_context(cafile=str(certificate)))
    assert get(f"https://127.0.0.1:{site.port}/t", trusting) == b"over TLS"
    # The name that was asked for is what must stand in the certificate, wherever the connection went.
    with pytest.raises(Unfetchable, match="no valid certificate"):
        get(f"https://localhost:{site.port}/t", trusting)


def test_a_drip_over_tls_ends_by_the_clock(secure, config, monkeypatch):
    site, certificate = secure

    def page(handler, _):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(1000):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    site.pages["/t"] = page
    monkeypatch.setattr(wire, "_tls", lambda: ssl.create_default_context(cafile=str(certificate)))
    started = time.monotonic()
    with pytest.raises(Unfetchable, match="longer than 1 s"):
        get(f"https://127.0.0.1:{site.port}/t", config(private_hosts=("127.0.0.1",), max_seconds=1.0))
    assert time.monotonic() - started < 20


def test_a_handshake_that_never_ends_does(config):
    listener = socket.create_server(("127.0.0.1", 0))
    held = []
    threading.Thread(target=lambda: held.append(listener.accept()), daemon=True).start()
    port = listener.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(Unfetchable, match="said nothing"):
        get(f"https://127.0.0.1:{port}/t", config(private_hosts=("127.0.0.1",), idle_seconds=0.5))
    assert time.monotonic() - started < 20
    listener.close()


FETCH = """
import sys
from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.resolve import resolve
from idiolect.progress import Progress
url, cache, host = sys.argv[1:]
resolve(url, FetchConfig(cache=cache, private_hosts=(host,)), cache, Progress.silent())
"""


def test_a_killed_fetch_is_gone_on_with_by_the_next_command(site, resolve, config):
    body = bytes(range(256)) * 4000
    whole = ranged(body)

    def page(handler, visit):
        if visit > 1:
            return whole(handler, visit)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        handler.wfile.write(body[:300_000])
        handler.wfile.flush()
        time.sleep(60)

    site.pages["/t"] = page
    site.pages["/robots.txt"] = lambda handler, _: reply(handler, b"", 404)
    cache = config().cache
    command = [sys.executable, "-c", FETCH, site.url("/t"), cache, site.host]
    killed = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    part = Cache(Path(cache)).part(parse(site.url("/t")).key)
    for _ in range(1000):
        if part.n_bytes >= 300_000:
            break
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert part.n_bytes == 300_000 and not list(Path(cache).glob("objects/*"))
    (local,) = resolve(site.url("/t"))
    assert local.path.read_bytes() == body
    assert site.asked("/t")[1]["Range"] == "bytes=300000-"
