"""`idiolect compare`: what it refuses, what it finds, what it keeps, and what a kill costs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TINY = ("--budget", "5120tokens", "--seeds", "2", "--compare.rates=[0.5,1.0]", "--compare.points=3")
VARY = ("--vary", "model.n_layers=1,2")


@pytest.fixture(scope="module")
def compared(finished):
    """One small finished comparison of two variations."""
    from idiolect.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        assert main(["compare", "mine.toml", "--name", "shared", *VARY, *TINY, "--quiet"]) == 0
    return finished / "runs/shared-compare"


def results(folder: Path) -> dict[str, float]:
    """Every finished trial and when it was finished."""
    return {path.parent.name: path.stat().st_mtime for path in folder.rglob("result.json")}


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), "there is nothing to compare"),
        (("--families", "gtp,gpt"), "there is no family gtp; did you mean gpt?"),
        (("--families", "gpt"), "nothing to be compared with"),
        (("--families", "gpt", *VARY), "don't mix"),
        ((*VARY, "--budget", "5"), "budget can't be"),
        ((*VARY, "--budget", "0tokens"), "budget can't be"),
        ((*VARY, "--budget", "50usd"), "budget can't be"),
        ((*VARY, "--budget", "banana"), "--budget 5e6tokens"),
        ((*VARY, "--parameters", "1e30"), "from 1 to 1,099,511,627,775"),
        ((*VARY, "--seeds", "0"), "--seeds can't be '0'"),
        ((*VARY, "--seeds", "many"), "--seeds can't be 'many'"),
        ((*VARY, "--parameters", "-3"), "--parameters can't be '-3'"),
        ((*VARY, "--budget", "10s", "--compare.rates=[1.0,1.0]"), "must be different numbers"),
        (("--compare.seconds=5", "--compare.tokens=5", *VARY), "are both given"),
        ((*VARY, "--budget", "100tokens"), "less than one step"),
        (("--vary", "model.n_layer=1,2"), "did you mean model.n_layers"),
        (("--vary", "model.n_layers=2"), "one variation only"),
        (("--vary", "model.n_layers="), "has no values"),
        (("--vary", "seed=1,2"), "can't vary seed"),
        (("--vary", "evaluate.stride=1,2"), "can't vary evaluate.stride"),
        (("nowhere.toml",), "there is no recipe nowhere.toml"),
        (("mine.toml",), "two recipes are called mine"),
        ((*VARY, "--parameters", "50"), "can't be sized to 50 parameters"),
    ],
)
def test_what_can_not_be_compared_is_refused(here, ask, arguments, words):
    code, _ = ask("compare", "mine.toml", *arguments)
    assert code == 2 and words in ask.stderr and "try:" in ask.stderr and "Traceback" not in ask.stderr


def test_a_comparison_holds_all_that_it_promises(compared):
    data = json.loads((compared / "compare.json").read_text())
    assert data["budget"] == {"kind": "tokens", "amount": 5120, "text": "5.12 k tokens a run"}
    assert data["split"] == "test" and data["seeds"] == 2
    rows = {row["name"]: row for row in data["contenders"]}
    assert set(rows) == {"model.n_layers=1", "model.n_layers=2"}
    for row in rows.values():
        assert row["steps"] == 20 and row["tokens"] == 5120 and row["role"] == "scored"
        scores = [run["bits_per_byte"] for run in row["runs"]]
        assert len(scores) == 2 and row["bits_per_byte"]["value"] == pytest.approx(sum(scores) / 2)
        assert row["bits_per_byte"]["low"] < row["bits_per_byte"]["value"] < row["bits_per_byte"]["high"]
        tried = {one["learning_rate"]: one["value"] for one in row["search"]}
        assert len(tried) in (2, 3) and row["learning_rate"] == min(tried, key=tried.get)
        curve = row["curves"]["flops"]
        assert curve["x"][-1] == pytest.approx(5120 * row["flops_per_token"]) and len(curve["x"]) == len(curve["mean"])
        assert row["memory_bytes"] > 0 and row["tokens_per_second"] > 0
    assert rows["model.n_layers=1"]["parameters"] < rows["model.n_layers=2"]["parameters"]
    (pair,) = data["pairs"]
    assert data["verdicts"] == [pair["verdict"]] and pair["text"]["low"] < pair["text"]["high"]
    assert 0 <= pair["p"] == pair["adjusted_p"] <= 1


def test_the_weights_that_were_scored_stay_and_the_search_leaves_none(compared):
    runs = [path.parent for path in compared.rglob("result.json")]
    kept = {run for run in runs if (run / "checkpoints").exists()}
    assert kept == {run for run in runs if run.name.startswith("run-")} and len(kept) == 4


def test_the_page_the_table_and_the_plot_are_there(compared):
    page, table = (compared / "compare.html").read_text(), (compared / "compare.md").read_text()
    assert "<polyline" in page and "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")
    assert "| model.n\\_layers=2 |" in table and "![" in table and "compare.svg" in table
    assert (compared / "compare.svg").read_text().startswith("<svg")


def test_what_stands_is_not_run_again(here, compared, ask):
    before, data = results(compared), json.loads((compared / "compare.json").read_text())
    code, again = ask("compare", "mine.toml", "--name", "shared", *VARY, *TINY)
    assert code == 0 and results(compared) == before
    assert [row["runs"] for row in again["contenders"]] == [row["runs"] for row in data["contenders"]]
    assert "about 0.0 s" in ask.stderr


def test_one_more_seed_runs_no_more_than_that(here, compared, ask):
    before = results(compared)
    code, found = ask("compare", "mine.toml", "--name", "shared", *VARY, *TINY, "--seeds", "3")
    new = set(results(compared)) - set(before)
    assert code == 0 and len(new) == 2 and {name.partition("-")[0] for name in new} == {"run"}
    assert found["contenders"][0]["bits_per_byte"]["n"] == 3


def test_one_seed_is_never_a_winner(here, compared, ask):
    code, found = ask("compare", "mine.toml", "--name", "shared", *VARY, *TINY, "--seeds", "1")
    assert code == 0 and "no winner" in found["verdicts"][0] and "one seed" in ask.stderr
    assert found["contenders"][0]["bits_per_byte"]["n"] == 1


def test_families_are_sized_alike(here, ask):
    code, found = ask("compare", "mine.toml", "--name", "sized", "--families", "gpt,ngram", *TINY,
                      "--parameters", "27k", "--compare.rates=[1.0]")  # fmt: skip
    assert code == 0, ask.stderr
    rows = {row["name"]: row for row in found["contenders"]}
    assert abs(rows["gpt"]["mismatch"]) < 0.1 and rows["gpt"]["parameters"] == pytest.approx(27_000, rel=0.1)
    assert rows["ngram"]["role"] == "counted" and len(rows["ngram"]["runs"]) == 1 and not rows["ngram"]["search"]
    assert len(found["pairs"]) == 1 and found["pairs"][0]["p"] is not None


def test_recipes_are_compared_by_name(here, ask):
    (here / "deep.toml").write_text('base = "mine.toml"\n[model]\nn_layers = 3\n')
    code, found = ask("compare", "mine.toml", "deep.toml", *TINY, "--compare.rates=[1.0]")
    assert code == 0, ask.stderr
    assert {row["name"] for row in found["contenders"]} == {"mine", "deep"}
    rates = {row["learning_rate"] for row in found["contenders"]}
    assert rates == {1e-3}  # their own


def test_variations_of_the_text_must_hold_out_the_same_documents(here, ask):
    code, _ = ask("compare", "mine.toml", "--name", "other", *TINY, "--vary", "corpus.test_fraction=0.1,0.3")
    assert code == 2 and "hold out different" in ask.stderr


def test_a_variation_of_the_tokenizer_is_scored_on_the_original_bytes(here, ask):
    code, found = ask("compare", "mine.toml", "--name", "cased", *TINY, "--compare.rates=[1.0]",
                      "--vary", "tokenizer.kind=character,byte")  # fmt: skip
    assert code == 0, ask.stderr
    assert all(0.5 < row["bits_per_byte"]["value"] < 10 for row in found["contenders"])


def test_a_run_that_diverges_is_kept_as_such(here, ask, monkeypatch):
    code, found = ask("compare", "mine.toml", "--name", "wild", "--vary", "optim.clip_norm=0.0,1.0", *TINY,
                      "--compare.rates=[1.0,1e38]", "--compare.widenings=0")  # fmt: skip
    assert code == 0, ask.stderr
    for row in found["contenders"]:
        assert [bool(one["failed"]) for one in row["search"]] == [False, True] and row["learning_rate"] == 1e-3


def test_the_report_of_the_run_shows_its_comparison(here, compared, ask):
    (here / "runs/mine-compare").mkdir(exist_ok=True)
    (here / "runs/mine-compare/compare.json").write_text((compared / "compare.json").read_text())
    code, found = ask("report", "runs/mine")
    page = Path(found["report"]).read_text()
    assert code == 0 and "bits per byte against seconds of training" in page


def test_killed_it_goes_on_to_the_same_scores(here, compared, ask):
    arguments = ["compare", "mine.toml", "--name", "killed", *VARY, *TINY]
    child = subprocess.Popen(
        [sys.executable, "-m", "idiolect", *arguments, "--quiet"], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    folder = here / "runs/killed-compare"
    end = time.monotonic() + 120
    while len(list(folder.rglob("result.json"))) < 4 and child.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    stood = results(folder)
    code, found = ask(*arguments)
    after = results(folder)
    assert code == 0 and {name: after[name] for name in stood} == stood and len(after) > len(stood)
    whole = json.loads((compared / "compare.json").read_text())

    def first_scores(data: dict) -> dict[str, float]:
        return {row["name"]: row["runs"][0]["bits_per_byte"] for row in data["contenders"]}

    assert first_scores(found) == first_scores(whole)
