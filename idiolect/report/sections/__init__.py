"""The page's sections in the order of the journey: each is `section(data) -> Markup`, and says when its part is absent.

`SECTIONS` is the table of contents. What several sections share stands here: the frame, tables, and how a score,
a floor or a list of settings is found in the run's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from idiolect.report import figures
from idiolect.report.markup import Markup, tag

SPLITS = ("test", "validation", "train")


def part(data: dict, key: str) -> dict:
    """The named part of the data when it is a dict with something in it, else an empty dict."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def frame(identity: str, title: str, gloss: str, *content: object) -> Markup:
    """One section: its title and gloss in the margin, its content beside them."""
    heading = tag("header", tag("h2", title, id=f"{identity}-title"), tag("p", gloss, class_="gloss"))
    return tag(
        "section", heading, tag("div", *content, class_="content"), id=identity, aria_labelledby=f"{identity}-title"
    )


def absent(what: str, command: str | None = None) -> Markup:
    """A part this run does not have, and what to type to get it."""
    advice = ["; to add it: ", tag("code", command)] if command else []
    return tag("p", what, advice, ".", class_="absent")


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    numeric: Sequence[int] = (),
    caption: str | None = None,
    foot: Sequence[object] | None = None,
) -> Markup:
    """A table that scrolls sideways in a narrow window; `numeric` lists the columns set flush right."""

    def line(cells: Sequence[object], kind: str = "td") -> Markup:
        return tag(
            "tr",
            [
                tag(
                    "th" if kind == "th" or index == 0 else "td",
                    cell,
                    class_="number" if index in numeric else None,
                    scope="col" if kind == "th" else "row" if index == 0 else None,
                )
                for index, cell in enumerate(cells)
            ],
        )

    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else None,
            tag("thead", line(head, "th")),
            tag("tbody", [line(row) for row in rows]),
            tag("tfoot", line(foot)) if foot else None,
        ),
        class_="scroll",
        tabindex="0",
        role="group",
        aria_label=caption or "table: " + ", ".join(head),
    )


def facts(pairs: Sequence[tuple[str, object]]) -> Markup:
    """Name and value, one under another."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs], class_="facts")


def fold(summary: object, *content: object, open_: bool = False) -> Markup:
    """Something most readers skip, folded away."""
    return tag("details", tag("summary", summary), *content, open=open_)


def scores_in(tree: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """Every `{"value", ...}` anywhere in a nested dict, with the keys that lead to it."""
    if not isinstance(tree, dict):
        return
    if figures.is_number(tree.get("value")):
        yield path, tree
        return
    for key, branch in tree.items():
        yield from scores_in(branch, (*path, str(key)))


def find_score(tree: dict, name: str) -> tuple[str, dict] | None:
    """The score called `name`, by the most trustworthy split that has it, as (split, score)."""
    found = {}
    for path, score in scores_in(tree):
        words = " ".join(path)
        if path[-1] == name or path[-1].endswith("_" + name):
            split = next((split for split in SPLITS if split in words), "")
            found.setdefault(split, score)
    return next(((split, found[split]) for split in (*SPLITS, "") if split in found), None)


def number_of(value: object) -> float | None:
    """A number, or the `value` of a score, or None."""
    if isinstance(value, dict):
        value = value.get("value")
    return float(value) if figures.is_number(value) else None


def given_floors(data: dict, split: str) -> dict:
    """A split's floors by their own names, as the run holds them."""
    given = part(data, "floors")
    return part(given, split) if given and set(given) <= set(SPLITS) else given


def floors_of(data: dict, split: str = "validation") -> list[dict]:
    """A split's floors as [{"name", "bits_per_byte", "nats"}], the highest first; a unit that isn't known is None.

    `limit` (True, or left out) marks the exact entropy of a generated text, which a model comes near and never passes.

    `data["floors"]` is {split: floors}, or floors of one split alone. Floors of another split are no floors: texts
    differ by more than models do.
    """
    found = []
    for key, value in given_floors(data, split).items():
        if isinstance(value, dict) and "value" not in value:
            bits, nats = number_of(value.get("bits_per_byte")), number_of(value.get("nats"))
            label = value.get("label") or value.get("name") or key
        else:
            bits, nats, label = number_of(value), None, key
        if bits is not None or nats is not None:
            limit = {"limit": True} if isinstance(value, dict) and value.get("limit") else {}
            found.append({"name": plain(str(label)), "bits_per_byte": bits, "nats": nats} | limit)
    return sorted(
        found, key=lambda floor: -(floor["bits_per_byte"] if floor["bits_per_byte"] is not None else floor["nats"])
    )


WRITTEN = {
    "mlp": "MLP",
    "tf_idf": "TF-IDF",
    "tfidf": "TF-IDF",
    "macro_f1": "macro-F1",
    "f1": "F1",
    "bpe": "BPE",
    "lm_head": "head",
    "n_unseen": "never used",
}


def plain(name: str) -> str:
    """A key as words: token_accuracy -> token accuracy, kneser_ney_5 -> Kneser–Ney 5-gram."""
    order = re.fullmatch(r"(?:kneser_?ney|kn)_?(\d+)", name, re.IGNORECASE)
    if order:
        return f"Kneser–Ney {order.group(1)}-gram"
    return WRITTEN.get(name, name.replace("_", " ").strip())
