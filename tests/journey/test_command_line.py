"""What people really type: settings before the recipe, odd names, ctrl-C, `| head`; each with its exit code."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from idiolect import cli, journey
from idiolect.cli import main, parse
from idiolect.errors import RecipeError
from idiolect.rundir import RunDir
from idiolect.stages.job import recorded

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "mine.toml", "--train.steps", "5", "--device.compile"],
        ["train", "--train.steps", "5", "mine.toml", "--device.compile"],
        ["train", "--train.steps=5", "mine.toml", "--device.compile"],
        ["train", "--train.steps", "5", "--device.compile", "--quiet", "mine.toml"],
    ],
)
def test_settings_may_stand_anywhere(arguments):
    request = parse(arguments)
    assert request.target == "mine.toml" and request.flags == ("train.steps=5", "device.compile=true")


def test_an_option_that_a_verb_does_not_have_is_never_ignored(here, capsys):
    assert parse(["report", "runs/mine", "--out", "x.html"]).out == Path("x.html")
    assert main(["plan", "mine.toml", "--out", "x.html"]) == 2
    assert "no setting out" in capsys.readouterr().err


def test_an_argument_that_is_no_utf8_is_refused():
    with pytest.raises(RecipeError, match=r"caf\\xe9"):
        parse(["generate", "runs/mine", "--prompt", os.fsdecode(b"caf\xe9")])


def test_a_text_file_in_place_of_a_recipe_says_what_to_type(here, capsys):
    assert main(["run", "text/000.txt"]) == 2
    said = capsys.readouterr().err
    assert "is not a recipe" in said and "idiolect new mine.toml --text text/000.txt" in said


def test_new_answers_in_the_flags_of_new(here, capsys):
    assert main(["new", "other.toml", "--text", "txet"]) == 3
    assert "try: --text text" in capsys.readouterr().err


def test_new_prepares_where_the_runs_are(here, ask, monkeypatch, tmp_path):
    from idiolect.stages import planning

    monkeypatch.setattr(planning, "machine_profile", lambda *_: {64: 2e10, 128: 5e10, 256: 8e10})
    target = str(tmp_path / "elsewhere.toml")
    assert ask("new", target, "--text", "text", "--budget", "20s", "--runs", str(tmp_path / "r"))[0] == 0
    assert list((tmp_path / "r/prepared").glob("corpus-*"))


def test_a_run_without_its_recipe_is_no_text_to_train_on(tmp_path, capsys):
    (tmp_path / "mine/checkpoints").mkdir(parents=True)
    assert main(["evaluate", str(tmp_path / "mine")]) == 3
    said = capsys.readouterr().err
    assert "has lost its recipe.toml" in said and "--text" not in said


def test_inside_a_run_its_folder_is_a_dot(here, ask, monkeypatch):
    monkeypatch.chdir(here / "runs/mine")
    code, found = ask("verify", ".")
    assert code == 0 and any(name.startswith("shards-") for name in found["folders"])


def test_a_word_in_pieces_is_shown_in_pieces(here, ask):
    assert ask("show", "runs/mine", "--embeddings", "--analogy", "cat:dog::bird")[0] == 3
    assert "this tokenizer writes it as" in ask.stderr and "'c' + 'a' + 't'" in ask.stderr


def test_the_report_is_copied_where_it_is_wanted(here, ask, tmp_path):
    code, found = ask("report", "runs/mine", "--out", str(tmp_path / "mine.html"))
    assert code == 0 and found["report"] == str(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_bytes() == (here / "runs/mine/report.html").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_training_is_75(number, monkeypatch, capsys):
    def work(request):
        os.kill(os.getpid(), number)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(journey, "show", work)
    assert main(["show", "shakespeare"]) == 75
    assert "stopped by a signal" in capsys.readouterr().err and signal.getsignal(signal.SIGTERM) == before


def test_a_file_that_can_not_be_used_is_three_lines_and_6(monkeypatch, capsys):
    def work(request):
        raise OSError(errno.EACCES, "Permission denied", "runs/mine/metrics.jsonl")

    monkeypatch.setattr(journey, "show", work)
    assert main(["show", "shakespeare"]) == 6
    said = capsys.readouterr().err
    assert "runs/mine/metrics.jsonl" in said and len(said.splitlines()) == 3


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch):
    def work(request):
        raise RuntimeError("a bug")

    monkeypatch.setattr(journey, "show", work)
    with pytest.raises(RuntimeError):
        cli.main(["show", "shakespeare"])


def test_exit_json_holds_the_code_of_a_signal(here, tmp_path):
    class Job:
        run = RunDir(tmp_path / "run")

    with pytest.raises(KeyboardInterrupt), recorded(Job):
        raise KeyboardInterrupt
    left = json.loads(Job.run.exit.read_text())
    assert (left["code"], left["kind"]) == (75, "stopped")


def test_a_checkpoint_that_a_kill_left_half_named_is_none(here, tmp_path):
    class Job:
        run = RunDir(tmp_path / "run")

    for name in ("step-000020", "step-000040.tmp-ab12cd34", "step-1000000"):
        (Job.run.checkpoints / name).mkdir(parents=True)
        (Job.run.checkpoints / name / "manifest.json").write_text('{"files": {}}')
    with recorded(Job):
        pass
    assert json.loads(Job.run.exit.read_text())["last_checkpoint"] == "step-1000000"


def test_a_damaged_lineage_is_named(here, ask, tmp_path, monkeypatch):
    lineage = here / "runs/mine/lineage.json"
    whole = lineage.read_bytes()
    try:
        lineage.write_text("{")
        assert ask("report", "runs/mine")[0] == 3
    finally:
        lineage.write_bytes(whole)
    # Deleting a run's folder would delete its weights: the advice is to delete the file.
    assert ask.stderr.splitlines()[-1].strip().startswith(f"try: delete {Path('runs/mine/lineage.json')} and")


@pytest.mark.parametrize("streams", ["show mine.toml | head -1", "prepare mine.toml 2>&1 | head -1"])
def test_a_reader_that_leaves_does_not_stop_the_work(here, streams):
    command = f"set -o pipefail; {sys.executable} -m idiolect {streams}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=here, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
