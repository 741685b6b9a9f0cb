"""A student learns from another run's model: from the command line, with records, refusals, and bit for bit again."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file

from idiolect import faults, rundir
from idiolect.cli import main

STUDENT = ("--name=student", "--model.d_model=16", "--train.steps=12", "--train.loss.teacher_weight=0.7", "--quiet")


@pytest.fixture
def copy(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def weights(folder):
    return load_file(max((folder / "checkpoints").glob("step-*")) / "weights.safetensors")


def test_a_student_is_taught_and_its_records_name_the_teacher_and_no_place(copy):
    assert main(["train", "mine.toml", f"--train.loss.teacher={copy}/runs/mine", *STUDENT]) == 0
    run = copy / "runs/student"
    for path in run.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".toml"):
            assert str(copy) not in path.read_text(encoding="utf-8"), path
    facts = rundir.read_json(run / "lineage.json")
    assert facts["teacher"] == "mine" and len(facts["teacher_weights"]) > 8
    assert 'teacher = "mine"' in (run / "recipe.toml").read_text()
    taught = weights(run)
    assert main(["train", "mine.toml", *STUDENT, "--name=alone"]) == 0
    alone = weights(copy / "runs/alone")
    assert any(not torch.equal(taught[name], alone[name]) for name in taught)
    # A finished student stands without its teacher; an unfinished one asks for it.
    os.rename(copy / "runs/mine", copy / "runs/gone")
    assert main(["train", str(run), "--quiet"]) == 0
    assert main(["train", str(run), "--quiet", "--train.steps=14"]) == 2


def test_a_student_that_died_goes_on_bit_for_bit(copy, monkeypatch):
    flags = ["train", "mine.toml", "--train.loss.teacher=runs/mine", "--train.save_every_steps=5", *STUDENT]
    assert main(flags) == 0
    os.rename(copy / "runs/student", copy / "runs/whole")
    faults.forget()
    with monkeypatch.context() as patch:
        patch.setenv(faults.VARIABLE, "step.after_backward:9:raise:EIO")
        assert main(flags) != 0
    assert (copy / "runs/student/checkpoints/step-000005").is_dir()
    assert not (copy / "runs/student/checkpoints/step-000010").exists()
    assert main(flags) == 0
    whole, again = weights(copy / "runs/whole"), weights(copy / "runs/student")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--train.loss.teacher=runs/nobody"], "is not a run"),
        (["--train.loss.teacher=mine", "--tokenizer.kind=byte"], "tokenizers differ"),
        (["--train.loss.teacher=mine", "--model.context_length=64"], "reads 32 positions"),
        (["--train.loss.teacher=student"], "is the run itself"),
    ],
)
def test_what_can_not_teach_is_refused(copy, capsys, flags, said):
    if "student" in flags[0]:
        shutil.copytree(copy / "runs/mine", copy / "runs/student")
    assert main(["train", "mine.toml", *STUDENT, *flags]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["run", "train", "plan", "doctor", "tune", "compare"])
@pytest.mark.parametrize(
    "flags", [["--train.loss.teacher=runs/nobody"], ["--train.loss.teacher=mine", "--tokenizer.kind=byte"]]
)
def test_an_unfit_teacher_is_refused_before_any_text_is_read(copy, capsys, verb, flags):
    """The text is not there either: who looked for it first would say so."""
    assert main([verb, "mine.toml", "--name=student", "--corpus.text=nowhere", *flags]) == 2
    said = capsys.readouterr().err
    assert "teach" in said and "nowhere" not in said
    assert main([verb, "mine.toml", "--name=student", "--corpus.text=nowhere"]) != 0
    assert "teach" not in capsys.readouterr().err


def test_a_plan_reckons_with_the_teacher(copy, capsys):
    found = []
    for flags in ([], ["--train.loss.teacher=mine"]):
        assert main(["plan", "mine.toml", "--name=student", "--json", "--model.d_model=16", *flags]) == 0
        found.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    alone, taught = found
    held = sum(tensor.nbytes for tensor in weights(copy / "runs/mine").values())
    assert taught["memory_bytes"]["resident"] - alone["memory_bytes"]["resident"] == pytest.approx(held, rel=0.01)
    forward = rundir.read_json(copy / "runs/mine/training.json")["flops_per_token"]["forward"]
    assert taught["flops_per_token"] - alone["flops_per_token"] == forward
    assert main(["train", "mine.toml", "--train.loss.teacher=mine", *STUDENT]) == 0
    assert rundir.read_json(copy / "runs/student/training.json")["flops_per_token"]["teacher"] == forward


READER = """
[corpus]
text = ["text"]
[tokenizer]
kind = "character"
[model]
kind = "gru"
n_layers = 1
d_model = 16
context_length = 32
[train]
steps = 2
batch_tokens = 64
[device]
kind = "cpu"
"""


def reader(copy) -> list[str]:
    """A run that learned to read on, and the command that trains its heir."""
    (copy / "reader.toml").write_text(READER)
    assert main(["train", "reader.toml", "--quiet"]) == 0
    return [
        "train",
        "reader.toml",
        "--name=heir",
        "--train.loss.teacher=reader",
        "--train.steps=12",
        "--model.d_model=8",
    ]


def test_a_teacher_reads_on_where_its_student_does(copy, capsys):
    """Beside a student whose windows follow one another it reads on; beside one whose windows don't it says so."""
    assert main(reader(copy)) == 0
    assert "from nothing" not in capsys.readouterr().err
    state = load_file(max((copy / "runs/heir/checkpoints").glob("step-*")) / "carry.safetensors")
    assert state["teacher.0.0"].any() and state["teacher.0.0"].shape == (2, 16) and state["student.0.0"].any()
    assert torch.equal(state["teacher.stream"], state["student.stream"])
    assert main([*reader(copy), "--name=other", "--train.carry_state=false"]) == 0
    assert "reader learned to read on" in " ".join(capsys.readouterr().err.split())
    assert not list((copy / "runs/other/checkpoints").rglob("carry.safetensors"))


def test_a_student_beside_a_teacher_that_reads_on_goes_on_bit_for_bit(copy, monkeypatch):
    flags = [*reader(copy), "--train.save_every_steps=5", "--quiet"]
    assert main(flags) == 0
    os.rename(copy / "runs/heir", copy / "runs/whole")
    faults.forget()
    with monkeypatch.context() as patch:
        patch.setenv(faults.VARIABLE, "step.after_backward:9:raise:EIO")
        assert main(flags) != 0
    assert main(flags) == 0
    whole, again = weights(copy / "runs/whole"), weights(copy / "runs/heir")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_every_line_of_metrics_is_plain_cross_entropy(copy):
    """With the teacher alone in the loss, the nats of the first line are still those of an untrained model."""
    flags = ["--train.loss.teacher=mine", "--train.loss.teacher_weight=1", "--train.log_every_steps=1"]
    assert main(["train", "mine.toml", *STUDENT, *flags]) == 0
    lines = [json.loads(line) for line in (copy / "runs/student/metrics.jsonl").read_text().splitlines()]
    assert lines[0]["train_nats"] > 2.5
