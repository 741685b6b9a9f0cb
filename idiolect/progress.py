"""What a person sees while work goes on, and what a run leaves behind of it.

Messages, bars and tables go to standard error, so that standard output holds only results (text, or one line of
JSON). On a terminal bars move; elsewhere a line is printed now and then, ever more rarely, so that log files stay
readable.
"""

import contextlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from idiolect.visible import UNPRINTABLE

# Off a terminal a line is printed after this many seconds, the next after half as many more, up to a minute.
FIRST_PLAIN_LINE, RARER, MOST_SECONDS = 5.0, 1.5, 60.0

# How a cell begins that holds a figure, or says that there is none.
FIGURE = re.compile(r"[-−+<]?\.?\d|[-–]?$")


class _Console(Console):
    """A console whose reader may leave (`| head`): then it says no more, and the work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Progress:
    """The console of one command; every long function receives it."""

    def __init__(self, *, quiet: bool = False, json: bool = False):
        self._console = _Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        # A table squeezed into 80 columns of a log file folds its cells; a file has no width.
        width = None if sys.stdout.isatty() else 160
        self._results = self._console if json else _Console(highlight=False, soft_wrap=True, width=width)
        self.quiet = quiet

    @classmethod
    def silent(cls) -> "Progress":
        """Says nothing: for tests and for library use."""
        return cls(quiet=True, json=True)

    def say(self, text: str = "") -> None:
        """One line of news. User text is never read as markup."""
        self._console.print(Text(text))

    def heading(self, text: str) -> None:
        """The name of the stage that begins."""
        self._console.print(Text(f"\n{text}", style="bold"))

    def warn(self, text: str) -> None:
        """Something a user should know that does not stop the work."""
        self._console.print(Text(f"warning: {text}", style="yellow"))

    def table(
        self, columns: list[str], rows: list[list[Any]], title: str | None = None, *, result: bool = False
    ) -> None:
        """A small table: words read from the left, columns of figures align right.

        A `result` goes to standard output, unless that is kept for one line of JSON.
        """
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
        )
        for i, column in enumerate(columns):
            figures = i > 0 and all(FIGURE.match(str(row[i])) for row in rows)
            table.add_column(column, justify="right" if figures else "left", header_style="dim", overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        (self._results if result else self._console).print(table)

    def show(self, text: str, style: str = "") -> None:
        """A line of the result itself: to standard output, unless that is kept for one line of JSON."""
        self._results.print(Text(text, style=style))

    def draw(self, drawing: Any) -> None:
        """Something that rich can draw, as part of the result."""
        self._results.print(drawing)

    @contextlib.contextmanager
    def paged(self) -> Iterator[None]:
        """What is shown meanwhile goes through the user's pager, where somebody reads it on a terminal."""
        if self._results is self._console or not self._results.is_terminal:
            yield
            return
        # Colours, and no pager at all for what fits on one screen.
        os.environ.setdefault("LESS", "-RFX")
        with self._results.pager(styles=True):
            yield

    @contextlib.contextmanager
    def bar(self, label: str, total: float | None = None, unit: str = "documents") -> Iterator["Bar"]:
        """A progress bar with its rate; `fields` given to the bar are shown behind it."""
        bar = Bar(self, label, total, unit)
        try:
            yield bar
        finally:
            bar.close()


class Bar:
    """Progress of one piece of work."""

    def __init__(self, progress: Progress, label: str, total: float | None, unit: str):
        self.label, self.total, self.unit, self.done = label, total, unit, 0.0
        self._console, self._quiet = progress._console, progress.quiet
        self._started = self._printed = time.monotonic()
        self._wait = FIRST_PLAIN_LINE
        self._fields: dict[str, Any] = {}
        self._rich: RichProgress | None = None
        if self._console.is_terminal and not self._quiet:
            self._rich = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TextColumn("{task.fields[tail]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
                refresh_per_second=4,
            )
            self._task = self._rich.add_task(label, total=total, tail="")
            self._rich.start()

    def advance(self, n: float = 1, **fields: Any) -> None:
        """Move on by n units."""
        self.update(self.done + n, **fields)

    def update(self, done: float | None = None, **fields: Any) -> None:
        """Set how much is done, and what to show behind the bar."""
        self.done = self.done if done is None else done
        self._fields.update(fields)
        if self._quiet:
            return
        if self._rich is not None:
            self._rich.update(self._task, completed=self.done, tail=self._tail())
        elif time.monotonic() - self._printed >= self._wait:
            self._printed, self._wait = time.monotonic(), min(self._wait * RARER, MOST_SECONDS)
            share = f" {100 * self.done / self.total:3.0f} %" if self.total else ""
            self._console.print(Text(f"{self.label}{share}  {self._tail()}{self._left()}"))

    def _tail(self) -> str:
        seconds = time.monotonic() - self._started
        pace = self.done / seconds if seconds > 0 else 0.0
        rate = f"{pace:{',.0f' if pace >= 10 else '.2g'}} {self.unit}/s" if pace and self.unit else ""
        return "  ".join(part for part in [rate, *(show_field(k, v) for k, v in self._fields.items())] if part)

    def _left(self) -> str:
        if not self.total or not self.done:
            return ""
        return f"  {show_seconds((time.monotonic() - self._started) * (self.total / self.done - 1))} left"

    def close(self) -> None:
        """Take the bar away and leave one line that says what was done and how fast."""
        if self._rich is not None:
            self._rich.stop()
        if not self._quiet and self.done:
            seconds = time.monotonic() - self._started
            unit = self.unit.removesuffix("s") if self.done == 1 else self.unit
            said = f"{self.label}: {self.done:,.0f} {unit} in {show_seconds(seconds)}  {self._tail()}"
            self._console.print(Text(said))


UNITS = {
    "mb_per_s": "{:.1f} MB/s",
    "bits_per_byte": "{:.3f} bits/byte",
    "tokens_per_second": "{:,.0f} tokens/s",
    "learning_rate": "lr {:.2g}",
    "grad_norm": "norm {:.2f}",
    "memory_mb": "{:,.0f} MB",
    "mfu": "MFU {:.0%}",
}


def show_field(name: str, value: Any) -> str:
    """A measured value with its unit; what is unknown prints as `-`, never as a guess."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return {"mfu": "MFU -"}.get(name, f"{name} -")
    if name in UNITS:
        return UNITS[name].format(value)
    return (
        f"{name.replace('_', ' ')} {value:,.4g}"
        if isinstance(value, (int, float))
        else f"{name.replace('_', ' ')} {value}"
    )


def show_seconds(seconds: float) -> str:
    """A duration as people say it: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def show_bytes(n: float) -> str:
    """A size as people say it, in powers of ten."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            return f"{n:,.0f} {unit}" if unit == "bytes" else f"{n:,.1f} {unit}"
        n /= 1000
    raise AssertionError(n)


def scaled(value: float) -> tuple[str, str]:
    """A number's first three digits, and the k, M, G, T, P or E that they are to be read with."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(value) < 999.5:
            return f"{value:.3g}", prefix
        value /= 1000
    return f"{value:.3g}", "E"


def how_many(n: int, one: str) -> str:
    """A number of things: 1 document, 1,234 documents."""
    return f"{n:,} {one}" + ("" if n == 1 else "s")


def show_count(n: float, unit: str = "") -> str:
    """A number in three digits: 950, 1.23 M, 4.5 GB."""
    digits, prefix = scaled(n)
    return f"{digits} {prefix}{unit}".rstrip()


def print_result(value: dict) -> None:
    """The one line of JSON that `--json` promises as the last line of standard output."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    # The same value, spelt so that no control character of a text reaches the terminal.
    sys.stdout.write(UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", line) + "\n")
    sys.stdout.flush()


class MetricsLog:
    """metrics.jsonl: one JSON object a line, appended while a run goes on, each step exactly once."""

    def __init__(self, path: Path, tensorboard: bool = False):
        self.path = Path(path)
        self._board = _open_tensorboard(self.path.parent / "tensorboard") if tensorboard else None

    def write(self, line: dict) -> None:
        """Append one line; it is on its way to the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")
        if self._board is not None:
            for name, value in line.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(name, value, line["step"])

    def rewind(self, step: int) -> None:
        """Drop the lines after a step, and a last line that a kill cut in half: resume writes them again."""
        from idiolect.rundir import write_atomic

        if self.path.exists():
            kept = [line for line in self.read() if line["step"] <= step]
            write_atomic(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def read(self) -> list[dict]:
        """Every whole line."""
        return read_metrics(self.path)


def read_metrics(path: Path) -> list[dict]:
    """The lines of a metrics.jsonl; a last line cut by a kill is left out."""
    lines = []
    if Path(path).exists():
        for text in Path(path).read_text(encoding="utf-8").split("\n"):
            with contextlib.suppress(ValueError):
                line = json.loads(text)
                if isinstance(line, dict) and "step" in line:
                    lines.append(line)
    return lines


def _open_tensorboard(folder: Path):
    from idiolect.errors import MissingExtra

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("tensorboard", needs="tensorboard") from None
    return SummaryWriter(str(folder))
