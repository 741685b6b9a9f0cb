"""One way to write a large number, in the terminal, the plan and the report."""

import pytest

from idiolect.progress import Progress, show_count
from idiolect.report.figures import THIN, short

SAID = {
    0: "0", 7: "7", 950: "950", 999.4: "999", 999.6: "1 k", 1234: "1.23 k", 65_400: "65.4 k", 1_230_000: "1.23 M",
    999_600_000: "1 G", 4.5e9: "4.5 G", 2.25e15: "2.25 P", 3e18: "3 E", 0.0123: "0.0123", -1500: "-1.5 k",
}  # fmt: skip


@pytest.mark.parametrize("number", SAID)
def test_three_digits_and_a_prefix(number):
    assert show_count(number) == SAID[number]
    assert short(number) == SAID[number].replace(" ", THIN)


def test_a_unit_stands_behind_its_prefix():
    assert show_count(5_910_000, "B") == "5.91 MB" and show_count(12, "B") == "12 B"
    assert short(5_910_000, "B") == f"5.91{THIN}MB" and short(None, "B") == short(float("nan")) == "–"


def test_a_pace_below_one_a_second_is_not_said_to_be_none(monkeypatch, capsys):
    clock = iter(range(0, 1000, 8))
    monkeypatch.setattr("idiolect.progress.time.monotonic", lambda: next(clock))
    with Progress().bar("training", unit="steps") as bar:
        bar.advance(2)
    said = capsys.readouterr().err
    assert " steps/s" in said and " 0 steps/s" not in said
