"""Text into HTML: the one place where it happens, and it escapes everything that isn't already markup.

`tag("p", text)` escapes `text`; only another `Markup` passes through as it is. A section therefore can't forget to
escape: the mistake would need a deliberate `Markup(...)`, and those are few enough to read.
"""

from __future__ import annotations

import html
import json
import re

from idiolect.visible import visible

VOID = frozenset({"meta", "br", "hr", "col", "link"})
# Attributes that run or load something have no place on this page, whatever their value.
FORBIDDEN = re.compile(r"^(on.*|src|srcset|action|formaction|srcdoc|xlink:href)$", re.IGNORECASE)
# Into the page itself, or to the audit page of the corpus that the run learned from, which lies beside the runs.
LINK = re.compile(r"#.*|\.\./prepared/audit-[0-9a-f]{16}/audit\.html", re.DOTALL)


class Markup(str):
    """A piece of HTML that is safe to insert as it stands."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Any value as safe HTML text; `Markup` is left as it is."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(visible(str(value)), quote=True))


def join(*parts: object) -> Markup:
    """The parts one after another, lists flattened, None left out."""
    pieces: list[str] = []
    for part in parts:
        if part is None:
            continue
        pieces.append(join(*part) if isinstance(part, (list, tuple)) else escape(part))
    return Markup("".join(pieces))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """One element. `class_` loses its underscore, `aria_label` becomes aria-label; None leaves an attribute out."""
    written = []
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        assert not FORBIDDEN.match(key), f"attribute {key} may not be written on the report"
        assert key != "href" or LINK.fullmatch(str(value)), f"the report links only into itself, not to {value!r}"
        written.append(f" {key}" if value is True else f' {key}="{escape(value)}"')
    opening = f"<{name}{''.join(written)}>"
    return Markup(opening if name in VOID else f"{opening}{join(*children)}</{name}>")


def data_block(identity: str, value: object) -> Markup:
    """A JSON data block that no HTML parser can be talked out of: `<`, `>` and `&` are written as JSON escapes."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character, spelt in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, spelt)
    return Markup(f'<script type="application/json" id="{escape(identity)}">{text}</script>')
