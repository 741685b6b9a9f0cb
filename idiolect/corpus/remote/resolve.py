"""A name that leads elsewhere becomes local files: what `find` calls, once a name and command."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from idiolect.corpus.remote import catalogue, hub, stores
from idiolect.corpus.remote.archives import member_of
from idiolect.corpus.remote.cache import Cache, Entry
from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.downloads import fetch_all, fetch_stored
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.local import Local, Remote, Want
from idiolect.corpus.remote.ranges import source_of
from idiolect.corpus.remote.urls import Unfetchable, holds_secrets, parse
from idiolect.errors import DataError, RecipeError
from idiolect.progress import Progress

# A command asks for the same name twice (its fingerprint, then its documents): both must mean the same files.
_RESOLVED: dict[tuple, list[Local]] = {}
# So many bytes say whether a file is lines of JSON; where a line is longer, more.
HEADS = (1 << 16, 1 << 24)
LINE = 1 << 24
HELD_OUT_FIRST = {"test": 0, "validation": 1}


def resolve(entry: str, config: FetchConfig, cache: Path, progress: Progress, *, alone: bool = True) -> list[Local]:
    """The files of one name, fetched unless they are in the cache; held-out parts stand first.

    With `fetch.disk_bytes`, what can be identified beforehand is left for later: of web servers only where the reader
    is `alone`. On a cluster many ask at once; the hub and stores expect that, other people's servers do not.

    A file of a list (`urls:`) that can't be had has a `problem`; any other name raises DataError when a file is
    missing, RecipeError when it holds a password or signature, MissingExtra when a library is.
    """
    key = (entry, config, str(Path(cache).resolve()), alone)
    if key not in _RESOLVED:
        try:
            _RESOLVED[key] = _resolve(entry, config, Cache(cache), progress, alone)
        except Unfetchable as error:
            raise DataError(
                f"{shown(entry)} can't be fetched",
                why=error.why,
                fix=error.fix or "another name, or a file of your own",
            ) from None
    return _RESOLVED[key]


def forget() -> None:
    """Resolve every name anew, as another command would."""
    _RESOLVED.clear()


def shown(entry: str) -> str:
    """A name as it may be written down, even one that can't be read."""
    return re.sub(r"\?.*", "", re.sub(r"//[^/]*@", "//", entry))[:200]


def _resolve(entry: str, config: FetchConfig, cache: Cache, progress: Progress, alone: bool) -> list[Local]:
    scheme = re.split(r"://|:", entry, maxsplit=1)[0]
    if scheme == "file":
        return stores.on_disk(entry)
    fetcher = Fetcher(config, cache)
    if scheme in stores.SYSTEMS:
        remotes = stores.listed(entry, fetcher)
        got = fetch_stored(remotes, fetcher, progress)
        names = [remote.address.partition("://")[2] for remote in remotes]
        return [_there(file, name, f"{scheme}://{name}", fetcher) for file, name in zip(got, names, strict=True)]
    wants = _wants(scheme, entry, fetcher)
    wants = wants[: config.max_files or None]
    found = fetch_all(wants, fetcher, progress, alone)
    lenient = scheme == "urls"
    return _order([_local(want, got, fetcher, lenient) for want, got in zip(wants, found, strict=True)])


def _wants(scheme: str, entry: str, fetcher: Fetcher) -> list[Want]:
    if scheme in ("http", "https"):
        return [_page(entry)]
    if scheme == "urls":
        return _list(entry)
    if scheme == "hf":
        return hub.wants(entry, fetcher)
    return _catalogued(entry, fetcher)


def _page(entry: str) -> Want:
    url = parse(entry)
    if holds_secrets(url):
        raise RecipeError(
            f"{shown(entry)} holds a password, a token or a signature",
            why="a recipe is kept with every run and shown to others",
            fix="put the address into a file, one a line, and name that: --corpus.text=urls:FILE (or use ~/.netrc)",
        )
    return Want(url, url.name, str(url))


def _list(entry: str) -> list[Want]:
    path = Path(entry.removeprefix("urls:")).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise Unfetchable(
            f"{path} can't be read: {why}", fix="urls:FILE, a text file with one address a line"
        ) from None
    wants = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                url = parse(line.strip())
            except Unfetchable as error:
                raise Unfetchable(f"line {number}: {error.why}", fix=error.fix or "mend that line") from None
            wants.append(Want(url, url.name, str(url)))
    return wants


def _catalogued(entry: str, fetcher: Fetcher) -> list[Want]:
    corpus, parameters = catalogue.find(entry)
    wants: list[Want] = []
    for parameter in parameters:
        if corpus.hub:
            found = hub.wants(corpus.hub.replace("{}", parameter), fetcher)
            wants += [replace(want, name=f"{corpus.name}/{want.name.partition('/')[2]}") for want in found]
        for file in corpus.files:
            file = {key: value.replace("{}", parameter) for key, value in file.items()}
            listed = _listed(file, corpus.name, fetcher) if "list" in file else [file["url"]]
            for address in listed:
                url = parse(address)
                wants.append(
                    Want(url, f"{corpus.name}/{file.get('member') or url.path.rpartition('/')[2]}", str(url),
                         sha256=file.get("sha256", ""), split=file.get("split", ""), member=file.get("member", ""))
                )  # fmt: skip
    settings, licence = corpus.settings, corpus.licence
    return [replace(want, licence=licence, settings=settings) for want in wants]


def _listed(file: dict[str, str], name: str, fetcher: Fetcher) -> Iterable[str]:
    """The first addresses of a published list of them."""
    if not fetcher.config.max_files:
        raise Unfetchable(
            "it has tens of thousands of files, far more than a disk holds",
            fix="--corpus.fetch.max_files=1 fetches the first one; raise it as you need",
        )
    entry = fetcher.download(parse(file["list"]))
    try:
        with gzip.open(fetcher.cache.path(entry), "rt", encoding="utf-8") as lines:
            return [file["prefix"] + line.strip() for line in islice(lines, fetcher.config.max_files) if line.strip()]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Unfetchable(f"the list of {name}'s files is broken: {error}", fix="try again later") from None


def _local(want: Want, got: Entry | Remote | Unfetchable, fetcher: Fetcher, lenient: bool) -> Local:
    known: dict[str, Any] = {"licence": want.licence, "split": want.split, "settings": want.settings}
    try:
        if isinstance(got, Unfetchable):
            raise got
        if want.member:
            got = member_of(got, want.member, fetcher.config, fetcher.cache)
        return _there(got, want.name, want.origin, fetcher, **known)
    except Unfetchable as error:
        if lenient:
            return Local(Path(), want.name, want.origin, problem=f"can't be fetched: {error.why}", **known)
        raise Unfetchable(f"{want.name}: {error.why}" if want.origin else error.why, fix=error.fix) from None


def _there(got: Entry | Remote, name: str, origin: str, fetcher: Fetcher, **known: Any) -> Local:
    """A file in the cache, or one that is left for later."""
    if isinstance(got, Remote):
        kind = _format(got.ending, lambda n: _head(got, n, fetcher))
        return Local(fetcher.cache.later(got), name, origin, format=kind, remote=got, **known)
    path = fetcher.cache.path(got)
    kind = _format(path.name, lambda n: _first_bytes(path, n))
    return Local(path, name, origin, sha256=got.sha256, format=kind, **known)


def _format(name: str, head: Callable[[int], bytes]) -> str:
    """`jsonl` for a .json file that is lines of JSON, as data sets often are; empty when the ending tells."""
    if name.rpartition(".json")[2] not in ("", ".gz") or ".json" not in name:
        return ""
    try:
        for n in HEADS:
            bytes_here = head(n)
            packed = name.endswith(".gz")
            text = zlib.decompressobj(31).decompress(bytes_here, LINE) if packed else bytes_here
            if b"\n" in text or len(bytes_here) < n:
                break
        return "jsonl" if isinstance(json.loads(text.partition(b"\n")[0]), dict) else ""
    except (OSError, zlib.error, ValueError, RecursionError):
        return ""


def _first_bytes(path: Path, n: int) -> bytes:
    with open(path, "rb") as file:
        return file.read(n)


def _head(remote: Remote, n: int, fetcher: Fetcher) -> bytes:
    if not remote.n_bytes:
        return b""  # no range of HTTP is empty
    source = source_of(remote, fetcher)
    return fetcher.patiently(lambda: b"".join(source.blocks(0, min(n, remote.n_bytes))))


def _order(files: list[Local]) -> list[Local]:
    """Held-out parts first, as everywhere; train stays undecided where nothing was held out to validate on."""
    if not any(file.split == "validation" for file in files):
        files = [replace(file, split="" if file.split == "train" else file.split) for file in files]
    return sorted(files, key=lambda file: HELD_OUT_FIRST.get(file.split, 2))
