"""The classifier's batches, pooling, loss and predictions, and that it learns what can be learned."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from idiolect.models.build import build_model
from idiolect.models.config import BertConfig, GPTConfig, Seq2SeqConfig, T5Config
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import OptimConfig
from idiolect.optim.groups import assign_groups
from idiolect.tasks.classification import (
    Encoded,
    LabelledSource,
    LastToken,
    MeanOfTokens,
    build_classifier,
    classification_loss,
    encode,
    logits_of,
    predict,
)
from idiolect.tasks.config import ClassificationConfig

END, PAD, V = 10, 11, 12


class DigitTokenizer:
    """One token a character of 0..9."""

    end_id, pad_id = END, PAD

    def encode_batch(self, texts):
        return [np.array([int(c) for c in text], np.int32) for text in texts]


def digits(n, seed=0):
    """Texts whose label is whether 7 occurs: order, length and the rest say nothing."""
    random = np.random.default_rng(seed)
    texts = ["".join(map(str, random.choice([0, 1, 2, 3, 4, 5, 6, 8, 9], random.integers(1, 12)))) for _ in range(n)]
    texts = [t if i % 2 else (t[: len(t) // 2] + "7" + t[len(t) // 2 :]) for i, t in enumerate(texts)]
    return texts, np.array([int("7" in t) for t in texts])


def classifier_of(seed=0, model=None, **changes):
    model = build_model(GPTConfig(context_length=16, n_layers=2, d_model=32, n_heads=2, **(model or {})), V, seed)
    return build_classifier(ClassificationConfig(**({"dropout": 0.0} | changes)), model, 2)


def source_of(texts, labels, **settings):
    return LabelledSource(encode(DigitTokenizer(), texts, 16), labels, PAD, **settings)


def test_texts_are_cut_counted_and_closed():
    encoded = encode(DigitTokenizer(), ["123", "1" * 40, "", "1" * 15], 16)
    assert [list(ids[-1:]) for ids in encoded.ids] == [[END]] * 4
    assert [len(ids) for ids in encoded.ids] == [4, 16, 1, 16] and encoded.n_truncated == 1


def test_a_batch_is_padded_and_scores_one_place_a_row():
    batch = source_of(["12", "3456", ""], [0, 1, 1], shuffle=False).batch(0, 3)
    assert batch.tokens_BT.tolist() == [[1, 2, END, PAD, PAD], [3, 4, 5, 6, END], [END, PAD, PAD, PAD, PAD]]
    assert batch.loss_mask_BT.int().argmax(1).tolist() == [2, 4, 0] and batch.n_scored == 3
    assert batch.labels_B.tolist() == [0, 1, 1]


@pytest.mark.parametrize("group", [0, 4, 7, 100])
def test_order_is_pure_and_every_epoch_holds_each_example_once(group):
    texts, labels = digits(50)
    source = source_of(texts, labels, seed=3, group_samples=group)
    for epoch in (0, 1):
        assert sorted(source.order(epoch)) == list(range(50))
    assert not np.array_equal(source.order(0), source.order(1))
    whole = source.batch(0, 120)
    again = source_of(texts, labels, seed=3, group_samples=group)
    for first, count in ((100, 20), (0, 7), (45, 10)):  # out of order, and across epochs
        part = again.batch(first, count)
        width = part.tokens_BT.shape[1]
        assert torch.equal(part.tokens_BT, whole.tokens_BT[first : first + count, :width])
        assert torch.equal(part.labels_B, whole.labels_B[first : first + count])
    assert not np.array_equal(source_of(texts, labels, seed=4, group_samples=group).order(0), source.order(0))


def test_grouping_saves_padding():
    texts, labels = digits(640)

    def padding(group):
        source = source_of(texts, labels, group_samples=group)
        batches = [source.batch(first, 16).tokens_BT for first in range(0, 640, 16)]
        return sum(int((b == PAD).sum()) for b in batches) / sum(b.numel() for b in batches)

    assert padding(16) < 0.35 * padding(0)


def test_pooling_reads_only_real_tokens():
    hidden = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    last = torch.tensor([[False, False, True, False, False], [True, False, False, False, False]])
    assert torch.equal(LastToken()(hidden, last), torch.stack([hidden[0, 2], hidden[1, 0]]))
    torch.testing.assert_close(MeanOfTokens()(hidden, last), torch.stack([hidden[0, :3].mean(0), hidden[1, 0]]))


@pytest.mark.parametrize("pool", ["last", "mean"])
def test_padding_changes_no_answer(pool):
    classifier = classifier_of(pool=pool, head_init="small").eval()
    narrow = source_of(["123"], [0]).batch(0, 1)
    wide = source_of(["123", "4" * 15], [0, 0], shuffle=False).batch(0, 2)
    alone = classifier(narrow.tokens_BT, narrow.loss_mask_BT)
    beside = classifier(wide.tokens_BT, wide.loss_mask_BT)[:1]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=0)
    assert alone.abs().max() > 1e-3


@pytest.mark.parametrize("pool", ["last", "mean"])
def test_a_model_with_tables_at_its_head_can_be_classified_with(pool):
    """Its hidden states are wider than the model: the tables' rows travel in them, and learn too."""
    tables = {"ngram_orders": (2,), "ngram_head_orders": (1, 2)}
    classifier = classifier_of(pool=pool, head_init="small", model=tables)
    assert classifier.head.linear.in_features == 32 + V
    optimiser = build_optimiser(OptimConfig(), classifier)
    batch = source_of(["123", "4" * 15, "7"], [0, 1, 1], shuffle=False).batch(0, 3)
    nats = []
    for _ in range(8):
        found = classification_loss(classifier, batch)[0]
        found.backward()
        assert math.isfinite(optimiser.clip())
        optimiser.step()
        optimiser.zero_grad()
        nats.append(found.item())
    assert nats[-1] < 0.9 * nats[0]
    assert all(table.weight.abs().sum() > 0 for table in classifier.model.to_logits.tables.values())


def test_a_zero_head_starts_at_the_entropy_of_a_fair_guess():
    texts, labels = digits(20)
    nats, count, _ = classification_loss(classifier_of(), source_of(texts, labels).batch(0, 20))
    assert (nats / count).item() == pytest.approx(math.log(2), abs=1e-6) and count.item() == 20


def test_smoothed_labels_are_minimised_and_plain_nats_reported():
    classifier, (texts, labels) = classifier_of(head_init="small"), digits(20)
    batch = source_of(texts, labels).batch(0, 20)
    plain, smoothed = classification_loss(classifier, batch), classification_loss(classifier, batch, 0.2)
    logits = classifier(batch.tokens_BT, batch.loss_mask_BT)
    want = torch.nn.functional.cross_entropy(logits, batch.labels_B, reduction="sum", label_smoothing=0.2)
    assert torch.equal(smoothed.nats, plain.nats) and torch.equal(smoothed.loss, want) and want != plain.loss


def test_micro_batches_give_the_same_gradient():
    texts, labels = digits(12)
    batch = source_of(texts, labels).batch(0, 12)
    gradients = []
    for cuts in ([0, 12], [0, 1, 7, 12]):
        classifier = classifier_of(head_init="small")
        for first, last in zip(cuts[:-1], cuts[1:], strict=True):
            classification_loss(classifier, batch.slice(first, last))[0].backward()
        gradients.append([p.grad for p in classifier.parameters() if p.grad is not None])
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-4)


def test_parameters_keep_their_names_and_groups():
    classifier = classifier_of()
    inner = {f"model.{name}" for name, _ in classifier.model.named_parameters()}
    assert {name for name, _ in classifier.named_parameters()} - inner == {"head.linear.weight", "head.linear.bias"}
    groups = assign_groups(classifier)
    assert "head.linear.weight" in groups["head"] and "head.linear.bias" in groups["biases"]
    frozen = assign_groups(classifier_of(freeze=True))
    assert {name for group in frozen.values() for name in group} == {"head.linear.weight", "head.linear.bias"}


def test_building_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    one, other = (classifier_of(head_init="small").head.linear.weight for _ in range(2))
    assert torch.equal(before, torch.get_rng_state()) and torch.equal(one, other) and one.std() > 0.01


def test_it_learns_and_a_frozen_head_on_shuffled_labels_does_not():
    texts, labels = digits(400)
    held_texts, held_labels = digits(200, seed=1)

    def accuracy_after(labels, steps=150):
        torch.manual_seed(0)
        classifier = classifier_of()
        source = source_of(texts, labels, group_samples=32)
        optimiser = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
        for step in range(steps):
            nats, count, _ = classification_loss(classifier, source.batch(32 * step, 32))
            optimiser.zero_grad()
            (nats / count).backward()
            optimiser.step()
        answers = logits_of(classifier, encode(DigitTokenizer(), held_texts, 16), PAD).argmax(1)
        return (answers == held_labels).mean(), classifier

    accuracy, classifier = accuracy_after(labels)
    assert accuracy > 0.97
    assert accuracy_after(np.random.default_rng(0).permutation(labels), 60)[0] < 0.7
    found = predict(classifier, DigitTokenizer(), ["0172", "0183"], ["without", "with"])
    assert [answer["label"] for answer in found] == ["with", "without"]
    assert sum(found[0]["probabilities"].values()) == pytest.approx(1) and found[0]["probabilities"]["with"] > 0.5
    assert predict(classifier, DigitTokenizer(), [], ["a", "b"]) == []


def test_predictions_come_in_the_texts_order_whatever_the_batch():
    texts, _ = digits(60)
    encoded, classifier = encode(DigitTokenizer(), texts, 16), classifier_of(head_init="small")
    classifier.train()
    together = logits_of(classifier, encoded, PAD)
    assert classifier.training
    one_by_one = np.concatenate([logits_of(classifier, Encoded([ids], 0), PAD) for ids in encoded.ids])
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    np.testing.assert_allclose(logits_of(classifier, encoded, PAD, batch_tokens=20), together, atol=1e-5)


def test_a_random_start_and_a_parent_differ_only_in_the_body():
    config = ClassificationConfig(head_init="small")
    parent = classifier_of(seed=1, head_init="small")
    fresh = classifier_of(seed=2, head_init="small")
    assert torch.equal(parent.head.linear.weight, fresh.head.linear.weight)
    assert not torch.equal(parent.model.embed.weight, fresh.model.embed.weight)
    assert config.start == "parent" and replace(Encoded([], 0), n_truncated=3).n_truncated == 3


@pytest.mark.parametrize("pool", ["mean", "last"])
@pytest.mark.parametrize("settings", [{}, {"norm_at": "after", "positions": "learned", "sliding_window": 4}])
def test_an_encoder_never_looks_at_the_padding(pool, settings):
    model = build_model(
        BertConfig(context_length=32, n_layers=2, d_model=16, n_heads=2, init_std=0.3, **settings), V, 0
    )
    classifier = build_classifier(ClassificationConfig(pool=pool, head_init="small"), model, 3).eval()
    short, long = np.array([1, 2, 3, END], np.int32), np.arange(12, dtype=np.int32) % 10
    alone = LabelledSource(Encoded([short], 0), [0], PAD, shuffle=False).batch(0, 1)
    padded = LabelledSource(Encoded([short, long], 0), [0, 1], PAD, shuffle=False).batch(0, 2)
    with torch.no_grad():
        expected = classifier(alone.tokens_BT, alone.loss_mask_BT)[0]
        found = classifier(padded.tokens_BT, padded.loss_mask_BT)[0]
        # Negative control: with the padding in sight the answer moves.
        seen = classifier.head(classifier.model(padded.tokens_BT)[0], padded.loss_mask_BT)[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert (seen - expected).abs().max() > 1e-3


def test_an_encoder_learns_to_classify():
    """The label is the digit in the middle of five, wherever in the text they stand."""
    generator = np.random.default_rng(0)
    texts = ["".join(map(str, generator.integers(0, 10, 5))) for _ in range(600)]
    encoded = encode(DigitTokenizer(), texts, 16)
    source = LabelledSource(encoded, [int(text[2]) % 2 for text in texts], PAD, seed=1)
    model = build_model(BertConfig(context_length=16, n_layers=2, d_model=32, n_heads=2), V, 0)
    classifier = build_classifier(ClassificationConfig(pool="mean", dropout=0.0), model, 2)
    optimiser = torch.optim.AdamW(classifier.parameters(), 3e-3)
    for step in range(150):
        priced = classification_loss(classifier, source.batch(step * 32, 32))
        (priced.loss / 32).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert priced.nats.item() / 32 < 0.2


@pytest.mark.parametrize("pool", ["mean", "last"])
@pytest.mark.parametrize("config", [T5Config, Seq2SeqConfig])
def test_an_encoder_decoder_classifies_a_text_that_is_its_own_source(config, pool):
    config = config(context_length=16, n_layers=1, d_model=32, **({"n_heads": 2} if config is T5Config else {}))
    classifier = build_classifier(ClassificationConfig(pool=pool, head_init="small"), build_model(config, V, 0), 3)
    short, long = np.array([1, 2, 3, END], np.int32), np.arange(12, dtype=np.int32) % 10
    alone = LabelledSource(Encoded([short], 0), [0], PAD, shuffle=False).batch(0, 1)
    padded = LabelledSource(Encoded([short, long], 0), [0, 1], PAD, shuffle=False).batch(0, 2)
    with torch.no_grad():
        expected = classifier.eval()(alone.tokens_BT, alone.loss_mask_BT)[0]
        found = classifier(padded.tokens_BT, padded.loss_mask_BT)[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    # The first token reaches the answer through the encoder alone as well.
    other = torch.cat([torch.full((1, 1), 7), alone.tokens_BT[:, 1:]], 1)
    mask_BS = torch.ones_like(other, dtype=torch.bool)
    with torch.no_grad():
        hidden, _ = classifier.model(alone.tokens_BT, source_BS=other, source_mask_BS=mask_BS)
    assert not torch.allclose(classifier.head(hidden, alone.loss_mask_BT)[0], expected, atol=1e-5)
