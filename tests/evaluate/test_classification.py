"""Baselines and verdicts: on texts where words decide, where they don't, and against a hand-made answer."""

import numpy as np
import pytest

from idiolect.evaluate.classification import BASELINES, baseline_answers, compare, validation_numbers
from idiolect.tasks.labelled import Examples, Splits

pytest.importorskip("sklearn")

WORDS = {0: ["dull", "slow", "flat"], 1: ["bright", "quick", "warm"]}


def splits_of(n_train=200, n_test=150, telling=True, seed=0):
    random = np.random.default_rng(seed)

    def examples(n):
        labels = (random.random(n) < 0.7).astype(np.int64)
        words = [random.choice(WORDS[label if telling else int(random.integers(0, 2))]) for label in labels]
        return Examples(tuple(f"a {word} film number {random.integers(100)}" for word in words), labels)

    return Splits(("bad", "good"), examples(n_train), examples(50), examples(n_test), report={"left_out": {}})


def test_the_majority_answers_the_commonest_training_label():
    answers = baseline_answers(splits_of())
    assert set(answers) == set(BASELINES) and (answers["majority"] == 1).all()


def test_tf_idf_reads_words_and_only_words_that_tell():
    splits = splits_of()
    assert (baseline_answers(splits)["tf_idf"] == splits.test.labels_N).all()
    blind = splits_of(telling=False, n_test=600)
    assert (baseline_answers(blind)["tf_idf"] == blind.test.labels_N).mean() < 0.75


def test_a_comparison_has_scores_baselines_and_verdicts():
    splits = splits_of()
    right, coin = splits.test.labels_N, np.arange(150) % 2
    result = compare(coin, {"tf_idf": right, "majority": np.ones(150, int)}, splits)
    assert result["verdicts"]["tf_idf"]["accuracy"].startswith("worse than TF-IDF and logistic regression by ")
    assert result["baselines"]["tf_idf"]["accuracy"]["value"] == 1
    assert set(result["scores"]) == {"accuracy", "macro_f1"} and result["scores"]["accuracy"]["n"] == 150
    assert result["differences"]["tf_idf"]["accuracy"]["ours_minus_theirs"] == pytest.approx((coin == right).mean() - 1)
    same = compare(right, {"tf_idf": right}, splits)
    assert same["verdicts"]["tf_idf"]["macro_f1"].startswith("no difference from TF-IDF")
    assert same["about"]["names"] == ["bad", "good"] and same["about"]["left_out"] == {}


def test_validation_numbers_are_the_means_by_hand():
    import torch
    from torch import nn

    from idiolect.tasks.classification import Encoded

    class Fixed(nn.Module):
        """Logits that only depend on a text's first token."""

        def __init__(self):
            super().__init__()
            self.head = nn.Module()
            self.head.linear = nn.Linear(1, 3)
            self.table = torch.tensor([[2.0, 0, 0], [0, 800.0, 0], [0, 0, 1.0]])

        def forward(self, tokens_BT, last_BT):
            return self.table[tokens_BT[:, 0]]

    encoded = Encoded([np.array([i, 0]) for i in (0, 1, 2, 2)], 0)
    labels = np.array([0, 1, 2, 0])
    found = validation_numbers(Fixed(), encoded, labels, pad_id=0)
    expected = nn.functional.cross_entropy(Fixed().table[[0, 1, 2, 2]], torch.tensor(labels)).item()
    assert found["validation_nats"] == pytest.approx(expected, abs=1e-6)
    assert found["validation_accuracy"] == 0.75


def test_the_ordinary_loop_fine_tunes_and_its_probe_sees_it():
    from idiolect.device import DeviceConfig, resolve_device
    from idiolect.evaluate.classification import evaluate_classifier
    from idiolect.models.build import build_model
    from idiolect.models.config import GPTConfig
    from idiolect.optim.build import build_optimiser
    from idiolect.optim.config import AdamWConfig, OptimConfig
    from idiolect.progress import Progress
    from idiolect.tasks.classification import LabelledSource, build_classifier, classification_loss, encode
    from idiolect.tasks.config import ClassificationConfig
    from idiolect.tokenizer.build import build
    from idiolect.tokenizer.config import TokenizerConfig
    from idiolect.train.config import TrainConfig
    from idiolect.train.loop import train
    from idiolect.train.state import Probe, Training

    splits = splits_of()
    tokenizer = build(TokenizerConfig(kind="character", chat_tokens=False), splits.train.texts)
    config = ClassificationConfig(dropout=0.0)
    model = build_model(GPTConfig(context_length=20, n_layers=2, d_model=32, n_heads=2), tokenizer.vocabulary_size, 0)
    classifier = build_classifier(config, model, 2)
    held = encode(tokenizer, splits.validation.texts, 20)
    seen = {}

    def probe(model, step):
        found = validation_numbers(model, held, splits.validation.labels_N, tokenizer.pad_id)
        return seen.setdefault(step, found)

    train(Training(
        model=classifier, optimiser=build_optimiser(OptimConfig(optimiser=AdamWConfig(learning_rate=3e-3)), classifier),
        schedule=lambda step, total: 1.0,
        source=LabelledSource(encode(tokenizer, splits.train.texts, 20), splits.train.labels_N, tokenizer.pad_id,
                              group_samples=16),
        loss_of=classification_loss, config=TrainConfig(steps=60, eval_every_steps=30), batch_samples=16,
        micro_samples=5, progress=Progress.silent(), device=resolve_device(DeviceConfig(kind="cpu")),
        probes=[Probe("validation", 30, probe)], best_by="validation_macro_f1", best_is_high=True,
    ))  # fmt: skip
    assert seen[60]["validation_nats"] < 0.5 * seen[30]["validation_nats"] or seen[60]["validation_nats"] < 0.05
    result = evaluate_classifier(classifier, tokenizer, splits)
    assert result["scores"]["accuracy"]["value"] > 0.95
    assert result["verdicts"]["majority"]["accuracy"].startswith("better than the commonest label by")
    assert result["about"]["n_truncated"] > 0  # "a bright film number 12" has 23 characters
