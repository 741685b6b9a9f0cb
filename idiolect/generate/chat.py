"""A conversation in the terminal with a model that continues text: you write a line, it goes on from there.

It needs no terminal: lines may come from a pipe, and the texts then go to standard output plainly. An empty line lets
the model go on from where it stopped. The model's text is never let loose on the terminal: control characters are shown
as symbols.
"""

import sys
from collections.abc import Callable
from typing import Any, TextIO

from torch import nn

from idiolect.data.objectives.framing import Framing
from idiolect.generate.config import GenerateConfig
from idiolect.generate.decode import Generated, generate
from idiolect.generate.fill import check_can_talk

HELP = """\
Write a line and the model continues it; an empty line lets it go on. Everything said so far is what it reads.
  /help            this
  /reset           forget everything said so far
  /seed N          the chance of the next texts; the same seed and text give the same continuation
  /temperature X   below 1 safer, above 1 wilder, 0 always the likeliest token
  /quit            leave (so does ctrl-D); ctrl-C stops a text, not the chat
  //...            a line that begins with a slash"""


def chat(
    model: nn.Module,
    tokenizer: Any,
    config: GenerateConfig,
    source: TextIO | None = None,
    sink: TextIO | None = None,
    framing: Framing | None = None,
) -> int:
    """Talk until /quit or the end of the input; the number of texts the model wrote.

    Raises RecipeError for a model that can't talk.
    """
    check_can_talk(model)
    source, sink = source or sys.stdin, sink or sys.stdout
    return _Chat(model, tokenizer, config, sink, framing).run(_lines(source, sink))


def _lines(source: TextIO, sink: TextIO) -> Callable[[], str | None]:
    """Reads the next line, None at the end; with a prompt, and line editing, where somebody sits at it."""
    if source is sys.stdin and source.isatty() and sink.isatty():
        import readline  # noqa: F401  arrow keys and history in input()

        def ask() -> str | None:
            try:
                return input("> ")
            except EOFError:
                return None

        return ask
    return lambda: line.rstrip("\n") if (line := source.readline()) else None


class _Chat:
    def __init__(self, model: nn.Module, tokenizer: Any, config: GenerateConfig, sink: TextIO, framing: Framing | None):
        self.model, self.tokenizer, self.sink, self.framing = model, tokenizer, sink, framing
        # One conversation is one text: more samples of a line would need a reader to choose among them.
        self.config = config.model_copy(update={"samples": 1})
        self.text = ""
        self.n_written = 0
        self.quit = False

    def run(self, next_line: Callable[[], str | None]) -> int:
        self._say("The model continues what you write. /help lists the commands.")
        while not self.quit:
            try:
                line = next_line()
            except KeyboardInterrupt:
                self._say("\n(ctrl-D or /quit leaves)")
                continue
            if line is None:
                break
            if line.startswith("/") and not line.startswith("//"):
                self._command(line)
            else:
                self._continue(line.removeprefix("/"))
        return self.n_written

    def _continue(self, line: str) -> None:
        if line:
            self.text += ("\n" if self.text and not self.text.endswith("\n") else "") + line
        written: list[str] = []
        try:
            result = self._generate(written)
            note = "" if result.finish in ("end", "stop") else " (more: press enter)"
            self._say(f"\n[{len(result.token_ids)} tokens, {result.tokens_per_second:,.0f}/s]{note}")
        except KeyboardInterrupt:
            self._say("\n[stopped]")
        self.text += "".join(written)
        self.n_written += 1

    def _generate(self, written: list[str]) -> Generated:
        def show(_number: int, piece: str) -> None:
            written.append(piece)
            self.sink.write(visible(piece))
            self.sink.flush()

        return generate(self.model, self.tokenizer, [self.text], self.config, show, self.framing)[0]

    def _command(self, line: str) -> None:
        name, _, value = line[1:].strip().partition(" ")
        if name == "help":
            self._say(HELP)
        elif name == "reset":
            self.text = ""
            self._say("(forgotten)")
        elif name in ("quit", "exit"):
            self.quit = True
        elif name in ("seed", "temperature"):
            self._set(name, value.strip())
        else:
            self._say(f"/{visible(name)} is not a command; /help lists them. A text that begins with a slash: //...")

    def _set(self, name: str, value: str) -> None:
        try:
            number = int(value) if name == "seed" else float(value)
            self.config = GenerateConfig(**{**self.config.model_dump(), name: number, **_not_greedy(name)})
        except ValueError:  # pydantic's ValidationError is one too
            wanted = "a whole number from 0 on" if name == "seed" else "a number from 0 to 100"
            self._say(f"/{name} needs {wanted}, such as /{name} {1 if name == 'seed' else 0.8}")
        else:
            self._say(f"({name} {number:g})")

    def _say(self, text: str) -> None:
        self.sink.write(text + "\n")
        self.sink.flush()


def _not_greedy(name: str) -> dict[str, bool]:
    # A recipe with greedy = true would make /temperature look as if it did nothing.
    return {"greedy": False} if name == "temperature" else {}


def visible(text: str) -> str:
    """Text with control characters as symbols: a model trained on logs must not move the cursor or set the title."""
    return "".join(_symbol(char) for char in text)


def _symbol(char: str) -> str:
    code = ord(char)
    if char in "\n\t" or (code >= 32 and not 127 <= code < 160):
        return char
    return chr(0x2400 + code) if code < 32 else "\u2421" if code == 127 else "\ufffd"
