"""No private address is connected to, however it is written, looked up or redirected to."""

import socket

import pytest

from idiolect.corpus.remote.guard import dial, refusal
from idiolect.corpus.remote.urls import Unfetchable, parse
from idiolect.errors import DataError

from .conftest import reply

PRIVATE = """127.0.0.1 127.8.9.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1
::1 :: fe80::1 fe80::1%lo fc00::1 fd12:3456::1 fec0::1 ff02::1 2001:db8::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8
64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 2002:7f00:1::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 ::127.0.0.1""".split()
PUBLIC = "8.8.8.8 1.1.1.1 172.15.0.1 172.32.0.1 192.169.0.1 100.128.0.1 2606:4700:4700::1111 2a00:1450:4001::8a".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address):
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not(address):
    assert refusal(address) == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]"])
def test_every_spelling_of_the_own_machine_is_refused(site, host):
    with pytest.raises(Unfetchable, match="no public address|no host called"):
        dial(parse(f"http://{host}:{site.port}/"), (), 1)
    assert not site.requests


def test_only_the_host_and_port_that_were_named_are_let_through(site):
    url = parse(site.url("/"))
    dial(url, (site.host,), 1).close()
    dial(url, ("127.0.0.1",), 1).close()
    with pytest.raises(Unfetchable, match="private_hosts|no public address"):
        dial(url, (f"127.0.0.1:{site.port + 1}", "localhost"), 1)


def test_the_address_that_was_judged_is_the_one_connected_to(site, monkeypatch):
    answers = iter([[("93.184.216.34", 80)], [("127.0.0.1", site.port)]])
    looked_up, connected = [], []

    def rebinding(host, port, **_):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in next(answers)]

    class Recorder:
        def __init__(self, *_): ...
        def settimeout(self, *_): ...
        def connect(self, place):
            connected.append(place)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "socket", Recorder)
    dial(parse("http://rebinding.example/"), (), 1)
    assert (looked_up, connected) == (["rebinding.example"], [("93.184.216.34", 80)])
    with pytest.raises(Unfetchable, match=r"127\.0\.0\.1 \(loopback\)"):
        dial(parse("http://rebinding.example/"), (), 1)
    assert len(connected) == 1


def test_a_host_with_a_public_and_a_private_address_is_reached_by_the_public_one(monkeypatch):
    connected = []

    class Recorder:
        def __init__(self, *_): ...
        def settimeout(self, *_): ...
        def connect(self, place):
            connected.append(place[0])

    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in ("10.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    monkeypatch.setattr(socket, "socket", Recorder)
    dial(parse("http://both.example/"), (), 1)
    assert connected == ["8.8.8.8"]


def test_a_redirect_to_a_private_address_is_refused(site, make_site, resolve):
    inner = make_site()
    inner.pages["/secret"] = b"inner text"
    for target in (inner.url("/secret"), f"http://localhost:{inner.port}/secret", "http://169.254.169.254/latest/"):
        site.pages["/out"] = lambda handler, _, target=target: reply(handler, b"", 302, Location=target)
        with pytest.raises(DataError, match="can't be fetched") as error:
            resolve(site.url("/out"))
        assert "no public address" in error.value.why
    assert not inner.requests


def test_a_redirect_leads_on_when_its_target_was_named(site, make_site, resolve):
    inner = make_site()
    inner.pages["/text"] = b"inner text"
    site.pages["/out"] = lambda handler, _: reply(handler, b"", 302, Location=inner.url("/text"))
    (local,) = resolve(site.url("/out"), private_hosts=(site.host, inner.host))
    assert local.path.read_bytes() == b"inner text"


@pytest.mark.parametrize(
    "address",
    [
        "http://good.example\\@127.0.0.1/", "http://good.example /", "http://a\nb/", "ftp://good.example/", "http:///x",
        "http://[::1", "http://good.example:99999/", "file:///etc/passwd", "gopher://x/", "http://[fe80::1%25lo]/",
    ],
)  # fmt: skip
def test_an_odd_address_is_refused_before_anything_is_asked(address):
    with pytest.raises(Unfetchable):
        parse(address)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/", "javascript:1", "http://u:p@127.0.0.1/", "//"])
def test_a_redirect_leads_only_to_the_web(site, resolve, location):
    site.pages["/out"] = lambda handler, _: reply(handler, b"", 302, Location=location)
    with pytest.raises(DataError, match="can't be fetched"):
        resolve(site.url("/out"))


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(Unfetchable, match="anybody on the way"):
        parse("https://a.example/x").joined("http://a.example/x")
    assert str(parse("https://a.example/x").joined("/y")) == "https://a.example/y"
