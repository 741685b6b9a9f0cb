"""Kim's classifier: the formulas through torch's own layers, padding unseen, what is trained, and that it learns."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.optim.groups import assign_groups
from idiolect.tasks.classification import build_classifier, classification_loss, encode, logits_of
from idiolect.tasks.config import ClassificationConfig
from idiolect.tasks.convolution_head import EmbeddingClassifier, count_flops
from tests.tasks.test_classification import PAD, DigitTokenizer, V, digits, source_of

D = 16


def build(model_seed: int = 0, **changes) -> EmbeddingClassifier:
    model = build_model(GPTConfig(context_length=16, n_layers=1, d_model=D, n_heads=2), V, model_seed)
    settings = dict(head="convolution", n_filters=6, head_init="small") | changes
    return build_classifier(ClassificationConfig(**settings), model, 2)


def by_torch(classifier: EmbeddingClassifier, ids: list[int]) -> torch.Tensor:
    """One text through nn.Conv1d, alone, without padding: the formulas of section 2."""
    head = classifier.head
    x_1DT = F.embedding(torch.tensor([ids]), classifier.model.embed.weight).transpose(1, 2) * head.scale
    strongest = []
    for part in head.filters:
        conv = nn.Conv1d(D, 6, part.width, padding=part.width - 1)
        with torch.no_grad():
            conv.weight.copy_(part.weight.unflatten(1, (part.width, D)).transpose(1, 2))
            conv.bias.copy_(part.bias)
        strongest.append(F.max_pool1d(conv(x_1DT).relu(), len(ids) + part.width - 1).squeeze(-1))
    return F.linear(torch.cat(strongest, 1), head.linear.weight, head.linear.bias)[0]


@pytest.mark.parametrize("texts", [["0123456789", "3", "", "98765"], ["12"] * 2])
def test_it_equals_torchs_conv1d_text_by_text_whatever_the_padding(texts):
    classifier = build().eval()
    with torch.no_grad():
        for part in classifier.head.filters:
            # A bias above zero is what padding would answer with, were it seen.
            part.bias.copy_(torch.linspace(-1, 3, 6))
        batch = source_of(texts, [0] * len(texts), shuffle=False).batch(0, len(texts))
        found = classifier(batch.tokens_BT, batch.loss_mask_BT)
        for row, ids in enumerate(encode(DigitTokenizer(), texts, 16).ids):
            torch.testing.assert_close(found[row], by_torch(classifier, ids.tolist()), atol=1e-5, rtol=1e-5)


def test_padding_that_is_seen_would_be_caught(monkeypatch):
    classifier = build().eval()
    with torch.no_grad():
        for part in classifier.head.filters:
            part.bias.fill_(3.0)
        batch = source_of(["1", "4" * 14], [0, 0], shuffle=False).batch(0, 2)
        monkeypatch.setattr(torch.Tensor, "masked_fill", lambda x, mask, value: x)
        found = classifier(batch.tokens_BT, batch.loss_mask_BT)
        monkeypatch.undo()
        assert (found[0] - by_torch(classifier, [1, 10])).abs().max() > 1e-3


def test_only_the_embedding_and_the_head_are_trained():
    groups = {name: set(found) for name, found in assign_groups(build()).items() if found}
    filters = {f"head.filters.{i}" for i in range(3)}
    assert groups == {
        "matrices": {f"{name}.weight" for name in filters}, "embeddings": {"model.embed.weight"},
        "biases": {f"{name}.bias" for name in filters} | {"head.linear.bias"}, "head": {"head.linear.weight"},
    }  # fmt: skip
    static = assign_groups(build(freeze=True))
    assert not static["embeddings"] and len(static["matrices"]) == 3


def test_the_embedding_is_fitted_unless_it_is_frozen():
    batch = source_of(["123", "4567"], [0, 1]).batch(0, 2)
    for freeze in (False, True):
        classifier = build(freeze=freeze)
        classification_loss(classifier, batch).loss.backward()
        assert (classifier.model.embed.weight.grad is None) == freeze
        assert all(part.weight.grad.abs().sum() > 0 for part in classifier.head.filters)


def test_the_embeddings_size_decides_nothing():
    batch = source_of(["123", "4567"], [0, 1]).batch(0, 2)
    answers = []
    for factor in (1.0, 30.0):
        model = build_model(GPTConfig(context_length=16, n_layers=1, d_model=D, n_heads=2), V, 0)
        with torch.no_grad():
            model.embed.weight.mul_(factor)
        classifier = build_classifier(ClassificationConfig(head="convolution", head_init="small"), model, 2).eval()
        answers.append(classifier(batch.tokens_BT, batch.loss_mask_BT))
    torch.testing.assert_close(*answers)


def test_rows_are_pulled_back_to_their_longest():
    batch = source_of(["123", "4567"], [0, 1]).batch(0, 2)
    limited, free = build(max_norm=3.0), build()
    for classifier in (limited, free):
        with torch.no_grad():
            classifier.head.linear.weight.copy_(torch.tensor([[1.0], [0.1]]).expand(2, 18))
        classifier(batch.tokens_BT, batch.loss_mask_BT)
    lengths = torch.linalg.vector_norm(limited.head.linear.weight, dim=1)
    torch.testing.assert_close(lengths.detach(), torch.tensor([3.0, 0.1 * math.sqrt(18)]))
    assert torch.equal(free.head.linear.weight[0], torch.ones(18))
    # Within one step, over several micro-batches, nothing of it disturbs the gradients.
    for first in (0, 1):
        classification_loss(limited, batch.slice(first, first + 1)).loss.backward()
    with torch.inference_mode():
        limited.eval()(batch.tokens_BT, batch.loss_mask_BT)


def test_operations_are_counted():
    classifier, config = build().eval(), ClassificationConfig(head="convolution", n_filters=6)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for part in classifier.head.filters:
            part(torch.zeros(1, 40, D), torch.tensor([39]))
    # The windows that hang over the ends come on top.
    over = sum(2 * w * D * 6 * (w - 1) for w in (3, 4, 5))
    assert counter.get_total_flops() == 40 * count_flops(config, D) + over


def test_dropout_is_the_papers_unless_given():
    assert ClassificationConfig(head="convolution").resolved_dropout == 0.5
    assert ClassificationConfig(head="convolution", dropout=0.2).resolved_dropout == 0.2
    assert ClassificationConfig().resolved_dropout == 0.1 and ClassificationConfig(dropout=0.0).resolved_dropout == 0


def test_building_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    one, other = (build().head.filters[1].weight for _ in range(2))
    assert torch.equal(before, torch.get_rng_state()) and torch.equal(one, other)
    assert not torch.equal(one, build(seed=1).head.filters[1].weight)


@pytest.mark.parametrize("freeze", [False, True])
def test_it_learns_what_order_says(freeze):
    """Labels hang on whether 3 follows 7: a bag of tokens can't tell, a filter of two can."""
    random = np.random.default_rng(0)

    def texts(n):
        rows = ["".join(map(str, random.permutation([3, 7, *random.integers(0, 3, 6)]))) for _ in range(n)]
        rows = [row.replace("7", "", 1).replace("3", "73", 1) if i % 2 else row for i, row in enumerate(rows)]
        return rows, np.array([int("73" in row) for row in rows])

    (learned, labels), (held, held_labels) = texts(600), texts(200)
    torch.manual_seed(0)
    classifier = build(filter_widths=(2, 3), n_filters=16, freeze=freeze, head_init="zero")
    source = source_of(learned, labels)
    optimiser = torch.optim.AdamW([p for p in classifier.parameters() if p.requires_grad], lr=5e-3)
    for step in range(120):
        priced = classification_loss(classifier, source.batch(32 * step, 32))
        optimiser.zero_grad()
        (priced.loss / priced.n_scored).backward()
        optimiser.step()
    answers = logits_of(classifier, encode(DigitTokenizer(), held, 16), PAD).argmax(1)
    assert (answers == held_labels).mean() > 0.95


@pytest.mark.parametrize("widths", [(), (0,), (3, 300)])
def test_senseless_widths_are_refused(widths):
    with pytest.raises(RecipeError, match="filter_widths"):
        ClassificationConfig(filter_widths=widths)


def test_digits_are_told_apart():
    texts, _ = digits(10)
    assert logits_of(build(), encode(DigitTokenizer(), texts, 16), PAD).shape == (10, 2)
