"""A trained run of any family that reads from the left prices the documents of another preparation."""

import json

import numpy as np
import pytest
import torch

from idiolect.cli import main
from idiolect.stages.run_judge import run_judge
from tests.journey.conftest import RECIPE, write_text


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    write_text(folder / "text", 60)
    (folder / "mine.toml").write_text(RECIPE)
    (folder / "lstm.toml").write_text(RECIPE.replace("[model]", '[model]\nkind = "lstm"').replace("n_heads = 2\n", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("mine", "lstm"):
            assert main(["train", f"{name}.toml", "--quiet"]) == 0
        yield folder / "runs"


def by_one(judge, text: str) -> float:
    """An independent reckoning: the whole history for every letter, as far as the judge says it reaches."""
    ids = [judge.tokenizer.end_id, *judge.tokenizer.encode(text).tolist()]
    nats, length, half = 0.0, judge.length, judge.length // 2
    for place in range(1, len(ids)):
        first = 0 if judge.carries or place <= length else (place - 1 - half) // half * half
        with torch.inference_mode():
            hidden, _ = judge.model(torch.tensor([ids[first:place]]))
            nats -= judge.model.head(hidden[0, -1]).float().log_softmax(-1)[ids[place]].item()
    return nats / len(text.encode())


@pytest.mark.parametrize("name", ["mine", "lstm"])
def test_every_letter_costs_what_it_costs_after_all_before_it(runs, name):
    judge = run_judge(str(runs / name))
    texts = ["A cat sees the old dog. " * 4, "Short.", "", "The big red bird hears a tree by the house."]
    found = judge.nats_a_byte(texts)
    assert np.isnan(found[2]) and np.isfinite(found[[0, 1, 3]]).all()
    for at in (0, 1, 3):
        assert found[at] == pytest.approx(by_one(judge, texts[at]), rel=1e-4)
    assert judge.nats_a_byte(texts[::-1])[::-1] == pytest.approx(found, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", ["mine", "lstm"])
def test_documents_are_dropped_by_its_prices(runs, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "text", 30)
    (tmp_path / "text/noise.txt").write_text("kvvk wmvkf fkwv mvvkw kfvm wkkv fmwvk vkwmf. " * 3)
    (tmp_path / "judged.toml").write_text(RECIPE)
    flags = (f"--corpus.perplexity.run={runs / name}", "--corpus.perplexity.drop_worst=0.02", "--quiet")
    assert main(["prepare", "judged.toml", *flags]) == 0
    audit = json.loads(next(tmp_path.glob("runs/prepared/corpus-*/audit.json")).read_text())
    fell = audit["dropped"]["surprising"]
    assert audit["perplexity"]["model"] == name and fell["documents"] < 4
    # Of the rarest letters, so that a model which has learnt little more than letters is surprised, too.
    noise = next(row for row in fell["samples"] if row["source"] == "text/noise.txt")
    assert noise["value"] > noise["limit"] and all(row["value"] <= row["limit"] for row in fell["kept_samples"])
    assert str(runs) not in json.dumps(audit)
