"""A trained model goes with the text and the settings it was made from, whatever has become of these since."""

import json
import shutil

import pytest

from idiolect import rundir
from idiolect.cli import main

GENERATE = ("generate", "runs/mine", "--prompt", "The cat", "--generate.seed=3")


@pytest.fixture
def copy(finished, tmp_path, monkeypatch):
    """A copy of the finished run, to spoil."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def test_new_code_scores_again(copy, ask, monkeypatch):
    assert ask("evaluate", "runs/mine")[0] == 0 and "evaluation: nothing to do" in ask.stderr
    monkeypatch.setattr(rundir, "code_version", lambda package: f"new {package.name}")
    assert ask("evaluate", "runs/mine")[0] == 0 and "evaluation: nothing to do" not in ask.stderr


@pytest.mark.parametrize("change", ["a text more", "no text", "another tokenizer in the recipe"])
def test_a_model_writes_with_its_own_tokenizer(copy, ask, change):
    before = ask(*GENERATE)
    stages = sorted((copy / "runs/prepared").iterdir())
    if change == "a text more":
        (copy / "text/new.txt").write_text("ÄÖÜ 1234 and letters that the model has never seen.")
    elif change == "no text":
        shutil.rmtree(copy / "text")
    else:
        (copy / "mine.toml").write_text((copy / "mine.toml").read_text().replace('"character"', '"byte"'))
    assert before[0] == 0 and ask(*GENERATE) == before
    assert ask("evaluate", "runs/mine")[0] == ask("report", "runs/mine")[0] == 0
    assert sorted((copy / "runs/prepared").iterdir()) == stages


def test_other_text_than_the_models_is_refused(copy, ask):
    code, _ = ask(*GENERATE, "--tokenizer.kind=byte")
    assert code == 3 and "not the text that the run mine learned from" in ask.stderr
    stages = rundir.read_json(copy / "runs/mine/training.json")["stages"]
    shutil.rmtree(copy / "runs/prepared" / stages["tokenizer"])
    (copy / "text/new.txt").write_text("ÄÖÜ 1234 and letters that the model has never seen.")
    assert ask(*GENERATE)[0] == 3


def test_stages_that_were_deleted_are_made_again(copy, ask):
    before = ask(*GENERATE)
    shutil.rmtree(copy / "runs/prepared")
    assert ask(*GENERATE) == before


def test_another_architecture_than_the_models_names_the_key(copy, capsys):
    for arguments in (GENERATE, ("evaluate", "mine.toml"), ("chat", "runs/mine"), ("finetune", "runs/mine")):
        assert main([*arguments, "--model.d_model=64"]) == 2
        said = capsys.readouterr().err
        assert "model.d_model = 64" in said and "model.d_model = 32" in said and "Traceback" not in said


def test_an_interrupted_run_can_be_verified(copy, ask):
    (copy / "runs/mine/lineage.json").unlink()
    record = copy / "runs/mine/training.json"
    left = json.loads(record.read_text())
    record.write_text(json.dumps({key: left[key] for key in ("decides", "stages")} | {"finished": False}))
    code, found = ask("verify", "runs/mine")
    assert code == 0 and any(name.startswith("shards-") for name in found["folders"])


def test_a_run_of_a_task_has_its_own_name_and_does_not_write(copy, ask):
    pytest.importorskip("sklearn")
    rows = [f"{('pet', 'wild')[n % 2]},The {('cat', 'bird')[n % 2]} likes house number {n}." for n in range(60)]
    (copy / "labelled.csv").write_text("\n".join(["label,text", *rows]) + "\n")
    flags = ("--finetune.task.train=labelled.csv", "--finetune.train.steps=4", "--finetune.train.eval_every_steps=4")
    assert ask("finetune", "runs/mine", "--name", "pets", *flags)[0] == 0
    assert (copy / "runs/pets/finetune.json").exists()
    assert ask("finetune", "runs/mine", "--name", "mine", *flags)[0] == 2 and "is a language model" in ask.stderr
    assert ask("finetune", "runs/mine", "--name", "../pets", *flags)[0] == 2
    for verb in ("generate", "evaluate", "export", "report", "chat"):
        code, _ = ask(verb, "runs/pets")
        assert code == 2 and "is a classifier" in ask.stderr and "runs/mine" in ask.stderr, verb
