"""The whole journey of a model that reads both sides, from the command line: trained, scored, filling, fine-tuned."""

import json

import pytest

from idiolect.cli import main

SMALL = [
    "--model.kind=bert", "--model.context_length=16", "--model.n_layers=1", "--model.d_model=16", "--model.n_heads=2",
    "--tokenizer.kind=character", "--train.steps=4", "--train.batch_tokens=64", "--train.eval_every_steps=2",
    "--evaluate.pseudo_tokens=64", "--generate.max_tokens=8", "--device.kind=cpu",
]  # fmt: skip


def said(capsys, *words):
    code = main([*words, "--json"])
    out = capsys.readouterr().out
    assert code == 0, out
    return json.loads(out.strip().splitlines()[-1])


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(
        "\n\n".join(f"the cat number {i} sat on the mat, not the dog" for i in range(200))
    )
    path = tmp_path / "bert.toml"
    path.write_text('[corpus]\ntext = ["text.txt"]\n')
    return str(path)


def test_the_journey(recipe, tmp_path, capsys):
    said(capsys, "run", recipe, *SMALL)
    run = tmp_path / "runs" / "bert"
    scores = json.loads((run / "evaluation.json").read_text())["splits"]["validation"]
    assert scores["about"]["kind"] == "pseudo-likelihood" and "against" not in scores
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    checked = [line for line in lines if "validation_nats" in line]
    assert checked and not any(line.get("validation_bits_per_byte") for line in lines)
    said_of_model = json.loads((run / "training.json").read_text())["flops_per_token"]
    vocabulary = json.loads((run / "training.json").read_text())["vocabulary_size"]
    assert said_of_model["head"] == round(0.15 * 2 * vocabulary * 16)  # 15 % of the tokens are predicted
    assert said(capsys, "plan", recipe, *SMALL)["flops_per_token"] == said_of_model["training"]
    report = (run / "report.html").read_text()
    assert "pseudo-likelihood" in report and "pseudo bits per byte" in report
    found = said(capsys, "generate", str(run), "--prompt", "the [MASK]at sat")["texts"][0]
    assert len(found["gaps"]) == 1 and len(found["gaps"][0]["candidates"]) == 5
    assert len(found["text"]) == len("the cat sat")
    written = said(capsys, "generate", str(run), "--prompt", "the cat")["texts"][0]
    assert written["tokens"] == 8
    assert main(["chat", str(run)]) == 2
    assert "[MASK]" in capsys.readouterr().err
