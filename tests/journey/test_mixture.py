"""A mixture of sources from the command line: planned, trained, killed and taken up, shared by processes, scored."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from idiolect.cli import main
from idiolect.corpus.sources import default
from idiolect.rundir import sha256_file

WORDS = {
    "cats": "cat purrs sleeps hunts climbs mouse",
    "dogs": "dog barks digs runs fetches ball",
    "sums": "one two six",
}
RECIPE = """
[corpus]
validation_fraction = 0.1
test_fraction = 0.0
anneal_fraction = 0.5

[[corpus.sources]]
name = "cats"
text = ["cats"]
weight = 3.0
anneal_weight = 1.0
licence = "CC0-1.0"

[[corpus.sources]]
name = "dogs"
text = ["dogs"]
weight = 1.0
validation_fraction = 0.3

[[corpus.sources]]
name = "sums"
text = ["sums"]
tokens = 640

[tokenizer]
kind = "character"
min_frequency = 1

[model]
context_length = 32
n_layers = 1
d_model = 32
n_heads = 2
dropout = 0.1

[train]
steps = 24
batch_tokens = 256
save_every_steps = 5
eval_every_steps = 8

[evaluate]
splits = ["validation"]

[evaluate.floors]
orders = [2]

[device]
threads = 1
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    choose = random.Random(1)
    for name, words in WORDS.items():
        (folder / name).mkdir()
        for number in range(40):
            (folder / name / f"{number}.txt").write_text(" ".join(choose.choices(words.split(), k=40)))
    (folder / "mine.toml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "mine.toml", "--quiet"]) == 0
        yield folder


def ask(capsys, *arguments):
    code = main([*arguments, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]), captured.err


def test_prepare_and_plan_show_what_a_run_draws(here, capsys):
    for verb in ("prepare", "plan"):
        code, found, shown = ask(capsys, verb, "mine.toml")
        rows = {row["source"]: row for row in found["mixture"]}
        assert code == 0 and "mixture of sources" in shown
        assert list(rows) == ["cats", "dogs", "sums"] and sum(row["drawn"] for row in rows.values()) == 24 * 256
        assert rows["sums"]["drawn"] == 640 and rows["cats"]["weight"] == "3 to 1"
        assert rows["cats"]["epochs"] == pytest.approx(rows["cats"]["drawn"] / rows["cats"]["tokens"])


def test_too_many_passes_are_warned_of(here, capsys):
    _, _, shown = ask(capsys, "prepare", "mine.toml", "--train.steps=900")
    assert "beyond 4 passes repeats teach less and less" in " ".join(shown.split())


def test_the_run_s_books_balance_for_each_source(here):
    ledger = json.loads((here / "runs/mine/training.json").read_text())["ledger"]
    assert ledger["trained"] == 24 * 256 == sum(one["trained"] for one in ledger["sources"].values())
    assert ledger["sources"]["sums"]["trained"] == 640


def test_each_source_is_scored_by_itself(here):
    scores = json.loads((here / "runs/mine/evaluation.json").read_text())["splits"]["validation"]
    own = scores["sources"]
    assert set(own) == set(WORDS)
    assert sum(one["nats"]["n"] for one in own.values()) == scores["nats"]["n"]
    mean = sum(one["nats"]["value"] * one["nats"]["n"] for one in own.values()) / scores["nats"]["n"]
    assert mean == pytest.approx(scores["nats"]["value"])
    assert own["dogs"]["nats"]["n"] > own["cats"]["nats"]["n"], "dogs hold out three times as much"
    assert "Bits per byte by source" in (here / "runs/mine/report.html").read_text()


def test_a_killed_run_ends_in_the_same_weights(here):
    command = [sys.executable, "-m", "idiolect", "train", "mine.toml", "--name", "killed", "--quiet"]
    fault = os.environ | {"IDIOLECT_FAULT": "step.after_backward:19:kill", "OMP_NUM_THREADS": "1"}
    assert subprocess.run(command, cwd=here, env=fault, timeout=300).returncode == -signal.SIGKILL
    assert main(command[3:]) == 0
    weights = "checkpoints/step-000024/weights.safetensors"
    assert sha256_file(here / "runs/killed" / weights) == sha256_file(here / "runs/mine" / weights)


def test_two_processes_read_the_same_samples(here):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29531",
               "-m", "idiolect", "train", "mine.toml", "--quiet", "--model.dropout=0.0"]  # fmt: skip
    done = subprocess.run([*command, "--name", "together"], cwd=here, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert main([*command[7:], "--name", "alone"]) == 0
    found = [json.loads((here / f"runs/{name}/training.json").read_text()) for name in ("together", "alone")]
    assert found[0]["ledger"] == found[1]["ledger"]
    assert found[0]["outcome"]["best_value"] == pytest.approx(found[1]["outcome"]["best_value"], rel=1e-4)


def test_other_weights_are_another_run_of_the_same_text(here):
    prepared = sorted(path.name for path in (here / "runs/prepared").iterdir())
    for weight in (3.0, 2.0):
        (here / "other.toml").write_text(RECIPE.replace("weight = 3.0", f"weight = {weight}"))
        assert main(["train", "other.toml", "--name", "weighed", "--quiet", "--train.steps=4"]) == 0
    assert (here / "runs/weighed.1").exists(), "the earlier run was not moved aside"
    assert sorted(path.name for path in (here / "runs/prepared").iterdir()) == prepared


@pytest.mark.parametrize("settings, said", [
    (["--train.budget_seconds=5"], "anneal_weight can't be with train.budget_seconds"),
    (["--model.context_length=4096", "--train.batch_tokens=4096"], "may give less than the 4,096 tokens"),
])  # fmt: skip
def test_what_cannot_be_mixed_is_refused(here, capsys, settings, said):
    assert main(["train", "mine.toml", "--name", "refused", *settings]) in (2, 3)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("model", [
    ["--model.kind=lstm", "--model.d_model=16", "--model.n_layers=1", "--train.carry_windows=4"],
    ["--model.kind=bert", "--model.d_model=16", "--model.n_layers=1", "--model.n_heads=1"],
    ["--model.kind=t5", "--model.d_model=16", "--model.n_layers=1", "--model.n_heads=1"],
])  # fmt: skip
def test_every_way_of_reading_takes_a_mixture(here, tmp_path, model):
    kept = RECIPE.replace(RECIPE[RECIPE.index("n_layers") : RECIPE.index("[train]")], "\n")
    (here / "kinds.toml").write_text(kept)
    name = model[0].partition("=")[2]
    assert main(["train", "kinds.toml", "--name", name, "--quiet", "--train.steps=8", *model]) == 0
    ledger = json.loads((here / f"runs/{name}/training.json").read_text())["ledger"]
    assert set(ledger["sources"]) == set(WORDS) and all(one["trained"] for one in ledger["sources"].values())


def test_the_built_in_mixture_runs(tmp_path, monkeypatch, capsys):
    """The recipe as it stands, on a few modules of each library and for a few steps."""
    modules = default.modules_of
    monkeypatch.setattr(default, "modules_of", lambda library: [
        module for module in modules(library) if module.parts[0] in ("json", "linalg", "algorithms", "optim")
    ][:30])  # fmt: skip
    small = ["--train.steps=100", "--train.batch_tokens=1024", "--model.n_layers=1", "--model.d_model=32",
             "--model.n_heads=2", "--tokenizer.vocabulary_size=512", "--corpus.workers=1"]  # fmt: skip
    code, found, _ = ask(capsys, "train", "mixture", "--runs", str(tmp_path / "runs"), *small)
    assert code == 0
    sources = json.loads((tmp_path / "runs/mixture/training.json").read_text())["ledger"]["sources"]
    assert set(sources) == {"language", "arrays", "learning", "graphs"}
    assert sources["graphs"]["trained"] == 60_000 // 128 * 128
