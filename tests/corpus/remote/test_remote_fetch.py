"""The polite fetcher against a server that cuts, drips, loops, lies, floods and asks for patience."""

import gzip
import time
from email.utils import formatdate

import pytest

from idiolect.corpus.remote.cache import Cache
from idiolect.corpus.remote.urls import parse
from idiolect.errors import DataError

from .conftest import ranged, reply

BODY = bytes(range(256)) * 400


def refused(resolve, url, **settings) -> str:
    with pytest.raises(DataError) as error:
        resolve(url, **settings)
    assert error.value.fix
    return error.value.why


def test_a_file_is_fetched_once_and_never_asked_for_again(site, resolve, config):
    site.pages["/books/emma.txt"] = BODY
    (first,) = resolve(site.url("/books/emma.txt"))
    asked = len(site.requests)
    (again,) = resolve(site.url("/books/emma.txt"))
    assert first == again and first.path.read_bytes() == BODY
    assert first.name == f"{site.host}/books/emma.txt" and first.origin == site.url("/books/emma.txt")
    assert len(site.requests) == asked == 2  # robots.txt and the file
    agent = site.asked("/books/emma.txt")[0]["User-Agent"]
    assert agent.startswith("idiolect/")
    resolve(site.url("/books/emma.txt"), contact="mail@example.org", refresh="always")
    assert "mail@example.org" in site.asked("/books/emma.txt")[-1]["User-Agent"]


def test_refresh_asks_whether_it_changed(site, resolve):
    text = [b"one", '"1"']

    def page(handler, _):
        same = handler.headers.get("If-None-Match") == text[1]
        reply(handler, b"" if same else text[0], 304 if same else 200, ETag=text[1])

    site.pages["/t"] = page
    resolve(site.url("/t"))
    (same,) = resolve(site.url("/t"), refresh="changed")
    assert same.path.read_bytes() == b"one" and site.asked("/t")[1]["If-None-Match"] == '"1"'
    text[:] = b"two", '"2"'
    (new,) = resolve(site.url("/t"), refresh="changed")
    assert new.path.read_bytes() == b"two" and new.sha256 != same.sha256


def test_a_text_that_changed_is_not_taken_unless_asked_for(site, resolve, config):
    site.pages["/t"] = b"one"
    (local,) = resolve(site.url("/t"))
    local.path.unlink()
    site.pages["/t"] = b"two"
    assert "it changed since" in refused(resolve, site.url("/t"))
    site.pages["/t"] = b"one"
    assert resolve(site.url("/t"))[0].path.read_bytes() == b"one"


def test_a_cut_body_is_gone_on_with(site, resolve):
    site.pages["/t"] = ranged(BODY, cut_at=40_000)
    (local,) = resolve(site.url("/t"))
    assert local.path.read_bytes() == BODY
    second = site.asked("/t")[1]
    assert (second["Range"], second["If-Range"]) == ("bytes=40000-", '"one"')


def test_another_command_goes_on_with_what_a_killed_one_left(site, resolve):
    site.pages["/t"] = ranged(BODY, cut_at=40_000)
    refused(resolve, site.url("/t"), retries=0)
    (local,) = resolve(site.url("/t"), retries=0)
    assert local.path.read_bytes() == BODY and site.asked("/t")[1]["Range"] == "bytes=40000-"


def test_without_range_support_it_starts_again(site, resolve):
    site.pages["/t"] = lambda handler, visit: reply(
        handler, BODY if visit > 1 else BODY[:999], length=len(BODY), ETag='"one"'
    )
    assert resolve(site.url("/t"))[0].path.read_bytes() == BODY


def test_without_a_validator_no_range_is_asked_for(site, resolve):
    for headers in ({}, {"ETag": 'W/"weak"'}):
        site.pages["/t"] = lambda handler, visit, headers=headers: reply(
            handler, BODY[:999] if visit % 2 else BODY, length=len(BODY), **headers
        )
        assert resolve(site.url("/t"), refresh="always")[0].path.read_bytes() == BODY
    assert not any("Range" in headers for headers in site.asked("/t"))


@pytest.mark.parametrize("lie", ["honest", "other etag", "other start"])
def test_a_text_that_changes_midway_is_never_two_halves(site, resolve, lie):
    new = b"x" * len(BODY)

    def page(handler, visit):
        if visit == 1:
            reply(handler, BODY[:500], length=len(BODY), ETag='"old"')
        elif visit == 2 and lie != "honest":
            etag, start = ('"new"', 500) if lie == "other etag" else ('"old"', 400)
            reply(handler, new[start:], 206, ETag=etag, Content_Range=f"bytes {start}-{len(new) - 1}/{len(new)}")
        else:
            reply(handler, new, ETag='"new"')

    site.pages["/t"] = page
    assert resolve(site.url("/t"))[0].path.read_bytes() == new


def test_a_range_beyond_the_end_starts_again(site, resolve):
    def page(handler, visit):
        if visit == 1:
            reply(handler, BODY[:500], length=len(BODY), ETag='"one"')
        elif handler.headers.get("Range"):
            reply(handler, b"", 416, Content_Range="bytes */100")
        else:
            reply(handler, BODY[:100], ETag='"two"')

    site.pages["/t"] = page
    assert resolve(site.url("/t"))[0].path.read_bytes() == BODY[:100]


def test_a_body_shorter_than_announced_is_refused_in_the_end(site, resolve, config):
    site.pages["/t"] = lambda handler, _: reply(handler, b"short", length=99)
    assert refused(resolve, site.url("/t")) == f"{site.host}/t: its body was cut off"
    assert len(site.asked("/t")) == 3  # the first and two retries
    assert Cache(config().cache).entry(parse(site.url("/t")).key) is None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_busy_server_is_waited_for(site, resolve, status, form):
    def page(handler, visit):
        if visit == 1:
            after = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
            reply(handler, b"", status, Retry_After=after)
        else:
            reply(handler, b"here")

    site.pages["/t"] = page
    started = time.monotonic()
    assert resolve(site.url("/t"))[0].path.read_bytes() == b"here"
    assert 0.5 < time.monotonic() - started < 20


def test_a_server_that_asks_for_too_much_patience_is_left(site, resolve):
    site.pages["/t"] = lambda handler, _: reply(handler, b"", 503, Retry_After="86400")
    assert "86,400 s" in refused(resolve, site.url("/t"))
    assert len(site.asked("/t")) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_not_asked_again(site, resolve, status):
    site.pages["/t"] = lambda handler, _: reply(handler, b"", status)
    assert str(status) in refused(resolve, site.url("/t")) and len(site.asked("/t")) == 1


def test_a_redirect_loop_ends(site, resolve):
    site.pages["/a"] = lambda handler, _: reply(handler, b"", 301, Location="/b")
    site.pages["/b"] = lambda handler, _: reply(handler, b"", 302, Location="/a")
    assert "in a circle" in refused(resolve, site.url("/a"))
    site.pages["/n"] = lambda handler, _: reply(handler, b"", 302, Location=f"/n?{len(site.requests)}")
    assert "more than 5 times" in refused(resolve, site.url("/n"))


def endless(handler, block: bytes, pause: float, announce: bool = False) -> None:
    handler.send_response(200)
    if announce:
        handler.send_header("Content-Length", str(10**12))
    handler.end_headers()
    for _ in range(100_000):
        handler.wfile.write(block)
        time.sleep(pause)


def test_an_endless_body_ends_at_the_limit(site, resolve):
    site.pages["/t"] = lambda handler, _: endless(handler, b"x" * 10_000, 0)
    assert "longer than max_bytes" in refused(resolve, site.url("/t"), max_bytes=1_000_000)
    site.pages["/u"] = lambda handler, _: endless(handler, b"x", 0, announce=True)
    started = time.monotonic()
    assert "longer than max_bytes" in refused(resolve, site.url("/u"))
    assert time.monotonic() - started < 10


def test_a_dripping_body_ends_by_its_rate_and_by_the_clock(site, resolve):
    site.pages["/t"] = lambda handler, _: endless(handler, b"x", 0.05)
    assert "less than 500 bytes a second" in refused(resolve, site.url("/t"), idle_seconds=0.5)
    started = time.monotonic()
    why = refused(resolve, site.url("/t"), min_bytes_per_second=0.0, max_seconds=1.0)
    assert "longer than 1 s" in why and time.monotonic() - started < 20


def test_dripping_headers_end_by_the_clock(site, resolve):
    def page(handler, _):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(10_000):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    site.pages["/t"] = page
    started = time.monotonic()
    assert "longer than 1 s" in refused(resolve, site.url("/t"), max_seconds=1.0)
    assert time.monotonic() - started < 20


def test_a_silent_server_is_given_up(site, resolve):
    site.pages["/t"] = lambda handler, _: time.sleep(3)
    assert "said nothing for 0.5 s" in refused(resolve, site.url("/t"), retries=0, idle_seconds=0.5)


def test_a_gzip_bomb_is_refused_and_an_honest_encoding_unpacked(site, resolve):
    bomb = gzip.compress(bytes(50 << 20), 9)
    site.pages["/bomb"] = lambda handler, _: reply(handler, bomb, Content_Encoding="gzip")
    assert "a bomb" in refused(resolve, site.url("/bomb"))
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    site.pages["/t"] = lambda handler, _: reply(handler, packed, Content_Encoding="gzip")
    assert resolve(site.url("/t"))[0].path.read_bytes() == b"one two"
    site.pages["/cut"] = lambda handler, _: reply(handler, packed[:-12], Content_Encoding="gzip")
    assert "cut off" in refused(resolve, site.url("/cut"), retries=0)
    site.pages["/br"] = lambda handler, _: reply(handler, packed, Content_Encoding="br")
    assert "encoded as br" in refused(resolve, site.url("/br"))


def test_chunked_bodies_are_read_and_broken_chunks_refused(site, resolve):
    def page(handler, _, last=b"0\r\n\r\n"):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nhello\r\n" + last)

    site.pages["/t"] = page
    assert resolve(site.url("/t"))[0].path.read_bytes() == b"hello"
    for i, last in enumerate((b"", b"zz\r\n", b"9\r\nabc")):
        site.pages[f"/{i}"] = lambda handler, _, last=last: page(handler, _, last)
        assert "cut off" in refused(resolve, site.url(f"/{i}"), retries=0) or i == 1


@pytest.mark.parametrize("garbage", [b"", b"\x00" * 100, b"HTTP/9.9 abc\r\n\r\n", b"A" * 100_000 + b"\r\n\r\n"])
def test_what_is_no_http_is_refused(site, resolve, garbage):
    site.pages["/t"] = lambda handler, _: handler.wfile.write(garbage)
    assert refused(resolve, site.url("/t"), retries=0)


def test_the_type_decides_the_ending(site, resolve):
    for path, kind, ending in [
        ("/article.php", "text/html; charset=utf-8", ".html"),
        ("/paper?id=3", "application/pdf", ".pdf"),
        ("/data.jsonl.gz", "application/octet-stream", ".jsonl.gz"),
        ("/notes.md", "text/plain", ".md"),
        ("/v1.2", "text/csv", ".csv"),
        ("/raw", "text/plain", ".txt"),
        ("/none", "", ".txt"),
        ("/book.epub", "application/octet-stream", ".epub"),
    ]:
        site.pages[path] = lambda handler, _, kind=kind: reply(handler, b"text", Content_Type=kind)
        assert resolve(site.url(path))[0].path.name.endswith(f"{ending}"), path


def test_a_kill_between_the_bytes_and_the_name_leaves_nothing_half(site, resolve, config, monkeypatch):
    site.pages["/t"] = ranged(BODY)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        resolve(site.url("/t"))
    monkeypatch.undo()
    cache = Cache(config().cache)
    assert cache.entry(parse(site.url("/t")).key) is None
    (local,) = resolve(site.url("/t"))
    assert local.path.read_bytes() == BODY
    assert not list(cache.folder.glob("partial/*.part"))


def test_hosts_get_one_request_at_a_time_with_a_pause(site, resolve, tmp_path):
    at = []
    for i in range(4):
        site.pages[f"/{i}"] = lambda handler, _: (at.append(time.monotonic()), reply(handler, b"text"))
    names = tmp_path / "list.txt"
    names.write_text("# four pages\n\n" + "\n".join(site.url(f"/{i}") for i in range(4)))
    found = resolve(f"urls:{names}", seconds_between_requests=0.1)
    assert [local.name for local in found] == [f"{site.host}/{i}" for i in range(4)]
    assert at == sorted(at) and at[-1] - at[0] > 0.2  # three pauses, less what the first request took to arrive


def test_a_list_names_what_it_could_not_have_and_keeps_the_rest(site, resolve, tmp_path):
    site.pages["/good"] = b"good"
    names = tmp_path / "list.txt"
    names.write_text(f"{site.url('/good')}\n{site.url('/missing')}\nhttp://10.0.0.1/private\n")
    good, missing, private = resolve(f"urls:{names}", robots=False)
    assert good.path.read_bytes() == b"good" and not good.problem
    assert "404" in missing.problem and "no public address" in private.problem


def test_an_interrupt_ends_all_downloads_soon(site, resolve, tmp_path, monkeypatch):
    site.pages["/t"] = lambda handler, _: endless(handler, b"x" * 1000, 0.01)
    names = tmp_path / "list.txt"
    names.write_text(site.url("/t"))
    import concurrent.futures

    def interrupted(self, timeout=None):
        time.sleep(0.3)
        raise KeyboardInterrupt

    monkeypatch.setattr(concurrent.futures.Future, "result", interrupted)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        resolve(f"urls:{names}")
    assert time.monotonic() - started < 20
