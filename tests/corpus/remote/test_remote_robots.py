"""robots.txt by RFC 9309: what it allows, what its absence means, and what it means that it can't be had."""

import time

import pytest

from idiolect.errors import DataError

from .conftest import reply


def allowed(resolve, site, path, **settings) -> bool:
    try:
        resolve(site.url(path), refresh="always", **settings)
        return True
    except DataError as error:
        assert "robots.txt" in error.why and "--corpus.fetch.robots=false" in error.fix
        return False


@pytest.mark.parametrize(
    ("rules", "open_paths", "closed_paths"),
    [
        ("User-agent: *\nDisallow: /private/", ["/public"], ["/private/x"]),
        ("User-agent: *\nDisallow: /", [], ["/public"]),
        ("User-agent: *\nDisallow:", ["/public", "/private/x"], []),
        ("User-agent: idiolect\nDisallow: /private\n\nUser-agent: *\nDisallow: /", ["/public"], ["/private/x"]),
        # 2.2.2: the longest match wins, whatever stands first; at equal length, Allow does.
        ("User-agent: *\nDisallow: /p\nAllow: /public", ["/public"], ["/private/x"]),
        ("User-agent: *\nAllow: /p\nDisallow: /private", ["/public"], ["/private/x"]),
        # 2.2.3: * and $.
        ("User-agent: *\nDisallow: /*.php$", ["/a.php5"], ["/a.php", "/b/c.php"]),
        ("User-agent: GPTBot\nDisallow: /", ["/public"], []),
        ("\ufeffUser-Agent: IDIOLECT\nDISALLOW: /private # theirs", ["/public"], ["/private/x"]),
        ("<html>not the rules</html>", ["/public"], []),
    ],
)
def test_the_rules_are_obeyed(site, resolve, rules, open_paths, closed_paths):
    site.pages["/robots.txt"] = rules.encode()
    for path in (*open_paths, *closed_paths):
        site.pages[path] = b"text"
        assert allowed(resolve, site, path) == (path in open_paths), path
    assert not any(site.asked(path) for path in closed_paths)


@pytest.mark.parametrize(
    ("status", "may"), [(404, True), (403, True), (401, True), (410, True), (500, False), (503, False), (429, False)]
)
def test_unavailable_means_yes_and_unreachable_no(site, resolve, status, may):
    site.pages["/t"] = b"text"
    site.pages["/robots.txt"] = lambda handler, _: reply(handler, b"User-agent: *\nDisallow: /", status)
    assert allowed(resolve, site, "/t", retries=0) == may


def test_rules_that_never_come_mean_no(site, resolve):
    site.pages["/t"] = b"text"
    site.pages["/robots.txt"] = lambda handler, _: time.sleep(2)
    assert not allowed(resolve, site, "/t", retries=0, idle_seconds=0.5)


def test_rules_are_followed_to_where_they_moved_and_read_only_so_far(site, resolve):
    site.pages["/t"] = b"text"
    site.pages["/robots.txt"] = lambda handler, _: reply(handler, b"", 301, Location="/rules")
    site.pages["/rules"] = b"User-agent: *\nDisallow: /t\n" + b"# padding\n" * 200_000
    assert not allowed(resolve, site, "/t")


def test_where_a_redirect_leads_is_asked_what_it_allows(site, make_site, resolve):
    other = make_site()
    other.pages["/robots.txt"] = b"User-agent: *\nDisallow: /t"
    other.pages["/t"] = b"text"
    site.pages["/t"] = lambda handler, _: reply(handler, b"", 302, Location=other.url("/t"))
    assert not allowed(resolve, site, "/t", private_hosts=(site.host, other.host))
    assert not other.asked("/t")


def test_a_private_host_is_told_how_it_may_be_asked(site, resolve):
    with pytest.raises(DataError, match="can't be fetched") as failure:
        resolve(site.url("/t"), private_hosts=())
    assert "no public address" in failure.value.why and "--corpus.fetch.private_hosts=" in failure.value.fix


def test_they_can_be_switched_off(site, resolve):
    site.pages["/robots.txt"], site.pages["/t"] = b"User-agent: *\nDisallow: /", b"text"
    assert allowed(resolve, site, "/t", robots=False) and not site.asked("/robots.txt")


def test_a_crawl_delay_is_kept_and_one_beyond_patience_refused(site, resolve, tmp_path):
    site.pages["/robots.txt"] = b"User-agent: *\nCrawl-delay: 0.3"
    at = []
    for path in ("/a", "/b"):
        site.pages[path] = lambda handler, _: (at.append(time.monotonic()), reply(handler, b"text"))
    names = tmp_path / "list.txt"
    names.write_text(f"{site.url('/a')}\n{site.url('/b')}")
    resolve(f"urls:{names}")
    assert at[1] - at[0] > 0.15
    site.pages["/robots.txt"] = b"User-agent: *\nCrawl-delay: 3600"
    _, second = resolve(f"urls:{names}", refresh="always")
    assert "3600 s between requests" in second.problem
