"""A run's data -> one HTML file that needs nothing else: no network, no server, no other file.

Start at `write`. The page holds its style, its drawing code (plotly's, from its wheel) and its data. The
content-security policy lets exactly those two scripts run, named by their hashes, so that text which somehow became a
script still couldn't.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

from idiolect import rundir
from idiolect.errors import DataError, MissingExtra
from idiolect.report.markup import Markup, data_block, join, tag
from idiolect.report.sections import (
    comparison,
    corpus,
    cost,
    curves,
    embeddings,
    finetune,
    headline,
    lineage,
    model,
    samples,
    scores,
    tokenizer,
)

SECTIONS = (
    ("corpus", "Corpus", corpus),
    ("tokenizer", "Tokenizer", tokenizer),
    ("model", "Model", model),
    ("training", "Training", curves),
    ("scores", "Scores", scores),
    ("embeddings", "Embedding", embeddings),
    ("comparison", "Comparison", comparison),
    ("finetuning", "Fine-tuning", finetune),
    ("samples", "Samples", samples),
    ("cost", "Cost", cost),
    ("lineage", "Lineage", lineage),
)
PARTS = frozenset(
    {
        "name",
        "recipe",
        "audit",
        "tokenizer",
        "model",
        "metrics",
        "floors",
        "evaluation",
        "samples",
        "finetune",
        "comparison",
        "reads",
        "text_note",
        "embeddings",
        "lineage",
        "cost",
        "plan",
    }
)


def write(data: dict, out: Path) -> Path:
    """Write one run's report to `out` and return that; any part of `data` may be missing and is shown as absent."""
    unknown = sorted(set(data) - PARTS)
    if unknown:
        raise DataError(
            f"the report has no place for {', '.join(unknown)}",
            why="what isn't shown would be lost silently",
            fix=f"use only: {', '.join(sorted(PARTS))}",
        )
    rundir.write_atomic(Path(out), render(data))
    return Path(out)


def render(data: dict) -> str:
    """The whole page as text."""
    drawn = bool(data.get("metrics"))
    scripts = [plotly_source(), own("page.js")] if drawn else []
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(scripts)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{data.get('name') or 'run'} · Idiolect"),
        tag("style", Markup(own("style.css") + own("audit/style.css"))),
    )
    contents = tag(
        "nav", [tag("a", title, href=f"#{identity}") for identity, title, _ in SECTIONS], aria_label="Sections"
    )
    body = join(
        tag("a", "Skip to the sections", href="#sections", class_="skip"),
        headline.section(data),
        contents,
        tag("main", [room.section(data) for _, _, room in SECTIONS], id="sections"),
        tag("footer", "Written by Idiolect. This file is complete: it loads nothing and sends nothing."),
        data_block("curves", curves.curve_data(data) | {"map": embeddings.map_data(data)}) if drawn else None,
        [tag("script", Markup(script)) for script in scripts],
    )
    return "<!doctype html>\n" + tag("html", tag("head", head), tag("body", body), lang="en")


def policy(scripts: list[str]) -> str:
    """The content-security policy: nothing may load, and only these very scripts may run.

    Styles may stand inline because plotly writes its own rules and sets style attributes on what it draws.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"script-src {hashes or chr(39) + 'none' + chr(39)}"
    )


@cache
def own(name: str) -> str:
    """A file of this package, as text with unix line ends: browsers hash what they parse, and they parse CRLF as LF."""
    return resources.files("idiolect.report").joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def plotly_source() -> str:
    """plotly's own JavaScript, from its wheel (MIT; its licence notice stands at its head)."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as missing:
        raise MissingExtra("report", needs="plotly") from missing
    source = get_plotlyjs().replace("\r\n", "\n")
    assert "</script" not in source and "<!--" not in source, "this plotly can't stand inline"
    return source
