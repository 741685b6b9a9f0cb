"""Data sets of the Hugging Face hub over its HTTP API: `hf:owner/name@revision:config/split`.

A name is pinned first: the revision's commit hash, its licence and the list of its files come from the API, and every
file is then fetched at that commit, checked against the SHA-256 that the hub keeps of large ones. Nothing of a data
set is ever run: one that is only a script is read from the Parquet files that the hub converted it to.
API: https://huggingface.co/docs/hub/api; layout rules: https://huggingface.co/docs/hub/datasets-data-files-configuration.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.local import Want
from idiolect.corpus.remote.urls import Unfetchable, parse

NAME = re.compile(
    r"hf:(?P<name>\w[\w.-]*(/\w[\w.-]*)?)(@(?P<revision>[^:\s]+))?(:(?P<config>[^/\s]+))?(/(?P<split>[\w.+-]+))?"
)
DATA = re.compile(r"\.(parquet|arrow|jsonl|ndjson|json|csv|tsv|txt)(\.(gz|zst|bz2|xz))?$", re.IGNORECASE)
SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
IN_PATH = re.compile(rf"(?<![a-z])({'|'.join(SPLITS)})(?![a-z])")
CONVERTED = "refs/convert/parquet"
LIMIT = 64 << 20


@dataclass(frozen=True)
class Asked:
    """A name of the hub in parts; what was left out is empty."""

    name: str
    revision: str
    config: str
    split: str


@dataclass(frozen=True)
class Found:
    """What it means: a commit, a licence, and files as {path, split, bytes, sha256, version}."""

    commit: str
    licence: str
    files: list[dict[str, Any]]


def read_name(entry: str) -> Asked:
    """`hf:owner/name@revision:config/split` in parts. Raises Unfetchable."""
    match = NAME.fullmatch(entry)
    # `hf:squad/train` can't be told from an owner and a name: a split needs the colon before it.
    if match is None or (match["split"] and not match["config"]):
        raise Unfetchable("it is no name of a data set", fix="hf:owner/name, or hf:owner/name@revision:config/split")
    return Asked(*(match[part] or "" for part in ("name", "revision", "config", "split")))


def wants(entry: str, fetcher: Fetcher) -> list[Want]:
    """The files that a name means, at the commit that it meant when it was first asked for. Raises Unfetchable."""
    asked = read_name(entry)
    key = parse(f"{_endpoint()}/datasets/{asked.name}?{quote(entry)}").key
    listing = fetcher.cache.listing(key) if fetcher.config.refresh == "never" else None
    if listing is None:
        try:
            found = look_up(asked, fetcher)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            # A card is written by anybody, and anybody may answer in the hub's place.
            raise _senseless(asked) from None
        with fetcher.cache.lock(key):
            fetcher.cache.list(key, vars(found))
    else:
        found = Found(**listing)
    base = f"{_endpoint()}/datasets/{asked.name}/resolve/{found.commit}"
    return [
        Want(
            parse(f"{base}/{quote(file['path'])}"),
            name=f"{asked.name.rpartition('/')[2]}/{file['path']}",
            origin=f"hf:{asked.name}@{found.commit}:{file['path']}",
            licence=found.licence,
            split=file["split"],
            sha256=file["sha256"],
            n_bytes=file["bytes"],
            version=file.get("version", ""),  # an older listing has none
            authorization=token(),
            robots=False,
        )  # fmt: skip
        for file in found.files
    ]


def look_up(asked: Asked, fetcher: Fetcher) -> Found:
    """Ask the hub what a name means now. Raises Unfetchable naming the configurations or splits there are."""
    info = _ask(
        fetcher, f"{asked.name}/revision/{quote(asked.revision or 'main', safe='')}?expand=sha&expand=cardData", asked
    )
    card = info.get("cardData") or {}
    files = _tree(fetcher, asked, info["sha"])
    scripted = f"{asked.name.rpartition('/')[2]}.py" in files
    commit, chosen = info["sha"], None
    if not scripted or card.get("configs") or any(asked.config in path.split("/")[:-1] for path in files):
        chosen = _by_card(card, asked, files) or _by_layout(asked, files)
    if not chosen:
        converted = _ask(fetcher, f"{asked.name}/revision/{quote(CONVERTED, safe='')}?expand=sha", asked)
        commit = converted["sha"]
        files = _tree(fetcher, asked, commit)
        chosen = _by_conversion(asked, files)
    return Found(commit, _licence(card), _of_splits(asked, chosen, files))


def _ask(fetcher: Fetcher, path: str, asked: Asked) -> Any:
    return _page(fetcher, f"{_endpoint()}/api/datasets/{path}", asked)[0]


def _page(fetcher: Fetcher, address: str, asked: Asked) -> tuple[Any, str]:
    """One JSON answer of the API, and the address of the next page."""
    status, body, headers = fetcher.read(parse(address), limit=LIMIT, authorization=token())
    if status in (401, 403, 404):
        raise Unfetchable(
            f"the hub answered {status}: there is no data set {asked.name}"
            + (f" with a revision {asked.revision}" if asked.revision else "") + ", or it needs your permission",
            fix="check the name; for a private or gated one, accept its terms in a browser and set HF_TOKEN",
        )  # fmt: skip
    if status != 200:
        raise _senseless(asked)
    following = re.search(r'<([^>]+)>;\s*rel="next"', headers.get("link", ""))
    return json.loads(body), following[1] if following else ""


def _senseless(asked: Asked) -> Unfetchable:
    return Unfetchable(f"the hub's answer about {asked.name} makes no sense", fix="check the name, and HF_ENDPOINT")


def _tree(fetcher: Fetcher, asked: Asked, commit: str) -> dict[str, dict[str, Any]]:
    """Every file of a commit: path -> bytes and, for large ones, SHA-256."""
    files: dict[str, dict[str, Any]] = {}
    address = f"{_endpoint()}/api/datasets/{asked.name}/tree/{commit}?recursive=true"
    while address:
        page, following = _page(fetcher, address, asked)
        for item in page:
            if item.get("type") == "file":
                oid = (item.get("lfs") or {}).get("oid", "")
                sha256 = oid.removeprefix("sha256:")
                version = f"sha256:{sha256}" if sha256 else f"git:{item.get('oid', '')}"
                files[item["path"]] = {"bytes": int(item.get("size", 0)), "sha256": sha256, "version": version}
        # The token must not follow a link to somewhere else.
        address = following if following and parse(following).origin == parse(address).origin else ""
    return files


def _by_card(card: dict, asked: Asked, files: Iterable[str]) -> dict[str, str]:
    """path -> split by the `configs` that the data set's card declares; empty when it declares none."""
    configs = {c.get("config_name", "default"): c for c in card.get("configs") or [] if isinstance(c, dict)}
    if not configs:
        return {}
    default = next((name for name, c in configs.items() if c.get("default")), "default")
    name = asked.config or (default if default in configs else next(iter(configs)) if len(configs) == 1 else "")
    if name not in configs:
        raise _choose("configurations", configs, asked, ":")
    declared = configs[name].get("data_files")
    if declared is None:
        folder = str(configs[name].get("data_dir", "")).strip("/")
        return {path: _split_in(path) for path in _data(files) if path.startswith(f"{folder}/" if folder else "")}
    chosen: dict[str, str] = {}
    for part in declared if isinstance(declared, list) else [declared]:
        split, patterns = (part.get("split", "train"), part.get("path", [])) if isinstance(part, dict) else ("", part)
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            expression = _expression(pattern)
            for path in files:
                if expression.fullmatch(path):
                    chosen[path] = _usual(split) if split else _split_in(path)
    return chosen


def _by_layout(asked: Asked, files: Iterable[str]) -> dict[str, str]:
    """path -> split by the files' names; a configuration is a folder."""
    paths = _data(files)
    if asked.config and asked.config != "default":
        folders = sorted({part for path in paths for part in path.split("/")[:-1]})
        paths = [path for path in paths if asked.config in path.split("/")[:-1]]
        if not paths and folders:
            raise _choose("folders", folders, asked, ":")
    return {path: _split_in(path) for path in paths}


def _by_conversion(asked: Asked, files: Iterable[str]) -> dict[str, str]:
    """path -> split of the hub's own Parquet conversion: `config/split/0000.parquet`."""
    found = [(path, *path.split("/")[:2]) for path in files if path.endswith(".parquet") and path.count("/") == 2]
    configs = sorted({config for _, config, _ in found})
    name = asked.config or ("default" if "default" in configs else configs[0] if len(configs) == 1 else "")
    if name not in configs:
        raise _choose("configurations", configs, asked, ":")
    return {path: _usual(split.removeprefix("partial-")) for path, config, split in found if config == name}


def _of_splits(asked: Asked, chosen: dict[str, str], files: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The files of the split that was asked for; of train, validation and test when none was."""
    splits = sorted(set(chosen.values()))
    wanted = {_usual(asked.split)} if asked.split else set(SPLITS.values())
    if not wanted & set(splits):
        raise _choose("splits", splits, asked, f":{asked.config or 'default'}/")
    return [
        {"path": path, "split": "" if asked.split else split, **files[path]}
        for path, split in sorted(chosen.items()) if split in wanted
    ]  # fmt: skip


def _choose(what: str, there: Iterable[str], asked: Asked, before: str) -> Unfetchable:
    names = list(there)
    first = f"hf:{asked.name}{before}{names[0]}" if names else "the name of another data set"
    return Unfetchable(f"its {what} are {', '.join(names[:20]) or 'none that hold text'}; name one", fix=first)


def _data(files: Iterable[str]) -> list[str]:
    return [
        path for path in files
        if DATA.search(path) and path != "dataset_infos.json" and not any(p.startswith(".") for p in path.split("/"))
    ]  # fmt: skip


def _split_in(path: str) -> str:
    words = IN_PATH.findall(path.lower())
    return SPLITS[words[-1]] if words else "train"


def _usual(split: str) -> str:
    return SPLITS.get(split, split)


def _expression(pattern: str) -> re.Pattern:
    """A glob of a card as a regular expression: `**` crosses folders, `*` does not."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(piece) or re.escape(piece) for piece in pieces))


def _licence(card: dict) -> str:
    licence = card.get("license") or ""
    names = [str(name) for name in (licence if isinstance(licence, list) else [licence]) if name]
    return " / ".join(str(card.get("license_name") or name) if name == "other" else name for name in names)


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def token() -> str:
    """What the hub is to be told about who asks; empty when nobody said."""
    token = os.environ.get("HF_TOKEN", "").strip()
    return f"Bearer {token}" if token else ""
