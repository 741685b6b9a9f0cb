"""Lineage: every hash, version and command that leads back to this result."""

from __future__ import annotations

from idiolect.report import figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, frame, part, plain, table

GLOSS = "The same text, code, recipe and seed give the same model. This is what they were."


def section(data: dict) -> Markup:
    """Commands to repeat the run, then one table a topic."""
    lineage = part(data, "lineage")
    if not lineage:
        return frame(
            "lineage", "Lineage", GLOSS, absent("This run recorded no lineage, so it can't be repeated exactly")
        )
    commands = lineage.get("commands") or lineage.get("command")
    commands = [commands] if isinstance(commands, str) else commands or []
    loose, topics = {}, {}
    for key, value in lineage.items():
        if key not in ("commands", "command"):
            (topics if isinstance(value, (dict, list)) and value else loose)[key] = value
    repeat = (
        tag("div", tag("h3", "Repeat this run"), tag("pre", tag("code", "\n".join(map(str, commands))), tabindex="0"))
        if commands
        else None
    )
    return frame(
        "lineage",
        "Lineage",
        GLOSS,
        repeat,
        topic("this run", loose),
        [topic(plain(name), value) for name, value in topics.items()],
    )


def flatten(value: object, path: str = "") -> list[tuple[str, object]]:
    """A nested value as (dotted key, leaf) in its own order."""
    if isinstance(value, dict):
        return [row for key, branch in value.items() for row in flatten(branch, f"{path}.{key}" if path else str(key))]
    if isinstance(value, (list, tuple)):
        if all(not isinstance(item, (dict, list)) for item in value):
            return [(path, ", ".join(map(str, value)))]
        return [
            row for index, item in enumerate(value) for row in flatten(item, f"{path}.{index}" if path else str(index))
        ]
    return [(path, value)]


def topic(name: str, value: object) -> Markup | None:
    """One part of the lineage as key and value."""
    rows = flatten(value)
    if not rows:
        return None
    shown = [[plain(key) or plain(name), tag("code", figures.DASH if leaf is None else leaf)] for key, leaf in rows]
    return table([name, "value"], shown[:300], caption=name[0].upper() + name[1:])
