"""Each verb, as a user types it, on one small finished run."""

import json
import shutil

import pytest

from idiolect.cli import main
from idiolect.rundir import verify_folder
from idiolect.verbs import VERBS


def test_the_run_holds_what_was_promised(here):
    run = here / "runs/mine"
    for name in ("recipe.toml", "lineage.json", "metrics.jsonl", "samples.txt", "evaluation.json", "report.html"):
        assert (run / name).stat().st_size > 0, name
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert all("validation_bits_per_byte" in line and line["train_nats"] > 0 for line in lines)


def test_no_artefact_names_this_machine(here):
    for path in (here / "runs").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".toml", ".txt", ".html"):
            assert str(here) not in path.read_text(encoding="utf-8"), path


def test_running_again_does_nothing_and_says_so(here, capsys):
    before = {
        p: p.stat().st_mtime_ns for p in (here / "runs").rglob("*") if p.suffix in (".safetensors", ".parquet", ".html")
    }
    assert main(["run", "mine.toml"]) == 0
    said = capsys.readouterr().err
    for stage in ("corpus", "tokenizer", "shards", "floors", "training", "evaluation", "samples", "report"):
        assert f"{stage}: nothing to do" in said
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_a_changed_value_redoes_what_depends_on_it_alone(finished, tmp_path, monkeypatch, capsys):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")

    def redone(*flags):
        capsys.readouterr()
        assert main(["run", "mine.toml", *flags]) == 0
        said = capsys.readouterr().err
        stages = ("corpus", "tokenizer", "shards", "floors", "training", "evaluation", "samples", "report")
        return [stage for stage in stages if f"{stage}: nothing to do" not in said]

    assert redone("--generate.max_tokens=20") == ["samples", "report"]
    assert redone("--evaluate.stride=16", "--generate.max_tokens=20") == ["evaluation", "report"]
    flags = ("--evaluate.stride=16", "--generate.max_tokens=20")
    assert redone("--train.steps=10", *flags) == ["training", "evaluation", "samples", "report"]
    assert (tmp_path / "copy/runs/mine.1/report.html").exists()
    # A tokenizer that no other test prepares in the folder they share.
    assert redone("--tokenizer.lower_case=true", "--train.steps=10", *flags) == [
        "tokenizer", "shards", "floors", "training", "evaluation", "samples", "report"
    ]  # fmt: skip


def test_a_built_in_recipe_is_read_anew_though_a_run_bears_its_name(tmp_path, monkeypatch):
    from idiolect.progress import Progress
    from idiolect.stages.job import open_job

    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/demo/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/demo/recipe.toml").write_text("seed = 77\n")
    where = {"name": None, "runs": tmp_path / "runs", "progress": Progress.silent()}
    assert open_job("demo", (), **where).recipe.seed == 1
    assert open_job("demo", (), **where, trained=True).recipe.seed == 77


def test_settings_that_only_watch_may_change(here, capsys):
    assert main(["train", "mine.toml", "--train.log_every_steps=5", "--train.keep=3"]) == 0
    assert "training: nothing to do" in capsys.readouterr().err


def test_evaluate_gives_scores_with_intervals_and_floors(here, ask):
    code, found = ask("evaluate", "runs/mine")
    assert code == 0 and set(found["splits"]) == {"validation", "test"}
    for split in found["splits"].values():
        for name in ("bits_per_byte", "nats", "perplexity", "token_accuracy"):
            assert split[name]["low"] <= split[name]["value"] <= split[name]["high"]
        assert {"uniform", "unigram", "kneser_ney_3"} <= set(split["floors"])


def test_prepare_says_what_it_made(here, ask):
    code, found = ask("prepare", "mine.toml")
    assert code == 0 and sum(found["documents"].values()) <= 120 and found["tokens"]["train"] > 1000
    assert all(len(h) == 64 for h in found["shards"])


def test_generate_writes_the_same_text_for_the_same_seed(here, ask):
    arguments = ("generate", "runs/mine", "--prompt", "The cat", "--generate.samples=2", "--generate.seed=7")
    first, second = ask(*arguments), ask(*arguments)
    assert first == second and first[0] == 0
    texts = [text["text"] for text in first[1]["texts"]]
    assert len(texts) == 2 and texts[0] != texts[1]


def test_generate_streams_to_standard_output(here, capsys):
    assert main(["generate", "runs/mine", "--prompt", "The cat", "--generate.max_tokens=5"]) == 0
    assert capsys.readouterr().out.startswith("The cat")


def test_chat_talks_without_a_terminal(here, monkeypatch, capsys):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("The dog\n/quit\n"))
    assert main(["chat", "runs/mine", "--generate.max_tokens=5"]) == 0
    assert "The model continues" in capsys.readouterr().out


def test_verify_finds_a_flipped_byte(finished, tmp_path, monkeypatch, ask):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    assert ask("verify", "runs/mine")[0] == 0
    # Other tests prepare other shards in the same folder: those of this run are meant.
    shards = json.loads((tmp_path / "copy/runs/mine/training.json").read_text())["stages"]["shards"]
    path = next((tmp_path / "copy/runs/prepared" / shards).glob("train-*.tokens"))
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)
    code, _ = ask("verify", "runs/mine")
    assert code == 3 and path.name in ask.stderr


def test_show_names_the_origin_of_every_value(here, ask):
    code, found = ask("show", "mine.toml", "--train.steps=5")
    assert code == 0
    assert found["train.steps"] == {"value": 5, "origin": "--train.steps"}
    assert found["model.d_model"]["origin"].startswith("mine.toml, line")
    assert found["seed"]["origin"] == "default"


@pytest.mark.parametrize("what, key", [("corpus", "kept"), ("tokenizer", "bytes_per_token"), ("schema", "properties")])
def test_show_what(here, ask, what, key):
    code, found = ask("show", "mine.toml", "--what", what)
    assert code == 0 and key in found


def test_the_run_repeats_from_its_own_recipe(here, ask):
    code, found = ask("train", "runs/mine/recipe.toml", "--name", "again")
    assert code == 0
    weights = [sorted((here / "runs" / name / "checkpoints").glob("step-*"))[-1] for name in ("mine", "again")]
    hashes = [json.loads((w / "manifest.json").read_text())["files"]["weights.safetensors"]["sha256"] for w in weights]
    assert hashes[0] == hashes[1]
    verify_folder(weights[1])


def test_export_is_checked_against_stock_transformers(here, ask, tmp_path):
    pytest.importorskip("transformers")
    flags = ("--model.mlp=swiglu", "--model.qk_norm=false", "--model.tied_head=false", "--train.steps=3")
    assert ask("train", "mine.toml", "--name", "llama", *flags)[0] == 0
    code, found = ask("export", "runs/llama", "--out", str(tmp_path / "hf"))
    assert code == 0 and found["max_logit_difference"] < 1e-4
    assert (tmp_path / "hf/config.json").exists()


def test_an_export_that_stock_code_can_not_express_names_the_key(here, ask, tmp_path):
    pytest.importorskip("transformers")
    code, _ = ask("export", "runs/mine", "--out", str(tmp_path / "hf"))
    assert code == 2 and "model.mlp" in ask.stderr and not (tmp_path / "hf").exists()


def test_tune_searches_and_resumes(here, ask):
    pytest.importorskip("optuna")
    arguments = (
        "tune",
        "mine.toml",
        "--name",
        "search",
        "--space",
        "model.n_layers=1,2",
        "--tune.kind=grid",
        "--train.steps=4",
    )
    code, found = ask(*arguments)
    assert code == 0 and sorted(t["overrides"]["model.n_layers"] for t in found["trials"]) == [1, 2]
    assert ask(*arguments)[1]["trials"] == found["trials"]
    assert (here / "runs/search-tune/best.toml").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_by_example(verb, capsys):
    assert main([verb, "--help"]) == 0
    page = capsys.readouterr().out
    assert "examples:" in page and f"idiolect {verb}" in page and "--json" in page


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["trian"], "did you mean train?"),
        (["train"], "no recipe is named"),
        (["train", "nowhere.toml"], "there is no recipe nowhere.toml"),
        (["train", "shakespear"], "shakespeare"),
        (["evaluate", "text"], "not the folder of a run"),
        (["chat", "mine.toml", "--name", "untrained"], "no trained model yet"),
        (["train", "mine.toml", "--train.stepz=3"], "did you mean train.steps?"),
        (["train", "mine.toml", "--name", "a/b"], "can't name a run"),
        (["train", "mine.toml", "other.toml"], "one argument too many"),
        (["evaluate", "runs/mine", "--checkpoint", "7"], "it has kept steps 20, 30"),
        (["finetune", "runs/mine", "--task", "poetry"], "is no task"),
        (["show", "mine.toml", "--what", "nothing"], "is nothing to show"),
    ],
)
def test_mistakes_are_answered_in_three_lines(here, capsys, arguments, words):
    code = main(arguments)
    said = capsys.readouterr().err
    assert code in (2, 3, 4) and words in said and "Traceback" not in said
    assert "error: " in said and "  try: " in said.splitlines()[-1]


def test_finetune_learns_a_task_and_stands_beside_baselines(here, ask):
    pytest.importorskip("sklearn")
    rows = ["label,text"]
    for number in range(90):
        label, word = (("pet", "cat"), ("wild", "bird"))[number % 2]
        rows.append(f"{label},The {word} likes house number {number}.")
    (here / "labelled.csv").write_text("\n".join(rows) + "\n")
    task = {"task.train": "labelled.csv", "train.steps": 40, "train.eval_every_steps": 20, "train.batch_tokens": 512}
    flags = [f"--finetune.{key}={value}" for key, value in task.items()]
    arguments = ("finetune", "runs/mine", "--task", "classification", *flags,
                 "--finetune.optim.optimiser.learning_rate=0.003", "--finetune.optim.average_decay=0.9")  # fmt: skip
    code, found = ask(*arguments)
    assert code == 0 and set(found["baselines"]) == {"majority", "tf_idf"}
    assert found["scores"]["accuracy"]["low"] <= found["scores"]["accuracy"]["value"] and found["parent"] == "mine"
    assert (here / "runs/mine-classification/finetune.json").exists()
    assert list(here.glob("runs/mine-classification/checkpoints/step-*/average.safetensors"))
    assert ask(*arguments)[1] == found and "nothing to do" in ask.stderr


def test_new_writes_a_recipe_that_runs(here, ask, monkeypatch):
    from idiolect.stages import planning

    monkeypatch.setattr(planning, "machine_profile", lambda *_: {64: 2e10, 128: 5e10, 256: 8e10})
    code, found = ask("new", "planned.toml", "--text", "text", "--budget", "20s")
    assert code == 0 and found["predicted"]["seconds"] <= 20
    written = (here / "planned.toml").read_text()
    assert written.startswith("# Written by") and "[model]" in written and "unique tokens" in written
    assert "budget_seconds = 17.0" in written, "a budget of time is kept, whatever the forecast said"
    assert ask("show", "planned.toml")[0] == 0
    assert ask("new", "planned.toml", "--text", "text")[0] == 2, "a recipe is never overwritten"


@pytest.mark.parametrize(("seconds", "sizes"), [(0.1, 1), (60, 4)])
def test_the_machine_is_measured_no_longer_than_the_budget_allows(monkeypatch, seconds, sizes):
    import time

    from idiolect.progress import Progress
    from idiolect.stages import planning

    def timed(configs, *_, **__):
        time.sleep(0.05)
        return {config.d_model: 1e10 for config in configs}

    monkeypatch.setattr(planning, "speed_profile", timed)
    assert len(planning.machine_profile(None, seconds, Progress.silent())) == sizes


def test_plan_and_doctor_of_a_recipe(here, ask):
    code, found = ask("plan", "mine.toml")
    assert code == 0 and found["parameters"]["total"] > 0 and found["seconds"] > 0
    code, found = ask("doctor", "mine.toml", "--optim.optimiser.learning_rate=0.9")
    assert code == 0 and any("learning_rate" in f["about"] for f in found["findings"])
    assert all(set(f) == {"severity", "about", "says", "try"} for f in found["findings"])


def test_training_says_what_is_far_too_large_for_the_text(here, ask):
    """A family named by its kind alone comes in its own usual size, whatever the recipe's other family had."""
    assert (
        ask("train", "mine.toml", "--name", "large", "--train.steps=1", "--model.kind=lstm", "--model.d_model=512")[0]
        == 0
    )
    assert "for each token of the text" in ask.stderr and "--model.d_model=" in ask.stderr
    assert ask("train", "mine.toml", "--name", "fit", "--train.steps=1")[0] == 0
    assert "for each token of the text" not in ask.stderr


def test_a_plan_keeps_to_the_budget_of_time(here, ask, monkeypatch):
    from idiolect.stages import forecasting

    speed = {"tokens_per_second": 1000.0, "flops_per_token": 1e6, "steps": 3, "low": 900.0, "high": 1100.0}
    monkeypatch.setattr(forecasting, "measure_training", lambda *_, **__: speed)
    plans = {budget: ask("plan", "mine.toml", f"--train.budget_seconds={budget}")[1] for budget in (0, 2, 1000)}
    assert plans[2]["tokens"] == 8 * 256 and plans[2]["seconds"] == pytest.approx(2, abs=0.1)
    assert plans[0] == plans[1000] and plans[0]["tokens"] == 30 * 256


def test_two_processes_train_together(here, tmp_path):
    """torchrun on a CPU: gloo, one run directory, the same steps as alone."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29517",
               "-m", "idiolect", "train", "mine.toml", "--name", "together", "--quiet", "--train.steps=4"]  # fmt: skip
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((here / "runs/together/training.json").read_text())
    assert record["outcome"]["step"] == 4 and record["outcome"]["tokens"] == 4 * 256


def test_a_second_process_in_the_same_run_is_refused(here, capsys):
    from idiolect.rundir import RunDir

    with RunDir(here / "runs/mine").lock():
        assert main(["train", "mine.toml"]) == 7
    assert "in use by process" in capsys.readouterr().err
