"""The command line: parse, call one function of `journey.py`, print.

Nothing heavy is imported before a verb runs, so that `idiolect --help` answers at once. Every setting of a recipe is
a flag, `--section.key=value`; the few flags of a verb's own are in `VERBS`.
"""

import argparse
import difflib
import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from idiolect import __version__
from idiolect.errors import IdiolectError, RecipeError, ResourceError, Stopped
from idiolect.request import Request

TARGET = "a recipe (a .toml file, or the name of a built-in one), or the folder of a run"


@dataclass(frozen=True)
class Option:
    """A flag of one verb's own."""

    flag: str
    help: str
    metavar: str | None = None
    repeat: bool = False
    switch: bool = False
    default: str | None = None


@dataclass(frozen=True)
class Verb:
    """One verb: what it does in a line, what a user should know, and commands to copy."""

    summary: str
    about: str
    examples: tuple[tuple[str, str], ...]
    options: tuple[Option, ...] = ()
    target: str | None = TARGET
    aliases: dict[str, str] = field(default_factory=dict)


TEXT = Option("--text", "a file, folder or glob of text; may be given several times", "PATH", repeat=True)
BUDGET = Option("--budget", "what it may cost: 10m, 2h, 50usd or 1e18flops", "BUDGET")
PROMPT = Option("--prompt", "the text to go on from; may be given several times", "TEXT", repeat=True)
ONLINE = Option("--checkpoint", "which weights: best (default), last, or a step", "WHICH", default="best")

VERBS: dict[str, Verb] = {
    "new": Verb(
        "write a short recipe for your own text",
        "Looks at your text, measures this machine, and chooses a model, a number of steps and a learning rate that "
        "fit the budget. The recipe it writes is short and commented: every line may be changed.",
        (
            ("idiolect new mine.toml --text ./my-folder --budget 10m", "ten minutes on this machine"),
            ("idiolect new mine.toml --text 'books/*.txt' --text notes.md --budget 2h", "several sources"),
        ),
        (TEXT, BUDGET),
        target="the recipe to write, such as mine.toml",
    ),
    "run": Verb(
        "the whole journey of a recipe: prepare, train, evaluate, generate, report",
        "Each stage is named by a fingerprint of its inputs. What stands is not made again: run it twice and the "
        "second time does nothing; change a value and just the stages that depend on it run.",
        (
            ("idiolect run mine.toml", "everything"),
            ("idiolect run mine.toml --train.steps=500 --name short", "a variation beside it"),
            ("idiolect run shakespeare-fast --corpus.text=input.txt", "a built-in recipe on your file"),
        ),
    ),
    "demo": Verb(
        "the whole journey on the built-in corpus: five minutes, no network",
        "Trains a small model on the documentation of Python and of the libraries installed beside us, then shows "
        "samples, scores beside the floors, and how to talk to it.",
        (("idiolect demo", "about five minutes on two cores"), ("idiolect chat runs/demo", "afterwards")),
        target=None,
    ),
    "prepare": Verb(
        "collect, clean and split the text; train the tokenizer; write token shards",
        "Every dropped document is counted by reason, and samples of each reason are kept for the report.",
        (
            ("idiolect prepare mine.toml", "prepare what the recipe names"),
            ("idiolect prepare mine.toml --corpus.min_characters=200 --json", "stricter; one line of JSON at the end"),
        ),
    ),
    "train": Verb(
        "train the model (and prepare its data first, if that has not been done)",
        "Shows tokens/s, loss in bits per byte, learning rate, gradient norm, time left, memory and MFU. Press ctrl-C "
        "once to save and stop; the same command goes on from there, to the same weights bit for bit on a CPU.",
        (
            ("idiolect train mine.toml", "train, or go on training"),
            ("idiolect train mine.toml --optim.learning_rate=3e-4 --name slower", "a variation beside it"),
        ),
    ),
    "evaluate": Verb(
        "score a trained model beside its floors",
        "Bits per byte, perplexity and accuracy with 95 % intervals on validation and test, beside what uniform, "
        "unigram and n-gram models reach on the same text.",
        (("idiolect evaluate runs/mine", "all splits"), ("idiolect evaluate runs/mine --checkpoint last --json", "")),
        (ONLINE,),
    ),
    "finetune": Verb(
        "fit a trained model to a task: classification",
        "Starts from a run's weights, trains a head and the model with the same loop, and compares with the majority "
        "and TF-IDF baselines on held-out examples.",
        (
            ("idiolect finetune runs/demo --task classification", "which library does this passage document?"),
            ("idiolect finetune runs/mine --finetune.task.train=reviews.csv --finetune.task.label_column=stars", ""),
        ),
        (ONLINE, Option("--task", "classification", "TASK", default="classification")),
    ),
    "tune": Verb(
        "search over settings: grid or random",
        "Trains the recipe once per trial and keeps the best as best.toml. A killed search goes on without repeating "
        "finished trials.",
        (
            ("idiolect tune mine.toml --tune.trials=12", "with the space in the recipe's [tune] section"),
            ("idiolect tune mine.toml --space optim.learning_rate=1e-4..1e-2 --space model.n_layers=2,4,6", ""),
        ),
        (
            Option(
                "--space", "a setting and its values: key=1,2,3 or key=low..high; repeatable", "KEY=VALUES", repeat=True
            ),
        ),
    ),
    "plan": Verb(
        "what it will take, before it is spent: parameters, FLOPs, memory, time, money",
        "Counts the model, measures this machine for a few seconds, and prints the arithmetic. With --text and "
        "--budget it chooses the model.",
        (("idiolect plan mine.toml", "the recipe as it is"), ("idiolect plan --text ./my-folder --budget 2h", "")),
        (TEXT, BUDGET),
    ),
    "doctor": Verb(
        "look for settings that make no sense together",
        "Checks the recipe against the text, the machine and the disk, and says what to type.",
        (("idiolect doctor mine.toml", ""),),
    ),
    "generate": Verb(
        "let a trained model write",
        "Continues each prompt; text goes to standard output as it is written.",
        (
            ('idiolect generate runs/mine --prompt "Once upon a time"', ""),
            ("idiolect generate runs/mine --generate.samples=3 --generate.temperature=0.7 --generate.seed=1", ""),
        ),
        (PROMPT, ONLINE),
    ),
    "chat": Verb(
        "talk with a trained model in the terminal",
        "The model continues what you type (completion style). /help lists what else you can type.",
        (("idiolect chat runs/mine", ""),),
        (ONLINE,),
    ),
    "export": Verb(
        "write the model in the Hugging Face format, checked",
        "GPT-2 and Llama settings can be exported. The folder is loaded by stock transformers and its logits are "
        "compared with ours before the export counts as done.",
        (("idiolect export runs/mine --out my-model", ""),),
        (ONLINE,),
    ),
    "report": Verb(
        "write the run's report: one HTML file",
        "The file needs no network and no server: mail it, keep it, print it.",
        (("idiolect report runs/mine", ""),),
    ),
    "show": Verb(
        "every setting with its origin; the corpus; the tokenizer",
        "Prints where each value comes from: a default, a line of a recipe, or a flag.",
        (
            ("idiolect show mine.toml", "all settings"),
            ("idiolect show mine.toml --what tokenizer", "bytes per token, longest and unseen tokens"),
            ("idiolect show runs/mine --what corpus", "documents, drops and their samples"),
            ("idiolect show --what schema > idiolect.schema.json", "a JSON Schema for your editor"),
        ),
        (Option("--what", "settings, corpus, tokenizer, or schema", "WHAT", default="settings"),),
    ),
    "verify": Verb(
        "check every byte of a run: corpus, tokenizer, shards, checkpoints",
        "Compares each file with the SHA-256 in its manifest and names what has changed.",
        (("idiolect verify runs/mine", ""),),
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. A user's mistake is printed in three lines, without a traceback."""
    traceback = "--traceback" in arguments
    # OpenMP reads this once, when torch is first loaded. Threads that spin at a barrier while another job has their
    # core made a step 24 times slower than sleeping threads did (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        request = parse([a for a in arguments if a != "--traceback"])
        if request is None:
            return 0
        journey = importlib.import_module("idiolect.journey")
        result = getattr(journey, request.verb)(request)
        if request.json and result is not None:
            from idiolect.progress import print_result

            print_result(result)
        return 0
    except IdiolectError as error:
        if traceback:
            raise
        return _complain(error)
    except KeyboardInterrupt:
        if traceback:
            raise
        return _complain(
            Stopped("stopped by ctrl-C", why="what was finished is kept", fix="run the same command again")
        )
    except MemoryError:
        if traceback:
            raise
        return _complain(ResourceError("the memory is full", why="this needs more than the machine has",
                                       fix="a smaller --train.micro_batch_tokens or --model.d_model"))  # fmt: skip
    except BrokenPipeError:
        # The reader of our output left (`| head`): not our error, and Python must not flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    known, rest = _parser(verb).parse_known_args(list(arguments[1:]))
    target, flags = _settings(verb, known.target, rest)
    options = {o.flag[2:].replace("-", "_"): getattr(known, o.flag[2:].replace("-", "_")) for o in VERBS[verb].options}
    return Request(
        verb, target, flags, options, known.name, Path(known.runs), Path(known.out) if known.out else None, known.json,
        known.quiet,
    )  # fmt: skip


def _settings(verb: str, target: str | None, rest: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """What argparse left: settings as `--a.b=c`, `--a.b c` or, for a switch, `--a.b`."""
    flags: list[str] = []
    waiting = False
    for token in rest:
        if token.startswith("--"):
            flags.append(token[2:])
            waiting = "=" not in token
        elif waiting:
            flags[-1] += f"={token}"
            waiting = False
        elif target is None and VERBS[verb].target:
            target = token
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
        description=f"{verb.summary[0].upper()}{verb.summary[1:]}.\n\n" + textwrap.fill(verb.about, 100),
        epilog="examples:\n" + "\n".join(_example(*e) for e in verb.examples)
        + "\n\nAny setting of a recipe is a flag:  --train.steps=1000.  `idiolect show` lists them all.",
    )  # fmt: skip
    if verb.target:
        parser.add_argument("target", nargs="?", metavar="TARGET", help=verb.target)
    else:
        parser.set_defaults(target=None)
    for option in verb.options:
        if option.repeat:
            parser.add_argument(option.flag, action="append", default=[], metavar=option.metavar, help=option.help)
        else:
            parser.add_argument(option.flag, default=option.default, metavar=option.metavar, help=option.help)
    parser.add_argument("--name", help="name of the run; default: the recipe's")
    parser.add_argument(
        "--runs", default="runs", metavar="FOLDER", help="where runs and prepared data live (default: runs)"
    )
    parser.add_argument("--out", metavar="PATH", help="file or folder to write, where the verb writes one")
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
