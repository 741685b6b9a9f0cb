"""How near each family comes to the exact entropy of a text: the table of docs/oracle.md.

    python -m benchmarks.oracle [--only lstm,induction] [--runs FOLDER]

Trains what tests/oracle trains, by the same settings, and prints a row for each as it is done, with its processor
seconds; with --runs, finished trainings are kept there and not repeated.
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.oracle.judge import ERRORS, LUCK, Gap, gap_of
from tests.oracle.path import learn, measure
from tests.oracle.settings import FAMILIES_TINY, recipe_values

HEAD = "| family | objective | text | exact | above it | 95 % interval | tolerance | tokens | seconds |"


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="rows that name one of these, by commas: families, objectives, texts"
    )
    parser.add_argument("--runs", type=Path, help="where to keep the runs")
    asked = parser.parse_args()
    rows = [
        (kind, objective, text, tolerance)
        for kind, tiny in FAMILIES_TINY.items()
        for (objective, text), tolerance in tiny.tolerance.items()
        if any(word in (kind, objective, text) or not word for word in asked.only.split(","))
    ]
    with tempfile.TemporaryDirectory() as folder:
        print(HEAD + "\n" + "|---" * 9 + "|", flush=True)
        for kind, objective, text, tolerance in rows:
            began = time.process_time()
            gap = one(asked.runs or Path(folder), kind, objective, text)
            print(row(kind, objective, text, gap, tolerance, time.process_time() - began), flush=True)


def one(runs: Path, kind: str, objective: str, text: str) -> Gap:
    """Train one family on one text and compare."""
    name = "-".join((kind, objective, text)).replace(", ", "-").replace(" ", "-")
    runs.mkdir(parents=True, exist_ok=True)
    return gap_of(measure(learn(recipe_values(kind, objective, text), runs, name)))


def row(kind: str, objective: str, text: str, gap: Gap, tolerance: float, seconds: float) -> str:
    """One line of the table, marked when the suite's assertions would not hold."""
    below = gap.value < -ERRORS * gap.error or gap.lead >= LUCK
    mark = " **below**" if below else " **too far**" if gap.value > tolerance else ""
    low, high = gap.value - 1.96 * gap.error, gap.value + 1.96 * gap.error
    return (
        f"| {kind} | {objective} | {text} | {gap.exact:.4f} | {gap.value:+.4f}{mark} | {low:+.4f} to {high:+.4f} "
        f"| {tolerance} | {gap.n:,} | {seconds:.0f} |"
    )


if __name__ == "__main__":
    main()
