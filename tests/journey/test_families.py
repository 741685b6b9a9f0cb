"""Every family as a user meets it: what a verb can't do with one is one error; a family may come from outside."""

import json
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import nn

from idiolect import models
from idiolect.cli import main
from idiolect.config import Config, field
from idiolect.data.config import CausalObjective
from idiolect.data.objectives import build_objective
from idiolect.models.build import build_model
from idiolect.models.contract import Model
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdamWConfig, OptimConfig
from idiolect.train.config import LossConfig
from idiolect.train.loss import build_loss

SMALL = [
    "--tokenizer.kind=character", "--train.steps=4", "--train.batch_tokens=64", "--train.eval_every_steps=2",
    "--generate.max_tokens=8", "--device.kind=cpu",
]  # fmt: skip
SIZES = {
    "t5": ["--model.context_length=32", "--model.n_layers=1", "--model.d_model=16", "--model.n_heads=2"],
    "seq2seq": ["--model.context_length=32", "--model.n_layers=1", "--model.d_model=16"],
    "ngram": ["--model.order=3"],
}


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n\n".join(f"the cat number {i} sat on the mat" for i in range(200)))
    (tmp_path / "marks.csv").write_text(
        "text,label\n" + "".join(f"the {'cat' if i % 2 else 'dog'} {i},{i % 2}\n" for i in range(80))
    )
    path = tmp_path / "mine.toml"
    path.write_text('[corpus]\ntext = ["text.txt"]\n[finetune.task]\ntrain = ["marks.csv"]\n')
    return str(path)


@pytest.mark.parametrize("kind", ["t5", "seq2seq"])
def test_an_encoder_decoder_is_fitted_to_a_task(recipe, tmp_path, kind):
    assert main(["train", recipe, f"--model.kind={kind}", *SIZES[kind], *SMALL]) == 0
    assert main(["finetune", "runs/mine", "--finetune.train.steps=2", "--finetune.train.batch_tokens=128"]) == 0
    found = json.loads((tmp_path / "runs" / "mine-classification" / "finetune.json").read_text())
    assert 0 <= found["scores"]["accuracy"]["value"] <= 1


def test_what_counts_counts_once_whatever_the_learning_rate(recipe, capsys):
    flags = ["--model.kind=ngram", *SIZES["ngram"], *SMALL]
    assert main(["train", recipe, *flags]) == 0
    assert main(["train", recipe, *flags, "--optim.optimiser.learning_rate=0.01", "--train.steps=9"]) == 0
    assert "the model stands" in capsys.readouterr().err
    assert main(["train", recipe, *flags, "--model.order=4"]) == 0
    said = capsys.readouterr().err
    assert "model.order changed" in said and "has no loss" not in said
    assert main(["train", recipe, *flags, "--model.order=2", "--train.loss.label_smoothing=0.1"]) == 0
    assert "has no loss" in capsys.readouterr().err


def test_what_counts_is_never_fitted_nor_asked_about_batches(recipe, tmp_path, capsys):
    flags = ["--model.kind=ngram", *SIZES["ngram"], *SMALL]
    assert main(["train", recipe, *flags]) == 0
    capsys.readouterr()
    assert main(["finetune", "runs/mine"]) == 2
    assert "can't be fitted to a task" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "mine-classification").exists()
    # 64 tokens a batch hold no window of 1,024, which stops every other family.
    assert main(["doctor", recipe, *flags, "--json"]) == 0
    assert not [one for one in json.loads(capsys.readouterr().out.splitlines()[-1])["findings"]
                if one["severity"] == "stop"]  # fmt: skip


class BagConfig(Config):
    """A family that a user might write: each token is guessed from the running mean of those before."""

    reads: ClassVar[str] = "left"
    kind: Literal["bag"] = "bag"
    d_model: int = field(32, "width", gt=0, le=4096)
    context_length: int = field(16, "most tokens read", gt=0, le=4096)


class Bag(nn.Module):
    """Running means of embeddings through one hidden layer."""

    reads, unbounded, logit_softcap, fused_rows, head_names = "left", False, 0.0, {}, ()

    def __init__(self, config, vocabulary_size):
        super().__init__()
        self.config, self.vocabulary_size, self.context_length = config, vocabulary_size, config.context_length
        self.embed = nn.Embedding(vocabulary_size, config.d_model)
        self.hidden = nn.Linear(2 * config.d_model, config.d_model)

    def initialise(self, seed):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.normal_(0, 0.1, generator=generator)

    def forward(self, tokens_BT, cache=None, document_BT=None):
        x_BTD = self.embed(tokens_BT)
        mean_BTD = x_BTD.cumsum(1) / torch.arange(1, x_BTD.shape[1] + 1)[:, None]
        return self.hidden(torch.cat([x_BTD, mean_BTD], -1)).tanh(), cache

    def head(self, hidden):
        return hidden @ self.embed.weight.T

    @property
    def head_weight(self):
        return self.embed.weight

    def new_cache(self, n_rows, capacity=0):
        raise NotImplementedError


def test_a_family_from_outside_is_trained_through_the_public_parts(monkeypatch):
    monkeypatch.setattr(models, "FAMILIES", dict(models.FAMILIES))
    models.register("bag", models.Family(BagConfig, f"{__name__}:Bag"))
    model = build_model(BagConfig(), 12, seed=0)
    assert isinstance(model, Model)
    objective = build_objective(
        CausalObjective(), context_length=16, vocabulary_size=12, end_id=11, boundaries="open", seed=0, tokenizer=None
    )
    text_N = torch.arange(400) % 7  # each token tells the next: nothing is left to guess
    optimiser = build_optimiser(OptimConfig(optimiser=AdamWConfig(learning_rate=1e-2)), model)
    loss_of = build_loss(LossConfig())
    for step in range(80):
        sample_B = np.arange(8) + 8 * step
        window_BW = torch.stack([text_N[i % 300 : i % 300 + objective.window] for i in sample_B])
        priced = loss_of(model, objective.batch(window_BW, sample_B))
        (priced.loss / priced.n_scored).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert priced.nats / priced.n_scored < 0.1
