"""The command line: parse, call one function of `journey.py`, print.

Nothing heavy is imported before a verb runs, so that `idiolect --help` answers at once. Every setting of a recipe is
a flag, `--section.key=value`; the few flags of a verb's own are in `verbs.py`.
"""

import argparse
import contextlib
import difflib
import importlib
import os
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from idiolect import __version__
from idiolect.errors import IdiolectError, RecipeError, in_our_form
from idiolect.request import Request
from idiolect.verbs import VERBS


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. A user's mistake is printed in three lines, without a traceback."""
    traceback = "--traceback" in arguments
    # OpenMP reads this once, when torch is first loaded. By default its threads spin for milliseconds at each barrier:
    # beside one busy job a step then takes six times as long as with this, and alone it is no faster
    # (docs/performance.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        request = parse([a for a in arguments if a != "--traceback"])
        if request is None:
            return 0
        journey = importlib.import_module("idiolect.journey")
        with _terminable():
            result = getattr(journey, request.verb)(request)
        if request.json and result is not None:
            from idiolect.progress import print_result

            print_result(result)
        return 0
    except BrokenPipeError:
        # The reader of our output left (`| head`): not our error, and Python must not flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (IdiolectError, KeyboardInterrupt, OSError, MemoryError, RuntimeError) as error:
        ours = in_our_form(error)
        if traceback or ours is None:
            raise
        return _complain(ours)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is answered like ctrl-C: the stage at work leaves nothing half done, and the exit code says so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.default_int_handler(signal.SIGINT, None))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(error: IdiolectError) -> int:
    color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(("\x1b[1;31merror:\x1b[0m " if color else "error: ") + str(error), file=sys.stderr)
    return error.exit_code


def parse(arguments: Sequence[str]) -> Request | None:
    """The request that the arguments make, or None when they asked for help or the version (which is printed)."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        if len(arguments) > 1 and arguments[1] in VERBS:
            print(_parser(arguments[1]).format_help())
        else:
            print(overview())
        return None
    if arguments[0] in ("-V", "--version"):
        print(f"idiolect {__version__}")
        return None
    verb = arguments[0]
    undecodable = next((a for a in arguments if re.search("[\ud800-\udfff]", a)), None)
    if undecodable is not None:
        raise RecipeError(
            f"{undecodable.encode('utf-8', 'surrogateescape')!r} is not UTF-8",
            why="what you type is written into recipes and reports", fix="rename the file, or name the folder it is in",
        )  # fmt: skip
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1, 0.5)
        raise RecipeError(
            f"there is no verb {verb}" + (f"; did you mean {near[0]}?" if near else ""),
            why="the verbs are " + ", ".join(VERBS),
            fix=f"idiolect {near[0]} --help" if near else "idiolect --help",
        )
    if {"-h", "--help"} & set(arguments[1:]):
        print(_parser(verb).format_help())
        return None
    if arguments[1:2] and arguments[1] in VERBS[verb].subjects:
        arguments = [verb, "--what", *arguments[1:]]
    known, rest = _parser(verb).parse_known_args(_settings_joined(verb, arguments[1:]))
    own = {option.name: getattr(known, option.name) for option in VERBS[verb].options}
    target, flags = _settings(verb, known.target, rest, own.get(VERBS[verb].more))
    out = own.pop("out", None)
    return Request(
        verb, target, flags, own, known.name, Path(known.runs), Path(out) if out else None, known.json, known.quiet
    )


def _settings_joined(verb: str, arguments: Sequence[str]) -> list[str]:
    """`--a.b c` as `--a.b=c`, or argparse would take the value of a setting for the recipe."""
    ours = {"--name", "--runs", "--json", "--quiet", *(option.flag for option in VERBS[verb].options)}
    joined: list[str] = []
    waiting = False
    for argument in arguments:
        if waiting and not argument.startswith("--"):
            joined[-1] += f"={argument}"
            waiting = False
            continue
        waiting = argument.startswith("--") and "=" not in argument and argument not in ours
        joined.append(argument)
    return joined


def _settings(
    verb: str, target: str | None, rest: list[str], more: list[str] | None
) -> tuple[str | None, tuple[str, ...]]:
    """What argparse left: settings as `--a.b=c` or, for a switch, `--a.b`; and the target, if it stood after them.

    Further targets are added to `more`, where the verb takes any.
    """
    flags: list[str] = []
    for token in rest:
        if token.startswith("--"):
            flags.append(token[2:])
        elif target is None and VERBS[verb].target:
            target = token
        elif more is not None:
            more.append(token)
        else:
            raise RecipeError(
                f"{token} is one argument too many", why=f"{verb} takes {VERBS[verb].target or 'no recipe'}",
                fix=f"idiolect {verb} --help",
            )  # fmt: skip
    return target, tuple(flag if "=" in flag else f"{flag}=true" for flag in flags)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise RecipeError(message, why="the command could not be read", fix=f"{self.prog} --help")


def _parser(name: str) -> argparse.ArgumentParser:
    verb = VERBS[name]
    parser = _Parser(
        prog=f"idiolect {name}", allow_abbrev=False, add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"idiolect {name}{' TARGET' if verb.target else ''} [options] [--section.key=value ...]",
        description=f"{verb.summary[0].upper()}{verb.summary[1:]}{'' if verb.summary[-1] == '?' else '.'}\n\n"
        + textwrap.fill(verb.about, 100),
        epilog="examples:\n" + "\n".join(_example(*e) for e in verb.examples)
        + "\n\nAny setting of a recipe is a flag:  --train.steps=1000.  `idiolect show` lists them all.",
    )  # fmt: skip
    if verb.target:
        parser.add_argument("target", nargs="?", metavar="TARGET", help=verb.target)
    else:
        parser.set_defaults(target=None)
    for option in verb.options:
        if option.switch:
            parser.add_argument(option.flag, action="store_true", help=option.help)
        elif option.repeat:
            parser.add_argument(option.flag, action="append", default=[], metavar=option.metavar, help=option.help)
        else:
            parser.add_argument(option.flag, default=option.default, metavar=option.metavar, help=option.help)
    parser.add_argument("--name", help="name of the run; default: the recipe's")
    parser.add_argument(
        "--runs", default="runs", metavar="FOLDER", help="where runs and prepared data live (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress, no news")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    parser.add_argument("-h", "--help", action="store_true", help="this page")
    return parser


def _example(command: str, remark: str) -> str:
    return f"  {command}" + (f"\n      {remark}" if remark else "")


def overview() -> str:
    """The page of `idiolect --help`."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    return f"""idiolect {__version__}: train a language model from scratch, on your own text

start here:
  idiolect demo                                               see the whole journey, offline, in five minutes
  idiolect new mine.toml --text ./my-folder --budget 10m      write a recipe for your own text
  idiolect run mine.toml                                      prepare, train, evaluate, report
  idiolect chat runs/mine                                     talk with it

verbs:
{verbs}

`idiolect VERB --help` teaches each with examples. Every setting of a recipe is a flag: --train.steps=1000.
Exit codes: 0 done, 2 recipe or usage, 3 data, 4 no usable checkpoint, 5 numbers not finite, 6 disk or memory,
7 run in use, 8 refused as unsafe, 75 stopped by a signal and saved."""
