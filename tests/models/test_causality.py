"""Nothing is read from the future, nor across a document boundary when it is masked."""

import dataclasses

import pytest
import torch

from idiolect.models import gpt, kernels
from idiolect.models.config import GPTConfig
from idiolect.models.masks import Reach
from idiolect.models.ngram_tables import look_back
from tests.models.settings import OPEN, VARIANTS, V
from tests.models.toys import build_open, draw_tokens

T = 12


def influence(config: GPTConfig, document_T: list[int] | None = None) -> torch.Tensor:
    """TT: how much the output at t moves with the input embedding at s; exact zeros mean no path."""
    model = build_open(config, V).eval()
    tokens = draw_tokens(1, T, V)
    caught = []

    def catch(module, inputs, output):
        output.retain_grad()
        caught.append(output)

    model.embed.register_forward_hook(catch)
    document = None if document_T is None else torch.tensor([document_T])
    logits = model.head(model(tokens, document_BT=document)[0])
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(V, generator=generator)
    rows = []
    for t in range(T):
        model.zero_grad()
        caught[0].grad = None
        (logits[0, t] @ weights).backward(retain_graph=True)
        rows.append(caught[0].grad[0].abs().sum(-1))
    return torch.stack(rows)


def swaps(config: GPTConfig, document_T: list[int] | None = None) -> torch.Tensor:
    """TT: how much the output at t moves when the token id at s is another: sees paths that no gradient runs along."""
    model = build_open(config, V).eval()
    tokens = draw_tokens(1, T, V)
    document = None if document_T is None else torch.tensor([document_T])
    with torch.no_grad():
        logits = model.head(model(tokens, document_BT=document)[0])
        columns = []
        for s in range(T):
            other = tokens.clone()
            other[0, s] = (other[0, s] + 1) % V
            columns.append((model.head(model(other, document_BT=document)[0]) - logits)[0].abs().sum(-1))
    return torch.stack(columns, dim=1)


def rounding(config: GPTConfig) -> float:
    """How far a swap may move what it must not: nothing, since matrix products of other rows are untouched.

    Save with experts, where a token that goes to another expert changes how many rows its product has, and with it the
    order of sums; gradients, which see no such thing, stay exact. A real leak moves logits by 0.01 and more.
    """
    return 2e-4 if config.n_experts else 0.0


@pytest.mark.parametrize("name", VARIANTS)
def test_no_gradient_from_the_future(name):
    moved = influence(VARIANTS[name])
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    assert (moved[future] == 0).all()
    assert (moved.diagonal() > 0).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_no_output_moves_with_a_later_token(name):
    moved = swaps(VARIANTS[name])
    assert (moved.triu(1) <= rounding(VARIANTS[name])).all()
    assert (moved.diagonal() > 0).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_crosses_a_masked_document_boundary(name):
    documents = [0] * 5 + [1] * 4 + [2] * 3
    same = torch.tensor(documents)[:, None] == torch.tensor(documents)
    for moved in (influence(VARIANTS[name], documents), swaps(VARIANTS[name], documents)):
        assert (moved[~same] <= rounding(VARIANTS[name])).all()
        assert (moved.diagonal() > 0).all()


@pytest.mark.parametrize("name", ["default", "n-grams", "n-gram head and input", "learned"])
def test_without_document_numbers_the_past_is_open(name):
    assert (swaps(VARIANTS[name])[-1] > 0).all()


def test_a_full_layer_sees_all_and_a_sliding_one_its_window():
    one_layer = OPEN | dict(n_layers=1)
    full = influence(GPTConfig(**one_layer))
    assert (full[torch.ones(T, T, dtype=torch.bool).tril()] > 0).all()
    sliding = influence(GPTConfig(**one_layer, sliding_window=3))
    band = torch.ones(T, T, dtype=torch.bool).tril().triu(-2)
    assert (sliding[~band] == 0).all() and (sliding[band] > 0).all()


def test_ngram_reads_exactly_its_order():
    # One layer that sees only itself: whatever comes from further back comes through the tables.
    config = GPTConfig(**OPEN | dict(n_layers=1), ngram_orders=(2, 4), ngram_buckets=997, sliding_window=1)
    moved = swaps(config)
    band = torch.ones(T, T, dtype=torch.bool).tril().triu(-3)
    assert (moved[~band] == 0).all() and (moved[band] > 0).all()


# Negative controls: each leak must be seen by the same measurement.


def test_a_mask_off_by_one_is_caught(monkeypatch):
    def leaky(window, positions_BT, n_source, ragged, document_BT):
        source = torch.arange(n_source)
        return Reach((source <= positions_BT[..., None] + 1)[:, None], False)

    monkeypatch.setattr(gpt, "build_reach", leaky)
    assert (influence(VARIANTS["default"]).diagonal(1) > 0).all()


def test_attention_without_a_mask_is_caught(monkeypatch):
    kernel = kernels.F.scaled_dot_product_attention

    def open_kernel(q, k, v, **settings):
        return kernel(q, k, v, enable_gqa=settings["enable_gqa"])

    monkeypatch.setattr(kernels.F, "scaled_dot_product_attention", open_kernel)
    monkeypatch.setattr(kernels, "_FEW_SCORES", 0)
    assert (influence(VARIANTS["default"]).triu(1).sum() > 0).all()


def test_products_without_a_mask_are_caught(monkeypatch):
    monkeypatch.setattr(kernels, "_forbidden", lambda q, k, reach: None)
    assert (influence(VARIANTS["default"]).triu(1).sum() > 0).all()


@pytest.mark.parametrize("name", ["n-grams", "n-gram head"])
def test_an_ngram_of_the_next_token_is_caught(monkeypatch, name):
    def shifted(n_places, outside, tokens_BT, cached_BS, positions_BT, document_BT):
        return look_back(n_places, outside, tokens_BT.roll(-1, 1), cached_BS, positions_BT, document_BT)

    monkeypatch.setattr(gpt, "look_back", shifted)
    assert swaps(VARIANTS[name]).triu(1).sum() > 0


def test_an_ngram_across_documents_is_caught(monkeypatch):
    def open_boundaries(n_places, outside, tokens_BT, cached_BS, positions_BT, document_BT):
        return look_back(n_places, outside, tokens_BT, cached_BS, positions_BT, None)

    monkeypatch.setattr(gpt, "look_back", open_boundaries)
    documents = [0] * 5 + [1] * 7
    same = torch.tensor(documents)[:, None] == torch.tensor(documents)
    assert swaps(VARIANTS["n-gram head"], documents)[~same].sum() > 0


def test_open_boundaries_are_caught():
    documents = [0] * 5 + [1] * 7
    same = torch.tensor(documents)[:, None] == torch.tensor(documents)
    assert influence(VARIANTS["default"])[~same].sum() > 0


def test_reach_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Reach(None, True).is_causal = False
