"""A mixture of experts from the command line: trained, resumed, scored, its routing in the metrics."""

import json
import os
import shutil

import torch
from safetensors.torch import load_file

from idiolect import faults
from idiolect.cli import main

FLAGS = (
    "--model.n_experts=4", "--train.steps=20", "--name=experts", "--train.save_every_steps=5", "--model.shared_d_ff=16",
    "--train.micro_batch_tokens=128", "--train.loss.z_loss=1e-4", "--train.loss.label_smoothing=0.05",
)  # fmt: skip


def test_it_trains_resumes_bit_for_bit_and_tells_of_its_routing(finished, tmp_path, monkeypatch, ask):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    assert main(["train", "mine.toml", "--quiet", *FLAGS]) == 0
    os.rename("runs/experts", "runs/whole")
    faults.forget()
    with monkeypatch.context() as patch:
        patch.setenv(faults.VARIABLE, "step.after_backward:13:raise:EIO")
        assert main(["train", "mine.toml", "--quiet", *FLAGS]) != 0
    assert main(["train", "mine.toml", "--quiet", *FLAGS]) == 0
    whole, again = (
        load_file(f"runs/{name}/checkpoints/step-000020/weights.safetensors") for name in ("whole", "experts")
    )
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    lines = [json.loads(line) for line in open("runs/experts/metrics.jsonl")]
    before = [json.loads(line) for line in open("runs/whole/metrics.jsonl")]
    for line, other in zip(lines, before, strict=True):
        assert len(line["expert_load"]) == 2 and all(len(load) == 4 for load in line["expert_load"])
        assert line["expert_load"] == other["expert_load"] and line["expert_dead_share"] <= 0.5
        assert 0 < line["expert_load_entropy"] <= 1 <= line["expert_load_max"]
    record = json.load(open("runs/experts/training.json"))
    assert record["active_parameters"] < record["parameters"]["total"]
    assert ask("evaluate", "runs/experts", "--quiet")[0] == 0
    code, written = ask("generate", "runs/experts", "--prompt", "The ", "--quiet")
    assert code == 0 and written["texts"][0]["tokens"] > 0
    assert main(["run", "runs/experts/recipe.toml", "--name=experts", "--quiet"]) == 0
