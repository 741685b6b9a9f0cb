"""`generate --prompt --suffix`: for runs that learned it, and a clear word for the others."""

import shutil

import pytest

from idiolect.cli import main


@pytest.fixture
def gaps(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    flags = ("--data.objective.kind=fill_in_the_middle", "--name=gaps", "--train.steps=12", "--quiet")
    assert main(["train", "mine.toml", *flags]) == 0
    return tmp_path / "copy"


def test_a_gap_is_filled_from_the_command_line(gaps, ask, capsys):
    code, found = ask("generate", "runs/gaps", "--prompt", "The cat ", "--suffix", " the dog.", "--quiet")
    assert code == 0 and found["texts"][0]["prompt"] == "The cat " and found["texts"][0]["tokens"] > 0
    assert main(["generate", "runs/gaps", "--prompt", "The cat ", "--suffix", " the dog.", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The cat ") and said.endswith(" the dog.\n")
    code, continued = ask("generate", "runs/gaps", "--prompt", "The cat ", "--quiet")
    assert code == 0 and continued["texts"][0]["tokens"] > 0
    code, scores = ask("evaluate", "runs/gaps", "--quiet")
    assert code == 0


def test_other_runs_say_why_they_can_not(gaps, capsys):
    assert main(["generate", "runs/mine", "--prompt", "The cat ", "--suffix", " the dog."]) == 2
    said = capsys.readouterr().err
    assert "can't fill a gap" in said and "--data.objective.kind=fill_in_the_middle" in said
