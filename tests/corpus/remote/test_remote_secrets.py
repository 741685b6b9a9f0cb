"""Passwords, tokens and signatures: sent to the one host they are for, and written nowhere."""

import base64
from pathlib import Path

import pytest

from idiolect.corpus.remote import resolve as resolving
from idiolect.corpus.remote.urls import holds_secrets, parse
from idiolect.errors import DataError, RecipeError

from .conftest import reply

SIGNED = [
    "https://b.s3.amazonaws.com/k.txt?X-Amz-Algorithm=A&X-Amz-Credential=HIDDEN&X-Amz-Signature=HIDDEN&X-Amz-Expires=9",
    "https://b.s3.amazonaws.com/k.txt?AWSAccessKeyId=HIDDEN&Signature=HIDDEN&Expires=1700000000",
    "https://storage.googleapis.com/b/k?X-Goog-Signature=HIDDEN&X-Goog-Credential=HIDDEN",
    "https://a.blob.core.windows.net/c/k?sv=2020-01-01&sp=r&se=2030&sig=HIDDEN",
    "https://d.cloudfront.net/k?Policy=HIDDEN&Signature=HIDDEN&Key-Pair-Id=HIDDEN",
    "https://user:HIDDEN@example.org/k", "https://HIDDEN@example.org/k", "https://example.org/k?access_token=HIDDEN",
    "https://example.org/k?api_key=HIDDEN&page=2", "https://example.org/k?key=HIDDEN-HIDDEN-HIDDEN-HIDDEN",
]  # fmt: skip
PLAIN = ["https://example.org/k?page=2&key=name&sp=1", "https://example.org/a@b/k?q=token", "https://example.org/"]


@pytest.mark.parametrize("address", SIGNED)
def test_what_is_secret_is_in_no_form_of_an_address_that_is_written_down(address):
    url = parse(address)
    assert holds_secrets(url)
    assert "HIDDEN" not in f"{url} {url!r} {url.name} {[url]}"


@pytest.mark.parametrize("address", PLAIN)
def test_what_is_not_secret_stays(address):
    assert not holds_secrets(parse(address)) and str(parse(address)) == address


def test_an_address_signed_anew_is_the_same_file_and_another_page_is_not():
    one, two = (parse(f"https://b.s3.amazonaws.com/k?X-Amz-Signature={s}&X-Amz-Date={s}") for s in "ab")
    assert one.key == two.key != parse("https://b.s3.amazonaws.com/j?X-Amz-Signature=a").key
    assert parse("https://example.org/k?page=1").key != parse("https://example.org/k?page=2").key


@pytest.mark.parametrize("address", SIGNED)
def test_a_recipe_is_no_place_for_secrets(resolve, address):
    with pytest.raises(RecipeError, match="holds a password, a token or a signature") as error:
        resolve(address)
    assert "HIDDEN" not in str(error.value) and "urls:" in error.value.fix


def files_below(folder: Path) -> str:
    return "\n".join(f"{p} {p.read_bytes()!r}" for p in folder.rglob("*") if p.is_file())


def test_a_password_of_a_list_is_sent_to_its_host_alone_and_written_nowhere(site, make_site, resolve, config, tmp_path):
    other = make_site()
    other.pages["/t"] = b"text"
    site.pages["/in"] = lambda handler, _: reply(handler, b"", 302, Location="/t")
    site.pages["/t"] = b"text"
    site.pages["/out"] = lambda handler, _: reply(handler, b"", 302, Location=other.url("/t"))
    site.pages["/no"] = lambda handler, _: reply(handler, b"", 403)
    address = site.url("").replace("//", "//user:HIDDEN%21@")
    names = tmp_path / "list.txt"
    names.write_text("\n".join(f"{address}{path}" for path in ("/in", "/out", "/no?token=HIDDEN")))
    found = resolve(f"urls:{names}", private_hosts=(site.host, other.host), robots=False)
    expected = "Basic " + base64.b64encode(b"user:HIDDEN!").decode()
    assert site.asked("/in")[0]["Authorization"] == site.asked("/t")[0]["Authorization"] == expected
    assert "Authorization" not in other.asked("/t")[0]
    assert [bool(local.problem) for local in found] == [False, False, True]
    written = f"{found} {files_below(Path(config().cache))}"
    assert "HIDDEN" not in written and "user:" not in written and base64.b64encode(b"user:").decode()[:6] not in written


def test_credentials_in_netrc_go_over_tls_only(site, resolve, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password HIDDEN\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    site.pages["/t"] = b"text"
    resolve(site.url("/t"))
    assert "Authorization" not in site.asked("/t")[0]
    from idiolect.corpus.remote.fetch import _credentials

    assert _credentials(parse("https://127.0.0.1/t")).startswith("Basic ")


def test_an_error_about_an_address_shows_no_secret(resolve, tmp_path):
    for bad in ("https://user:HIDDEN@exa mple/?token=HIDDEN", "http://u:HIDDEN@[::1/"):
        with pytest.raises(DataError) as error:
            resolve(bad)
        assert "HIDDEN" not in str(error.value)
        names = tmp_path / "list.txt"
        names.write_text(bad)
        with pytest.raises(DataError) as error:
            resolve(f"urls:{names}")
        assert "HIDDEN" not in str(error.value) and "line 1" in str(error.value)
    assert "HIDDEN" not in resolving.shown("s3://u:HIDDEN@x/y?sig=HIDDEN")
