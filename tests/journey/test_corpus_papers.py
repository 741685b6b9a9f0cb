"""What the page beside a corpus takes from stages after it: measured tokens, leaks that were cut out, the mixture."""

import json
import re
import shutil

import pytest

from idiolect.cli import main
from idiolect.report.figures import significant
from idiolect.stages.auditing import whole_audit
from tests.journey.conftest import RECIPE, write_text

QUESTION = "If a farmer has seventeen sheep and all but nine of them run away one night then how many are left"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of a prepared mixture whose text holds an exam's question, which is cut out."""
    folder = tmp_path_factory.mktemp("papers")
    write_text(folder / "text", 60)
    (folder / "more").mkdir()
    for path in sorted((folder / "text").glob("*.txt"))[40:]:
        path.rename(folder / "more" / path.name)
    leaking = folder / "text/000.txt"
    leaking.write_text(
        f"{leaking.read_text()}\n\n{QUESTION} the teacher asked.\n\n{(folder / 'text/001.txt').read_text()}"
    )
    (folder / "exam.jsonl").write_text("".join(json.dumps({"q": q}) + "\n" for q in (QUESTION, "What is it?")))
    recipe = RECIPE.replace('text = ["text"]', "").replace(
        "[tokenizer]",
        'decontaminate.against = ["exam.jsonl"]\ndecontaminate.action = "remove"\n'
        '[[corpus.sources]]\nname = "tales"\ntext = ["text"]\nweight = 0.75\n'
        '[[corpus.sources]]\nname = "rest"\ntext = ["more"]\nweight = 0.25\n[tokenizer]',
    )
    (folder / "mine.toml").write_text(recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["prepare", "mine.toml", "--quiet", "--corpus.workers=1"]) == 0
    return folder


def page_of(folder) -> str:
    text = next((folder / "runs/prepared").glob("audit-*/audit.html")).read_text(encoding="utf-8")
    return re.sub("<[^>]+>", " ", text.replace("\u202f", " "))


def test_tokens_are_those_of_the_trained_tokenizer(prepared):
    written = json.loads(next((prepared / "runs/prepared").glob("shards-*/train.shards.json")).read_text())
    documents = next(path for path in (prepared / "runs/prepared").glob("corpus-*") if path.is_dir())
    measured = whole_audit(documents)["kept"]["train"]["bytes"] / written["n_tokens"]
    before, after = whole_audit(documents)["profile"], whole_audit(documents, measured)["profile"]
    assert before["unique"]["assumed"] and not after["unique"]["assumed"]
    assert after["unique"]["tokens"] == written["n_tokens"]
    assert f"tokens of training text (measured: {significant(measured, 3)} bytes each)" in page_of(prepared)
    assert after["feeds"]["unique_tokens"] == after["unique"]["of_distinct_passages"]["tokens"]
    assert before["feeds"] != after["feeds"]


def test_evaluation_sets_are_looked_for_again_in_what_is_kept(prepared):
    documents = next(path for path in (prepared / "runs/prepared").glob("corpus-*") if path.is_dir())
    audit = whole_audit(documents)
    assert audit["decontamination"]["exam.jsonl"] == {"items": 2, "too_short": 1, "found": 1, "documents": 1}
    rows = {(row["of"], row["n"]): row for row in audit["profile"]["overlap"]}
    assert rows["evaluation: exam.jsonl", 13]["grams"] > 0 and rows["evaluation: exam.jsonl", 13]["shared"] == 0
    assert "contaminated" not in audit["dropped"] and audit["pairs"]["contaminated"]
    page = page_of(prepared)
    assert "Evaluation sets kept out" in page and "cut out" in page and "seventeen" in page


def test_the_page_shows_what_a_training_reads_of_each_source(prepared):
    page = page_of(prepared)
    assert "The mixture, as a whole training reads it" in page and "75.0 %" in page and "25.0 %" in page


def test_other_weights_make_another_page_and_no_other_corpus(prepared, tmp_path, monkeypatch, capsys):
    shutil.copytree(prepared, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    recipe = (tmp_path / "copy/mine.toml").read_text()
    (tmp_path / "copy/mine.toml").write_text(recipe.replace("0.75", "0.5").replace("0.25", "0.5"))
    assert main(["prepare", "mine.toml"]) == 0
    said = capsys.readouterr().err
    assert "corpus: nothing to do" in said and "shards: nothing to do" in said and "audit: nothing to do" not in said
