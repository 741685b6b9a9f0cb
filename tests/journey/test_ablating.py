"""`idiolect compare --ablate`: the effect of single settings on the original bytes of the same documents."""

import json

import pytest

from idiolect.stages.classifying import share_interval
from idiolect.tune.compare import mean_interval

TINY = ("--budget", "5120tokens", "--seeds", "2", "--compare.rates=[1.0]", "--compare.points=3")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--ablate", "corpus.clean.lowrcase"), "did you mean corpus.clean.lowercase"),
        (("--ablate", "corpus.clean.blank_lines"), "has no value"),
        (("--ablate", "corpus.clean.lowercase=false"), "changes nothing"),
        (("--ablate", "corpus.clean.lowercase,corpus.clean.lowercase"), "names corpus.clean.lowercase=true twice"),
        (("--ablate", "seed=2"), "can't vary seed"),
        (("--ablate", "corpus.clean.lowercase", "--families", "gpt"), "don't mix"),
    ],
)
def test_what_can_not_be_ablated_is_refused(here, ask, arguments, words):
    code, _ = ask("compare", "mine.toml", *arguments)
    assert code == 2 and words in ask.stderr and "try:" in ask.stderr and "Traceback" not in ask.stderr


def test_a_transform_is_scored_on_the_original_bytes(here, ask):
    arguments = ("compare", "mine.toml", "--name", "eased", "--ablate", "corpus.clean.lowercase", *TINY)
    code, found = ask(*arguments)
    assert code == 0, ask.stderr
    rows = {row["name"]: row for row in found["contenders"]}
    assert set(rows) == {"as it is", "corpus.clean.lowercase=true"}
    assert ask.stderr.count("can never write what was removed") == 1
    note = next(note for note in found["notes"] if "transformed: lower-cased" in note)
    assert "per byte of the original text; perplexity isn't comparable" in note
    assert not any("changed least" in note for note in found["notes"]), "the bytes are the same, so nothing is scaled"
    lists = [json.loads(path.read_text()) for path in here.glob("runs/prepared/shards-*/test.shards.json")]
    assert found["scored_bytes"] in {one["n_bytes"] for one in lists}
    (verdict,) = found["verdicts"]
    assert "as it is" in verdict and "bits per byte" in verdict
    assert " better than " not in verdict and "no proof of a better model" in verdict
    again, same = ask(*arguments)
    assert again == 0 and same["contenders"][0]["runs"] == found["contenders"][0]["runs"]


def test_a_filter_is_scored_on_the_documents_that_all_hold_out(here, ask):
    code, found = ask("compare", "mine.toml", "--name", "fewer", "--ablate", "corpus.min_characters=190", *TINY)
    assert code == 0, ask.stderr
    assert len(found["contenders"]) == 2 and len(found["pairs"]) == 1
    audits = [json.loads(path.read_text())["kept"] for path in here.glob("runs/prepared/corpus-*/audit.json")]
    held = sorted({(kept["test"]["documents"], kept["test"]["bytes"]) for kept in audits})
    assert found["scored_bytes"] == held[0][1] < held[-1][1], "the smaller of the two test splits is the common one"


def test_with_a_task_classifiers_are_compared_too(here, ask):
    pytest.importorskip("sklearn")
    lines = [f"{'Cats' if n % 2 else 'dogs'} {n % 7} run past the house,{'cat' if n % 2 else 'dog'}" for n in range(80)]
    (here / "labelled.csv").write_text("\n".join(["text,label", *lines]))
    task = ("--finetune.task.train=labelled.csv", "--finetune.train.steps=5", "--finetune.train.eval_every_steps=5",
            "--finetune.task.validation_share=0.4")  # fmt: skip
    arguments = ("compare", "mine.toml", "--name", "sorted", "--ablate", "corpus.clean.lowercase", *TINY, *task)
    code, found = ask(*arguments)
    assert code == 0, ask.stderr
    assert "TF-IDF" in (here / "runs/sorted-compare/compare.md").read_text()
    assert "as a classifier" in (here / "runs/sorted-compare/compare.html").read_text()
    for row in found["classifier"].values():
        assert len(row["runs"]) == 2 and row["macro_f1"]["low"] <= row["macro_f1"]["value"] <= row["macro_f1"]["high"]
        assert 0 < row["tf_idf_macro_f1"] <= 1
    assert any(verdict.startswith("as classifiers: ") and "macro-F1" in verdict for verdict in found["verdicts"])
    before = sorted(path.stat().st_mtime for path in here.glob("runs/sorted-compare/*/*/classifier-*/finetune.json"))
    assert len(before) == 4 and ask(*arguments)[0] == 0
    assert before == sorted(p.stat().st_mtime for p in here.glob("runs/sorted-compare/*/*/classifier-*/finetune.json"))


def test_scores_of_transformed_text_are_marked(here, ask):
    code, _ = ask("run", "mine.toml", "--name", "small", "--corpus.clean.lowercase=true", "--train.steps=4")
    assert code == 0, ask.stderr
    note = "text was transformed: lower-cased; bits per byte are per byte of the original text"
    assert note in json.loads((here / "runs/small/evaluation.json").read_text())["text"]
    assert note in (here / "runs/small/report.html").read_text()
    code, found = ask("evaluate", "runs/small")
    assert note in found["text"] and note in ask.stderr
    assert "text" not in json.loads((here / "runs/mine/evaluation.json").read_text())


def test_an_interval_of_shares_stays_between_nothing_and_all():
    found = share_interval([0.2, 0.9])
    assert (found["low"], found["high"]) == (0.0, 1.0) and mean_interval([0.2, 0.9])["high"] > 1
    assert share_interval([0.53, 0.54]) == mean_interval([0.53, 0.54])
