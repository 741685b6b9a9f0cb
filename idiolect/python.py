"""The verbs as functions: what `idiolect VERB TARGET --option value --section.key=value` does, and `--json` prints.

    from idiolect.python import compare, run

    scores = run("mine.toml", {"train.steps": 500}, name="short", quiet=True)
    found = compare("mine.toml", families="gpt,lstm", budget="60s", seeds=5)
    found["verdicts"]

A verb takes a target, settings by their dotted names, and its options by the names of its flags (`idiolect VERB
--help`); it returns a dict and raises an IdiolectError with `what`, `why` and `fix`. Progress goes to standard error,
`quiet=True` to nowhere.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from idiolect import journey
from idiolect.errors import RecipeError
from idiolect.request import Request
from idiolect.verbs import VERBS, Option

GENERAL = ("name", "runs", "quiet")


def call(
    verb: str,
    target: str | Path | Sequence[str | Path] | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict:
    """Carry out a verb. Raises IdiolectError for what can't be, an option that the verb does not have included."""
    taught = VERBS[verb]
    own = {option.name: option for option in taught.options}
    for name in options:
        if name not in own and name not in GENERAL:
            near = difflib.get_close_matches(name, [*own, *GENERAL], 1, 0.5)
            raise RecipeError(
                f"{verb} has no option {name}" + (f"; did you mean {near[0]}?" if near else ""),
                why="it takes " + ", ".join([*own, *GENERAL]),
                fix=f'{verb}(target, {{"section.key": value}}, {near[0] if near else "quiet"}=…)',
            )
    given = {name: _typed(option, options.get(name, option.default)) for name, option in own.items()}
    first, *further = _several(target) or [None]
    if further and not taught.more:
        raise RecipeError(f"{further[0]} is one target too many", why=f"{verb} takes one", fix=f"{verb}({first!r})")
    if further:
        given[taught.more] += further
    out = given.pop("out", None)
    request = Request(
        verb, first, tuple(f"{key}={_value(value)}" for key, value in (settings or {}).items()), given,
        options.get("name"), Path(options.get("runs", "runs")), out and Path(out), json=True,
        quiet=options.get("quiet", False),
    )  # fmt: skip
    return getattr(journey, verb)(request)


def _typed(option: Option, value: Any) -> Any:
    """A value as the command line gives it: text, a list of texts, or whether a switch is on."""
    if option.switch:
        return bool(value)
    return _several(value) if option.repeat else None if value is None else str(value)


def _several(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(value)] if isinstance(value, (str, Path)) or not isinstance(value, Sequence) else [*map(str, value)]


def _value(value: Any) -> str:
    """A setting as a flag spells it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _function(verb: str) -> Callable[..., dict]:
    def carried_out(
        target: str | Path | Sequence[str | Path] | None = None,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict:
        return call(verb, target, settings, **options)

    carried_out.__name__ = carried_out.__qualname__ = verb
    names = ", ".join([*(option.name for option in VERBS[verb].options), *GENERAL])
    carried_out.__doc__ = f"{VERBS[verb].summary}\n\n{VERBS[verb].about}\n\nOptions: {names}."
    return carried_out


new, run, demo = _function("new"), _function("run"), _function("demo")
prepare, train, evaluate = _function("prepare"), _function("train"), _function("evaluate")
finetune, tune, compare = _function("finetune"), _function("tune"), _function("compare")
plan, doctor = _function("plan"), _function("doctor")
generate, chat, export = _function("generate"), _function("chat"), _function("export")
report, show, verify = _function("report"), _function("show"), _function("verify")
